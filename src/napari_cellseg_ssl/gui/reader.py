"""Labels that this package wrote come back as Labels, with their scale and over their image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np

from napari_cellseg_ssl.core.io.image_files import stem_of
from napari_cellseg_ssl.core.io.own_files import is_own
from napari_cellseg_ssl.core.io.tiff import read_tiff
from napari_cellseg_ssl.core.io.zarr_files import is_zarr, read_zarr
from napari_cellseg_ssl.gui.layers.layout import layout_of, transform_of

ENDING = "_labels"
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return a reader of label files that this package wrote; None for all others, which napari reads."""
    files = _paths(path)
    return read_labels if files and all(stem_of(file).endswith(ENDING) and is_own(file) for file in files) else None


def read_labels(path: str | Sequence[str]) -> list[LayerData]:
    """Read label files as Labels layers, where their image is if it is open, else with the scale that they state."""
    return [_layer(file) for file in _paths(path)]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]


def _layer(file: Path) -> LayerData:
    if is_zarr(file):
        array, axes, size, _ = read_zarr(file)
    else:
        tiff = read_tiff(file, as_stored=True)
        array, axes, size = tiff.array, tiff.axes, tiff.size
    if array.dtype.kind not in "iu":
        array = np.asarray(array).astype(np.int32)
    name = stem_of(file)
    settings = _over_image(name.removesuffix(ENDING), array.shape)
    if settings is None:
        letters = axes or ""
        settings = {"scale": [size.sizes.get(axis, 1.0) for axis in letters] or None, "axis_labels": letters.lower()}
        if size.in_um:
            settings["units"] = ["um" if axis in "ZYX" else "pixel" for axis in letters]
        settings = {key: value for key, value in settings.items() if value}
    return array, {"name": name, **settings}, "labels"


def _over_image(name: str, shape: Sequence[int]) -> dict[str, Any] | None:
    """Place labels where the open image of their name is, if they are of its size."""
    viewer = napari.current_viewer()
    for layer in () if viewer is None else viewer.layers:
        if layer.name == name and isinstance(layer, napari.layers.Image):
            layout = layout_of(layer)
            if layout.derived_shape == tuple(shape):
                return transform_of(layer, layout)
    return None
