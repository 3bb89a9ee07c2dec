"""Layers that lie beside an image: what a model drew, at the size at which objects are seen in the image."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.transforms import Affine, CompositeAffine

from napari_cellseg_ssl.core.data.images import SAMPLE_AXES, SPATIAL_AXES, Array
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui.layers.layer_visibility import BETWEEN, EXAMPLE, KEPT, take_turn, wake
from napari_cellseg_ssl.gui.layers.layout import Layout, transform_of
from napari_cellseg_ssl.gui.layers.outputs import write_layer
from napari_cellseg_ssl.gui.layers.placement import TAU
from napari_cellseg_ssl.gui.layers.styles import Picture
from napari_cellseg_ssl.gui.layers.tags import KEY, find_layer, is_unedited, tag_of
from napari_cellseg_ssl.gui.layers.window_layers import GAP

SYNTHETIC_IMAGE, SYNTHETIC_LABELS = "synthetic-image", "synthetic-labels"
Transform = dict[str, Any]


def show_pair(
    viewer: ViewerModel,
    image_layer: Image,
    layout: Layout,
    pair: SyntheticPair,
    pixel: Sequence[float],
    bundle: ModelBundle,
) -> tuple[Layer, Layer]:
    """Show a drawn image and its objects to the right of an image; a pair that was edited stays.

    Parameters
    ----------
    layout : Layout
        Of the image, as the model takes it.
    pixel : sequence of float
        Size of a drawn pixel along each axis of S, in px of the image.
    """
    _keep_edited(viewer, image_layer, bundle.method_id)
    letters = [axis for axis in SPATIAL_AXES if axis in layout.axes]
    width = layout.shape[layout.axes.index("X")]
    sizes = dict(zip(letters, pixel, strict=True))
    whole = _transform(image_layer, layout, sizes, {"X": width + _gap(width)})
    first = min(layout.derived_axes.index(letter) for letter in letters)
    transform = _without_leading(whole, first)  # so that it is seen in every frame
    look = {"colormap": "gray", "contrast_limits": (0.0, 1.0), "blending": "translucent"}
    image = Picture(pair.image, settings=look)
    labels = Picture(pair.labels.astype(np.int32), "labels", contour=1)
    shown = []
    for kind, picture in ((SYNTHETIC_IMAGE, image), (SYNTHETIC_LABELS, labels)):
        pixels = _laid_out(layout, picture.pixels)
        tag = tag_of(image_layer, kind, bundle.method_id, bundle.id, name=EXAMPLE)
        shown.append(_written(viewer, image_layer, pixels.reshape(pixels.shape[first:]), picture, tag, transform))
    return shown[0], shown[1]


def show_between(
    viewer: ViewerModel,
    image_layer: Image,
    layout: Layout,
    stack: Array,
    frame: int,
    region: Sequence[slice],
    bundle: ModelBundle,
) -> Layer:
    """Show a part of a frame by degrees from image to mask, (steps, *S), below the image; the first axis is τ."""
    height = layout.shape[layout.axes.index("Y")]
    letters = [axis for axis in SPATIAL_AXES if axis in layout.axes]
    corner = {letter: part.start for letter, part in zip(letters, region, strict=True)}
    corner |= _place_of(layout, frame) | {"Y": height + _gap(height)}
    transform = _with_leading(_transform(image_layer, layout, {}, corner), TAU)
    look = {"colormap": "gray", "contrast_limits": (-1.0, 1.0), "blending": "translucent"}
    pixels = np.stack([_laid_out(layout, step) for step in stack])
    tag = tag_of(image_layer, SYNTHETIC_IMAGE, bundle.method_id, bundle.id, name=BETWEEN)
    return _written(viewer, image_layer, pixels, Picture(pixels, settings=look), tag, transform)


def _written(
    viewer: ViewerModel,
    image_layer: Image,
    pixels: Array,
    picture: Picture,
    tag: Mapping[str, Any],
    transform: Transform,
) -> Layer:
    """Write a layer that was asked for: it is seen, and its name says which of its kind it is."""
    before = find_layer(viewer, image_layer, tag["kind"], tag["method"], tag["name"])
    layer: Layer = write_layer(viewer, image_layer, pixels, picture, tag, transform)
    if layer is not before:
        layer.name = f"{image_layer.name} · {tag['kind']} ({tag['name']})"
    wake(layer)
    take_turn(viewer, image_layer, layer)
    return layer


def _keep_edited(viewer: ViewerModel, image_layer: Image, method: str) -> None:
    """Put a pair out of the way, and out of reach, if the user edited a part of it or took one away."""
    pair = [find_layer(viewer, image_layer, kind, method, EXAMPLE) for kind in (SYNTHETIC_IMAGE, SYNTHETIC_LABELS)]
    there = [layer for layer in pair if layer is not None]
    if len(there) < len(pair) or all(is_unedited(layer) for layer in there):
        return
    for layer in there:
        layer.metadata[KEY]["name"] = KEPT
        layer.visible = False


def _gap(length: int) -> int:
    return ceil(GAP * length)


def _laid_out(layout: Layout, array: Array) -> Array:
    """Order the axes of (*S) as in the layers of an image, with a length of 1 along those that it lacks."""
    sizes = dict(zip([a for a in SPATIAL_AXES if a in layout.axes], array.shape, strict=True))
    shape = tuple(sizes.get(axis, 1) for axis in layout.axes)
    placed: Array = np.ascontiguousarray(Layout(layout.axes, shape, layout.is_rgb).place(array[np.newaxis]))
    return placed


def _place_of(layout: Layout, frame: int) -> dict[str, int]:
    """Index of a frame along each axis of frames."""
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    samples = [axis for axis in layout.axes if axis in SAMPLE_AXES]
    place = np.unravel_index(frame, [sizes[axis] for axis in samples]) if samples else ()
    return {axis: int(index) for axis, index in zip(samples, place, strict=True)}


def _transform(
    image_layer: Image, layout: Layout, pixel: Mapping[str, float], corner: Mapping[str, float]
) -> Transform:
    """Say where pixels of a size begin at an edge, both in px of the image by axis; 1 and 0 where nothing is said."""
    transform = transform_of(image_layer, layout)
    sizes = np.array([pixel.get(axis, 1.0) for axis in layout.derived_axes])
    edges = np.array([corner.get(axis, 0.0) for axis in layout.derived_axes])
    centre = edges + (sizes - 1) / 2  # an image begins half a pixel before the middle of its first one
    return {
        **transform,
        "scale": transform["scale"] * sizes,
        "translate": transform["translate"] + _own(transform).linear_matrix @ centre,
    }


def _without_leading(transform: Transform, n: int) -> Transform:
    kept = list(range(n, len(transform["scale"])))
    own = _own(transform).set_slice(kept)
    affine = Affine(affine_matrix=transform["affine"]).set_slice(kept)
    names = {name: transform[name][n:] for name in ("units", "axis_labels")}
    return _joined(own, affine) | names


def _with_leading(transform: Transform, label: str) -> Transform:
    own, affine = _own(transform).expand_dims([0]), Affine(affine_matrix=transform["affine"]).expand_dims([0])
    units, labels = ("pixel", *transform["units"]), (label, *transform["axis_labels"])
    return _joined(own, affine) | {"units": units, "axis_labels": labels}


def _own(transform: Transform) -> Any:
    names = ("scale", "translate", "rotate", "shear")
    return CompositeAffine(**{name: transform[name] for name in names}, ndim=len(transform["scale"]))


def _joined(own: Any, affine: Any) -> Transform:
    parts = {name: getattr(own, name) for name in ("scale", "translate", "rotate", "shear")}
    return parts | {"affine": affine.affine_matrix}
