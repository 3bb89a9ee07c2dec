"""Marks on what the user corrected: a dot on every corrected cell, a cross where one was deleted."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.corrections import window_of
from napari_cellseg_ssl.core.segmentation.kept_edits import Edits
from napari_cellseg_ssl.gui.layers.cell_layer import CellLayer
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.tags import find_layer, new_name, tag_of

KIND = "corrections"
MARKS_PER_IMAGE = 60
LOOKS = {"corrected": ("disc", "white"), "deleted": ("x", "#ff4040")}


def show_marks(viewer: ViewerModel, image_layer: Image, layer: Labels, frame: int, edits: Edits) -> None:
    """Mark the edits of one frame of a layer of instances, instead of what was marked before."""
    places = {"corrected": _middles(CellLayer(layer).pixels(frame), edits.ids), "deleted": deleted_places(edits)}
    index = CellLayer(layer).index(frame)
    points = np.array([(*index, *place) for found in places.values() for place in found]).reshape(-1, layer.ndim)
    looks = [LOOKS[name] for name, found in places.items() for _ in found]
    marks = find_layer(viewer, image_layer, KIND)
    if marks is None:
        marks = _new_layer(viewer, image_layer, layer)
    marks.data = points
    if len(points):
        marks.symbol = [symbol for symbol, _colour in looks]
        marks.face_color = [colour for _symbol, colour in looks]
    marks.visible = True


def hide_marks(viewer: ViewerModel, image_layer: Image) -> None:
    """Show no marks."""
    marks = find_layer(viewer, image_layer, KIND)
    if marks is not None:
        marks.visible = False


def deleted_places(edits: Edits) -> Array:
    """Middles of the regions in which instances were deleted, (n, 2) px."""
    from scipy.ndimage import label

    if not edits.deleted.any():
        return np.zeros((0, 2))
    window = window_of(edits.deleted, [True])
    regions, number = label(edits.deleted[window])
    return _middles(regions, range(1, number + 1)) + [part.start for part in window]


def _middles(labels: Array, ids: Any) -> Array:
    """Mean positions of the pixels of some ids in (Y, X) labels -> (n, 2) px."""
    rows, columns = np.nonzero(np.isin(labels, list(ids)) & (labels > 0))
    numbers = np.unique(labels[rows, columns], return_inverse=True)[1]
    counts = np.maximum(np.bincount(numbers), 1)
    return np.stack([np.bincount(numbers, weights=values) / counts for values in (rows, columns)], axis=1)


def _new_layer(viewer: ViewerModel, image_layer: Image, layer: Labels) -> Points:
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    marks = Points(
        np.zeros((0, layer.ndim)),
        name=new_name(viewer, image_layer, KIND),
        size=max(layer.data.shape[-2:]) / MARKS_PER_IMAGE,
        border_color="black",
        **{name: getattr(layer, name) for name in names},
    )
    return add_layer(viewer, image_layer, marks, tag_of(image_layer, KIND))
