"""From napari's layers to the records that a job works on. What a job gets, painting cannot change any more."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import SPATIAL_AXES, Array
from napari_cellseg_ssl.core.data.labels_mode import LabelsMode, ModeGuess, guess_mode
from napari_cellseg_ssl.core.io.units import micrometres_in
from napari_cellseg_ssl.core.training.pseudo_labels import agreed
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, level_zero
from napari_cellseg_ssl.gui.layers.placement import pixel_sizes
from napari_cellseg_ssl.gui.layers.tags import find_layer, kind_of

ELLIPSE_POINTS = 64


def spacing_um(layer: Any, layout: Layout) -> tuple[float, ...]:
    """Size of a pixel along each spatial axis, ([Z,] Y, X): in µm where the units are of length, else as it is."""
    sizes, axes = pixel_sizes(layer), [layout.axes.index(a) for a in SPATIAL_AXES if a in layout.axes]
    return tuple(float(sizes[axis]) * (micrometres_in(str(layer.units[axis])) or 1.0) for axis in axes)


def is_calibrated(layer: Any, layout: Layout) -> bool:
    """Whether somebody said how large a pixel is: by units of length, or by a scale, which is best taken as µm."""
    spatial = [layout.axes.index(letter) for letter in SPATIAL_AXES if letter in layout.axes]
    has_units = all(micrometres_in(str(layer.units[axis])) is not None for axis in spatial)
    return has_units or any(size != 1 for size in spacing_um(layer, layout))


def annotation_source(
    layer: Labels,
    complete_layer: Shapes | None = None,
    mode: LabelsMode | Literal["auto"] = "auto",
    *,
    image_layer: Image | None = None,
    ndim: int = 3,
) -> Callable[[], Annotation]:
    """Copy what is painted now, and return what decodes it: that takes longer, and may be done in a worker.

    Parameters
    ----------
    layer : Labels
        Painted cells, or a complete label image.
    complete_layer : Shapes, optional
        Regions in which everything is annotated; closed shapes count, lines do not.
    mode : "sparse", "dense" or "auto"
        "sparse": 0 unknown, 1 background, cells from 2. "dense": 0 background, cells from 1.
    image_layer : Image, optional
        The image that is annotated; without it, leading axes of the labels are frames.

    Raises
    ------
    WrongAnnotation
        If the labels do not fit the image.
    """
    layout = _labels_layout(layer, image_layer, ndim)
    labels = layout.gather(np.array(level_zero(layer)))
    if mode == "auto":
        mode = guess_layer_mode(layer).mode
    has_complete = mode == "sparse" and complete_layer is not None and len(complete_layer.data)
    complete = layout.gather(inside_shapes(complete_layer, layer)) if has_complete else None
    return partial(_decode, labels, mode, complete)


def painting_source(
    viewer: ViewerModel,
    image_layer: Image,
    labels: Labels,
    mode: LabelsMode | Literal["auto"] = "auto",
    *,
    ndim: int = 3,
) -> Callable[[], Annotation]:
    """Copy what is painted on an image, its complete regions included; see `annotation_source`."""
    complete = find_layer(viewer, image_layer, "complete-regions")
    shapes = complete if isinstance(complete, Shapes) else None
    return annotation_source(labels, shapes, mode, image_layer=image_layer, ndim=ndim)


def results_source(
    first: Labels, second: Labels | None, image_layer: Image, *, ndim: int = 3
) -> Callable[[], Annotation]:
    """Copy one or two results, and return what makes labels of the one, or of what both agree on.

    Raises
    ------
    WrongAnnotation
        If they do not fit the image.
    """
    found = _copied(first, image_layer, ndim)
    return (
        partial(Annotation.from_dense, found)
        if second is None
        else partial(agreed, found, _copied(second, image_layer, ndim))
    )


def _copied(layer: Labels, image_layer: Image | None, ndim: int) -> Array:
    """Copy the labels of a layer, (N, *S)."""
    return _labels_layout(layer, image_layer, ndim).gather(np.array(level_zero(layer)))


def _decode(labels: Array, mode: LabelsMode, complete: Array | None) -> Annotation:
    if mode == "dense":
        return Annotation.from_dense(labels)
    painted = Annotation.from_painting(labels)
    return painted if complete is None else replace(painted, known=painted.known | complete)


def guess_layer_mode(layer: Labels) -> ModeGuess:
    """Guess whether a Labels layer is a painting or a complete label image, as files are guessed."""
    if kind_of(layer) == "annotation":
        return ModeGuess("sparse", messages.painted_here())
    labels = np.asarray(level_zero(layer))
    return guess_mode([labels.reshape(-1, *labels.shape[-2:])])


def inside_shapes(shapes: Shapes, layer: Any) -> Array:
    """Rasterise closed shapes, wherever they lie in the world, onto the grid of another layer.

    Returns
    -------
    bool array of the shape of `layer`'s data
        A shape with fewer dimensions than the layer holds in every frame; else in the frame it was drawn in.
    """
    from skimage.draw import polygon

    grid = level_zero(layer).shape
    inside = np.zeros(grid, dtype=bool)
    for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind in ("line", "path"):
            continue
        outline = _ellipse(vertices) if kind == "ellipse" else np.asarray(vertices)
        world = np.array([shapes.data_to_world(vertex) for vertex in outline])
        data = np.array([layer.world_to_data(_padded(point, layer.ndim)) for point in world])
        rows, columns = polygon(data[:, -2], data[:, -1], grid[-2:])
        inside[(*_leading(data, shapes.ndim, layer.ndim, grid), rows, columns)] = True
    return inside


def _labels_layout(layer: Labels, image_layer: Image | None, ndim: int) -> Layout:
    shape = tuple(level_zero(layer).shape)
    if image_layer is None:
        return Layout("TSNYX"[-len(shape) :], shape, False)
    layout = layout_of(image_layer, ndim=ndim)
    if shape == layout.derived_shape:
        return layout
    without_channel = tuple(n for n, a in zip(layout.derived_shape, layout.derived_axes, strict=True) if a != "C")
    if shape == without_channel:
        letters = layout.derived_axes.replace("C", "")
        return Layout(letters, shape, False)
    raise messages.labels_of_another_shape(layer.name, shape, image_layer.name, layout.derived_shape)


def _ellipse(corners: Array) -> Array:
    """Outline of the ellipse that napari stores as the corners of its box."""
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, None]
    outline: Array = centre + np.cos(angles) * first + np.sin(angles) * second
    return outline


def _padded(point: Array, ndim: int) -> Array:
    return np.concatenate([np.zeros(max(0, ndim - len(point))), point])[-ndim:]


def _leading(data: Array, shapes_ndim: int, ndim: int, grid: tuple[int, ...]) -> tuple[Any, ...]:
    """Index of the frame in which a shape was drawn; everything along axes that the shape does not have."""
    missing = max(0, ndim - shapes_ndim)
    frame = [min(max(round(value), 0), grid[k] - 1) for k, value in enumerate(data[0, : ndim - 2])]
    return tuple(slice(None) if k < missing else index for k, index in enumerate(frame))
