"""Going to a field of an image: its frame on the sliders, the field filling the canvas."""

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_cellseg_ssl.core.data.images import SAMPLE_AXES, SPATIAL_AXES, Array
from napari_cellseg_ssl.core.inference.where_next import Field
from napari_cellseg_ssl.gui.annotate.painting import complete_regions
from napari_cellseg_ssl.gui.layers.current_result import COMPARISON
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.tags import find_layer, kind_of, layers_of, tag_of

KIND, COLOUR = "field", "#ff2e88"
MARGIN = 1.25
"""How much of the surroundings of a field is shown with it."""


def go_to(viewer: ViewerModel, image: Image, field: Field) -> None:
    """Show a field of an image that is in sight, outlined."""
    layout = layout_of(image, ndim=len(field.box))
    corners = corners_of(layout, field.frame, field.box)
    world = np.array([image.data_to_world(corner) for corner in _of_image(image, layout, corners)])
    for comparison in [layer for layer in layers_of(viewer, image) if kind_of(layer) == COMPARISON]:
        comparison.visible = False
    for axis in range(image.ndim - 2):
        viewer.dims.set_point(viewer.dims.ndim - image.ndim + axis, world[0, axis])
    centre = world[:, -2:].mean(axis=0)
    camera = getattr(viewer, "scene", viewer).camera  # on the viewer itself before napari 0.9
    camera.center = (*camera.center[:-2], *centre)
    extent = np.ptp(world[:, -2:], axis=0) * MARGIN
    canvas = getattr(viewer, "canvas", None)  # before napari 0.9 its size was nobody's business
    if canvas is not None and extent.min() > 0:
        camera.zoom = float(min(np.array(canvas.size) / extent))
    _outline(viewer, image, layout, corners)
    viewer.layers.selection.active = find_layer(viewer, image, "annotation") or image  # not what is hidden now


def mark_complete(viewer: ViewerModel, image: Image, field: Field) -> None:
    """Say that every cell of a field is painted; what is painted with stays in hand."""
    active = viewer.layers.selection.active
    mode = None if active is None else active.mode
    regions = complete_regions(viewer, image)
    layout = layout_of(image, ndim=len(field.box))
    corners = corners_of(layout, field.frame, field.box)
    corners[:, -2:] -= 0.5  # from the edge of the first pixel to that of the last
    regions.add_rectangles(corners)
    regions.mode = "pan_zoom"
    if active is not None and active is not regions:
        viewer.layers.selection.active = active
        active.mode = mode


def corners_of(layout: Layout, number: int, box: Sequence[tuple[float, float]]) -> Array:
    """Corners of a box in data coordinates of labels of the image, (4, dims); of a volume its middle slice.

    Parameters
    ----------
    number : int
        Of the frame.
    box : (start, stop) along each spatial axis
    """
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    samples = [a for a in layout.derived_axes if a in SAMPLE_AXES]
    place = np.unravel_index(number, [sizes[a] for a in samples]) if samples else ()
    frame = dict(zip(samples, (int(i) for i in place), strict=True))
    frame |= {axis: int(sum(ends) // 2) for axis, ends in zip(SPATIAL_AXES, box[:-2], strict=False)}
    (top, bottom), (left, right) = box[-2:]
    rows, columns = (top, top, bottom, bottom), (left, right, right, left)
    spatial = dict(zip(SPATIAL_AXES[-2:], (rows, columns), strict=True))
    return np.array(
        [[spatial[a][i] if a in spatial else frame.get(a, 0) for a in layout.derived_axes] for i in range(4)],
        dtype=float,
    )


def _of_image(image: Image, layout: Layout, corners: Array) -> Array:
    """Bring corners to the dimensions of the image layer, which may have a channel axis that its labels have not."""
    placed = np.zeros((len(corners), image.ndim))
    placed[:, list(layout.kept)] = corners
    return placed


def _outline(viewer: ViewerModel, image: Image, layout: Layout, corners: Array) -> None:
    layer = find_layer(viewer, image, KIND)
    if not isinstance(layer, Shapes):
        layer = Shapes(
            ndim=len(layout.kept),
            name=f"{image.name} · where next",
            face_color="transparent",
            edge_color=COLOUR,
            edge_width=max(0.5, max(layout.derived_shape[-2:]) / 300),
            **transform_of(image, layout),
        )
        add_layer(viewer, image, layer, tag_of(image, KIND))
    layer.data = []
    layer.add_rectangles(corners)
    layer.visible = True
