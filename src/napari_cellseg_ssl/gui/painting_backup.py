"""A copy on disk of what is being painted, so that a crash costs no cell.

One file per image and session, in the user's data folder. Only painted frames are written, by a thread, whenever the
brush has rested for a moment. Nothing in a file is executed when it is read.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_cellseg_ssl.core.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.errors import CellSegError, WrongAnnotation
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.weights_file import load_arrays, save_arrays
from napari_cellseg_ssl.gui import autosave
from napari_cellseg_ssl.gui.layout import level_zero

SUFFIX = ".safetensors"
KEPT_PER_IMAGE = 5
HASHED_ROWS = 64


@dataclass(frozen=True)
class SavedPainting:
    """A painting found on disk."""

    file: Path
    labels: Array
    n_cells: int

    @property
    def when(self) -> str:
        """Date and time of the last stroke."""
        return f"{datetime.fromtimestamp(self.file.stat().st_mtime):%d %b, %H:%M}"


class PaintingBackup:
    """Where the painting of one layer is kept."""

    def __init__(self, image_layer: Image, layer: Labels) -> None:
        self._layer = layer
        self._fingerprint = fingerprint(image_layer)
        self._file = backups_folder() / f"{self._fingerprint}-{datetime.now():%Y%m%d-%H%M%S%f}{SUFFIX}"

    def copy(self, painted_frames: Sequence[int]) -> dict[str, Array]:
        """Copy what has to be written; quick, for the GUI thread."""
        data = self._layer.data
        frames = data.reshape(-1, *data.shape[-2:])[list(painted_frames)]
        return {"frames": frames, "index": np.array(painted_frames, np.int64), "shape": np.array(data.shape, np.int64)}

    def write(self, arrays: dict[str, Array]) -> None:
        """Write a copy, and forget the oldest paintings of this image; for a worker.

        Raises
        ------
        WrongAnnotation
            If the folder cannot be written.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(self._file, arrays)
            for old in _files(self._fingerprint)[:-KEPT_PER_IMAGE]:
                old.unlink(missing_ok=True)
        except OSError as problem:
            raise WrongAnnotation(f"'{self._file.parent}' cannot be written: {problem.strerror}.") from problem


def find_painting(image_layer: Image, shape: Sequence[int]) -> SavedPainting | None:
    """Find the newest painting of an image with labels of a shape; None if there is none that can be read."""
    for file in reversed(_files(fingerprint(image_layer))):
        try:
            arrays = load_arrays(file)[0]
            labels = np.zeros(arrays["shape"], np.int32)
            labels.reshape(-1, *labels.shape[-2:])[arrays["index"]] = arrays["frames"]
        except (CellSegError, KeyError, IndexError, ValueError):
            continue
        if labels.shape == tuple(shape) and labels.any():
            return SavedPainting(file, labels, int((np.unique(labels) > BACKGROUND_ID).sum()))
    return None


def backups_folder() -> Path:
    """Folder of this user's paintings."""
    return autosave.runs_folder().parent / "paintings"


def fingerprint(image_layer: Image) -> str:
    """Tell images apart by some of their rows; a lazy image, which is not loaded for this, by its name and shape."""
    data: Any = level_zero(image_layer)
    digest = zlib.crc32(repr((tuple(data.shape), str(data.dtype))).encode())
    if not isinstance(data, np.ndarray):
        return f"{zlib.crc32(image_layer.name.encode(), digest):08x}"
    rows = data.reshape(-1, data.shape[-1])
    chosen = rows[:: max(1, len(rows) // HASHED_ROWS)]
    return f"{zlib.crc32(np.ascontiguousarray(chosen).view(np.uint8).data, digest):08x}"


def _files(image: str) -> list[Path]:
    """Paintings of an image, oldest first."""
    return sorted(backups_folder().glob(f"{image}-*{SUFFIX}"))
