"""Instances as COCO JSON, for notebooks and scripts; `core.io.coco_reading.read_coco` reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io import coco_writing
from napari_cellseg_ssl.core.io.own_files import require_own


def write_coco(
    file: str | Path,
    labels: Array | Sequence[Array],
    names: str | Sequence[str] = "image.tif",
    *,
    scores: Mapping[int, float] | Array | Sequence[Mapping[int, float] | Array] = (),
    overwrite: bool = False,
) -> None:
    """Write instances as COCO JSON; every pixel is kept.

    Parameters
    ----------
    labels : (Y, X) or (N, Y, X) integer, or a sequence of (Y, X)
        0 = background; as `segment` returns them.
    names : str or sequence of str
        File name of each image; one name for all frames of a movie.
    scores : {label: score}, (K,) float, or a sequence of them, optional
        How sure a detector was of each instance, one of them per image; `segment_scored` returns them.
    overwrite : bool
        Replace the file also if this package did not write it.

    Raises
    ------
    WrongOption
        If the labels are volumes.
    WrongImage
        If the file cannot be written.
    WouldOverwrite
        If it is there and was not written by this package.
    """
    require_own([Path(file)], overwrite=overwrite)
    frames: list[Any] = [np.asarray(one) for one in labels]
    is_one = bool(frames) and all(frame.ndim == 1 for frame in frames)
    if is_one:
        frames = [np.asarray(labels)]
    named = [names] * len(frames) if isinstance(names, str) else list(names)
    is_flat = isinstance(scores, Mapping) or (isinstance(scores, np.ndarray) and scores.ndim == 1)
    told: Any = [scores] if is_flat else scores
    coco_writing.write_coco(Path(file), frames, named, scores=told)
