"""The labelled sets that the benchmarks run on, found in a folder given on the command line.

A set is a folder `DATA/<set>/dev` with `images/NAME.tif` and `labels/NAME.tif`, or a Cell Tracking Challenge
sequence `DATA/ctc/<set>/dev/<01|02>/tNNN.tif` with `<01|02>_GT/SEG/man_segNNN.tif`. Every sequence counts as a
set of its own, because two movies of one cell line can be as different as two experiments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.images import Array

SETS_3D = ("nuclei_3d",)


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One image file and the file of its true instances."""

    set_name: str
    name: str
    image_path: Path
    labels_path: Path
    ndim: int

    def read_image(self) -> np.ndarray:
        """Read the pixels as (C, *S), in the file's own dtype; colours become channels."""
        pixels = tifffile.imread(self.image_path)
        if pixels.ndim == self.ndim:
            return pixels[np.newaxis]
        return np.moveaxis(pixels, -1, 0)

    def read_labels(self) -> np.ndarray:
        """Read the true instances as (*S) int32, 0 = background."""
        return tifffile.imread(self.labels_path).astype(np.int32)


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """All labelled images of one acquisition or collection, in order of name."""

    name: str
    items: tuple[LabelledImage, ...]
    images_folder: Path
    labels_folder: Path

    def __iter__(self) -> Iterator[LabelledImage]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def find_sets(data: Path, *, ndim: int = 2, names: tuple[str, ...] = ()) -> tuple[LabelledSet, ...]:
    """List the labelled sets under a data folder.

    Parameters
    ----------
    data : Path
        Folder of sets.
    ndim : int
        2 or 3: which sets to list.
    names : tuple of str
        Only sets whose name starts with one of these; all when empty.

    Raises
    ------
    FileNotFoundError
        When no set is found, with the folder that was searched.
    """
    found = [_plain_set(folder) for folder in sorted(data.glob("*/dev")) if (folder / "labels").is_dir()]
    found += [_ctc_set(data, masks) for masks in sorted(data.glob("ctc/*/dev/*_GT/SEG"))]
    chosen = tuple(
        one for one in found if len(one) and one.items[0].ndim == ndim and (not names or one.name.startswith(names))
    )
    if not chosen:
        raise FileNotFoundError(f"no labelled {ndim}D set {names or ''} under {data}")
    return chosen


def _plain_set(dev: Path) -> LabelledSet:
    name = dev.parent.name
    images, labels = dev / "images", dev / "labels"
    items = tuple(
        LabelledImage(
            set_name=name,
            name=file.stem,
            image_path=images / file.name,
            labels_path=file,
            ndim=3 if name in SETS_3D else 2,
        )
        for file in sorted(labels.glob("*.tif"))
        if (images / file.name).exists()
    )
    return LabelledSet(name=name, items=items, images_folder=images, labels_folder=labels)


def _ctc_set(data: Path, masks: Path) -> LabelledSet:
    sequence = masks.parent.name.removesuffix("_GT")
    frames = masks.parent.parent / sequence
    name = frames.relative_to(data).as_posix()
    items = tuple(
        LabelledImage(
            set_name=name,
            name=f"t{file.stem.removeprefix('man_seg')}",
            image_path=frames / f"t{file.stem.removeprefix('man_seg')}.tif",
            labels_path=file,
            ndim=2,
        )
        for file in sorted(masks.glob("man_seg*.tif"))
    )
    return LabelledSet(name=name, items=items, images_folder=frames, labels_folder=masks)


def median_diameter(truth: Array) -> float | None:
    """Median equivalent diameter of the true cells (*S) in px, or None when there are none."""
    diameters = diameters_of_cells(truth)
    return float(np.median(diameters)) if len(diameters) else None
