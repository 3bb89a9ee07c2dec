"""From maps and labels to napari layers, each exactly over its image.

A layer is found again by the ids in its metadata, never by its name. It is written again only as long as its pixels
are those that were written last: a layer that a person made, edited or duplicated is left alone. Only instances that
were corrected get new neighbours, the corrected ones being kept.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import MethodInfo
from napari_cellseg_ssl.gui.layers.current_result import make_current
from napari_cellseg_ssl.gui.layers.edited_layers import keeps_edits, remember, with_edits
from napari_cellseg_ssl.gui.layers.layer_visibility import is_waiting, wait
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, transform_of
from napari_cellseg_ssl.gui.layers.placement import align, remember_place, settle
from napari_cellseg_ssl.gui.layers.styles import Picture, draw_maps
from napari_cellseg_ssl.gui.layers.tags import (
    KEY,
    NDIM,
    REFERENCE,
    belongs_to,
    checksum_of,
    find_layer,
    is_unedited,
    layers_of,
    new_name,
    tag_of,
)

SEEDS, PARTIAL = "seeds", "partial-cells"
"""Kinds of what the steps of a segmentation find."""
BOXES = "boxes"
"""Kind of the rectangles that instances were drawn from."""
ALIKE = "alike"
"""Kind of the rectangles around what looks alike to a model."""
ORDER = (
    "synthetic-labels",
    "preview",
    "reference",
    PARTIAL,
    "instances",
    SEEDS,
    BOXES,
    ALIKE,
    "errors",
    "annotation",
    "corrections",
    "complete-regions",
)
"""Kinds from below to above, references below what they are compared with; all others lie directly on the image."""


def show_maps(
    viewer: ViewerModel,
    image_layer: Image,
    maps: PredictionMaps,
    info: MethodInfo,
    *,
    pictures: Mapping[str, Picture] | None = None,
) -> list[Layer]:
    """Show every map of a prediction as a layer of its kind.

    Parameters
    ----------
    pictures : {map name: Picture}, optional
        What `draw_maps` returned in a worker; drawn here when absent.
    """
    layout = layout_of(image_layer, ndim=len(maps.source_shape))
    shown = []
    for name, picture in (pictures or draw_maps(maps)).items():
        tag = tag_of(image_layer, maps.specs[name].kind, info.id, maps.bundle_id, name=name)
        shown.append(write(viewer, image_layer, layout, picture, tag))
    return shown


def show_labels(
    viewer: ViewerModel,
    image_layer: Image,
    labels: Array,
    kind: str = "instances",
    *,
    method: str,
    bundle: str = "",
    settings: Mapping[str, Any] | None = None,
    is_reference: bool = False,
) -> Labels:
    """Show labels, (N, *S), in the layer of this image, kind and method; in a new one if that was edited.

    A reference is drawn as outlines, so that it can be compared with what lies below. Other instances become the
    current result of the image: filled cells of two methods at once cannot be read.
    """
    layout = layout_of(image_layer, ndim=labels.ndim - 1)
    picture = Picture(labels.astype(np.int32, copy=False), "labels", contour=int(is_reference))
    tag = tag_of(image_layer, kind, method, bundle, settings, REFERENCE if is_reference else "")
    shown: Labels = write(viewer, image_layer, layout, picture, {**tag, NDIM: labels.ndim - 1})
    if kind == "instances" and not is_reference:
        make_current(viewer, image_layer, shown)
    return shown


def add_layer(viewer: ViewerModel, image_layer: Layer, layer: Layer, tag: Mapping[str, Any]) -> Layer:
    """Put a layer among those of its image without changing what is selected."""
    numbers = [other.metadata[KEY].get("number", 0) for other in layers_of(viewer, image_layer)]
    ids = {"image_id": str(image_layer.unique_id), "layer_id": str(layer.unique_id)}
    layer.metadata[KEY] = {**tag, **ids, "number": max(numbers, default=0) + 1}
    settle(layer, image_layer)
    if is_waiting(image_layer):  # made by a job, while another image is looked at
        wait(layer)
    with _selection_kept(viewer):
        viewer.layers.insert(position_of(viewer, image_layer, tag), layer)
    return layer


def position_of(viewer: ViewerModel, image_layer: Layer, tag: Mapping[str, Any]) -> int:
    """Index above the image and above its layers of lower rank, below those of higher rank."""
    if image_layer not in viewer.layers:  # deleted while the job ran: its result is still wanted
        return len(viewer.layers)
    index = viewer.layers.index(image_layer) + 1
    for place, other in enumerate(viewer.layers):
        if belongs_to(other, image_layer) and _rank(other.metadata[KEY]) <= _rank(tag):
            index = max(index, place + 1)
    return index


def write(
    viewer: ViewerModel,
    image_layer: Image,
    layout: Layout,
    picture: Picture,
    tag: Mapping[str, Any],
    transform: Mapping[str, Any] | None = None,
) -> Any:
    """Write a layer whose axes are laid out like those of an image; see `write_layer`."""
    transform = transform or transform_of(image_layer, layout)
    return write_layer(viewer, image_layer, _placed(layout, picture), picture, tag, transform)


def write_layer(
    viewer: ViewerModel,
    image_layer: Image,
    pixels: Array,
    picture: Picture,
    tag: Mapping[str, Any],
    transform: Mapping[str, Any],
) -> Any:
    """Replace the pixels of the layer that has this tag, if they are ours; else add a layer.

    Instances that the user corrected are kept in the new pixels.

    Parameters
    ----------
    pixels : array
        Those of the picture, with the axes of the layer.
    """
    layer = find_layer(viewer, image_layer, tag["kind"], tag["method"], tag.get("name", ""))
    if layer is not None and layer.ndim == pixels.ndim - picture.is_rgb and _is_ours(layer, pixels):
        align(layer, transform)
        remember_place(layer, image_layer)
        _rewrite(layer, pixels, picture, tag)
        return layer
    maker = Labels if picture.layer_type == "labels" else Image
    is_reference = tag.get("name") == REFERENCE
    name = new_name(viewer, image_layer, tag["kind"], tag["method"], is_reference=is_reference)
    layer = maker(pixels, name=name, **picture.settings, **transform)
    if picture.contour:
        layer.contour = picture.contour
    add_layer(viewer, image_layer, layer, {**tag, "checksum": checksum_of(pixels)})
    if tag["kind"] == "instances":
        remember(layer)
    return layer


def _is_ours(layer: Any, pixels: Array) -> bool:
    """Whether new pixels may replace those of a layer: nothing of the user's would be lost."""
    return keeps_edits(layer, pixels.shape) or is_unedited(layer)


def _rewrite(layer: Any, pixels: Array, picture: Picture, tag: Mapping[str, Any]) -> None:
    pixels, edits = with_edits(layer, pixels) if keeps_edits(layer, pixels.shape) else (pixels, {})
    layer.data = pixels
    layer.metadata[KEY] = {**layer.metadata[KEY], **tag, "checksum": checksum_of(pixels)}
    if tag["kind"] == "instances":
        remember(layer, edits)
    if "contrast_limits" in picture.settings:
        _widen(layer, picture.settings["contrast_limits"])


def _placed(layout: Layout, picture: Picture) -> Array:
    if not picture.is_rgb:
        return np.ascontiguousarray(layout.place(picture.pixels))
    return np.stack([layout.place(picture.pixels[..., colour]) for colour in range(3)], axis=-1)


def _widen(layer: Layer, limits: tuple[float, float]) -> None:
    """Let the contrast slider reach the new values; what the user chose on it stays."""
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))


def _rank(tag: Mapping[str, Any]) -> int:
    kind = REFERENCE if tag.get("name") == REFERENCE else tag["kind"]
    return ORDER.index(kind) if kind in ORDER else -1


@contextmanager
def _selection_kept(viewer: ViewerModel) -> Iterator[None]:
    """Keep the layer that is being painted on the active one while another is added.

    Nobody hears of the selection in between: napari would exchange its controls twice, a third of the time that a new
    layer holds up the window.
    """
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    if not selected:
        yield
        return
    with selection.events.blocker_all():
        yield
        selection.intersection_update(selected)
        selection.update(selected)
        selection.active = active
