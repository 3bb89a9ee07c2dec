"""From maps and labels to napari layers, each exactly over its image.

A layer is found again by the ids in its metadata, never by its name. It is written again only as long as its pixels
are those that were written last: a layer that a person made, edited or duplicated is left alone. Only instances that
were corrected get new neighbours, the corrected ones being kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.transforms import CompositeAffine

from napari_cellseg_ssl.core.images import SAMPLE_AXES, SPATIAL_AXES, Array
from napari_cellseg_ssl.core.maps import MapKind, MapSpec, PredictionMaps
from napari_cellseg_ssl.core.method import MethodInfo
from napari_cellseg_ssl.gui.edited_layers import keeps_edits, remember, with_edits
from napari_cellseg_ssl.gui.layer_styles import HIDDEN_KINDS, Picture, draw_map, draw_maps, outline
from napari_cellseg_ssl.gui.layer_tags import (
    KEY,
    REFERENCE,
    belongs_to,
    checksum_of,
    find_layer,
    is_unedited,
    kind_of,
    layers_of,
    new_name,
    tag_of,
)
from napari_cellseg_ssl.gui.layout import Layout, layout_of, transform_of
from napari_cellseg_ssl.gui.turns import take_turn

ORDER = (
    "synthetic-labels",
    "preview",
    "reference",
    "instances",
    "errors",
    "annotation",
    "corrections",
    "complete-regions",
)
"""Kinds from below to above, references below what they are compared with; all others lie directly on the image."""


GAP = 0.04
"""Between an image and what lies beside or below it, as a share of its side."""


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
        shown.append(_write(viewer, image_layer, layout, picture, tag))
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

    A reference is drawn as outlines, so that it can be compared with what lies below. A new layer of instances
    hides those of other methods: filled cells of two methods at once cannot be read.
    """
    layout = layout_of(image_layer, ndim=labels.ndim - 1)
    picture = Picture(labels.astype(np.int32, copy=False), "labels", contour=int(is_reference))
    tag = tag_of(image_layer, kind, method, bundle, settings, REFERENCE if is_reference else "")
    before = [layer for layer in layers_of(viewer, image_layer) if kind_of(layer) == kind]
    shown: Labels = _write(viewer, image_layer, layout, picture, tag)
    if kind == "instances" and not is_reference and shown not in before:
        for layer in before:
            layer.visible = bool(layer.visible and layer.metadata[KEY].get("name") == REFERENCE)
    return shown


def show_preview(
    viewer: ViewerModel,
    image_layer: Image,
    maps: PredictionMaps,
    labels: Array,
    *,
    frame: int,
    region: Sequence[slice],
    method: str,
) -> Layer | None:
    """Show the first map of a window of one frame with its instances outlined; None if there is nothing to draw.

    Parameters
    ----------
    maps : PredictionMaps
        Of the window only, one frame.
    labels : (1, *S) integer
        Instances on the window's own grid.
    """
    specs = [spec for spec in maps.specs.values() if spec.kind not in HIDDEN_KINDS and spec.name in maps.arrays]
    if not specs:
        return None
    drawn = draw_map(specs[0], maps.to_source(specs[0].name), diameter=maps.diameter)
    pixels = drawn.pixels if drawn.is_rgb else _grey(drawn)
    pixels[outline(labels)] = 255
    look = {"rgb": True, "visible": True, "blending": "translucent", "opacity": 0.85}
    before = find_layer(viewer, image_layer, "preview")
    if before is not None and before.metadata[KEY]["method"] != method:
        before.metadata[KEY]["method"] = method  # one preview is enough: it shows what is being learned now
    tag = tag_of(image_layer, "preview", method)
    return _write_window(viewer, image_layer, Picture(pixels, "image", look), tag, frame, region)


def show_in_window(
    viewer: ViewerModel,
    image_layer: Image,
    pixels: Array,
    kind: MapKind,
    *,
    frame: int,
    region: Sequence[slice],
    method: str,
    below: bool = False,
    beside: bool = False,
) -> Layer:
    """Show a picture, (1, *S), of a window of one frame: below the image, to the right of it, or both."""
    picture = draw_map(MapSpec(kind, kind, 1), pixels[:, np.newaxis], diameter=1.0)
    layout = layout_of(image_layer, ndim=pixels.ndim - 1)
    height, width = (layout.shape[layout.axes.index(axis)] for axis in "YX")
    *depth, rows, columns = region
    region = (*depth, _outside(height, rows) if below else rows, _outside(width, columns) if beside else columns)
    layer = _write_window(viewer, image_layer, picture, tag_of(image_layer, kind, method), frame, region)
    take_turn(viewer, image_layer, layer)
    return layer


def add_layer(viewer: ViewerModel, image_layer: Layer, layer: Layer, tag: Mapping[str, Any]) -> Layer:
    """Put a layer among those of its image without changing what is selected."""
    numbers = [other.metadata[KEY].get("number", 0) for other in layers_of(viewer, image_layer)]
    ids = {"image_id": str(image_layer.unique_id), "layer_id": str(layer.unique_id)}
    layer.metadata[KEY] = {**tag, **ids, "number": max(numbers, default=0) + 1}
    with _selection_kept(viewer):
        viewer.layers.insert(_position(viewer, image_layer, tag), layer)
    return layer


def _write(
    viewer: ViewerModel,
    image_layer: Image,
    layout: Layout,
    picture: Picture,
    tag: Mapping[str, Any],
    transform: Mapping[str, Any] | None = None,
) -> Any:
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
        _align(layer, transform)
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


def _align(layer: Layer, transform: Mapping[str, Any]) -> None:
    """Follow the image where somebody has moved it; assigning nothing new would redraw all the same."""
    for name, value in transform.items():
        current = getattr(layer, name)
        is_same = current == value if name in ("units", "axis_labels") else np.allclose(np.array(current), value)
        if not is_same:
            setattr(layer, name, value)


def _widen(layer: Layer, limits: tuple[float, float]) -> None:
    """Let the contrast slider reach the new values; what the user chose on it stays."""
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))


def _grey(drawn: Picture) -> Array:
    low, high = drawn.settings["contrast_limits"]
    grey = np.clip((drawn.pixels - low) / (high - low), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _window_layout(layout: Layout, spatial_shape: Sequence[int]) -> Layout:
    """Layout of a window of one frame: every other axis has length 1."""
    spatial = dict(zip([a for a in SPATIAL_AXES if a in layout.axes], spatial_shape, strict=True))
    shape = tuple(spatial.get(a, size if a == "C" else 1) for a, size in zip(layout.axes, layout.shape, strict=True))
    return Layout(layout.axes, shape, layout.is_rgb)


def _offset(layout: Layout, frame: int, region: Sequence[slice]) -> Array:
    """First pixel of a window along the dimensions of its layer."""
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    samples = [a for a in layout.derived_axes if a in SAMPLE_AXES]
    place = np.unravel_index(frame, [sizes[a] for a in samples]) if samples else ()
    start = dict(zip(samples, (int(index) for index in place), strict=True))
    start |= {a: s.start or 0 for a, s in zip([a for a in SPATIAL_AXES if a in layout.axes], region, strict=True)}
    return np.array([start.get(a, 0) for a in layout.derived_axes], dtype=float)


def _write_window(
    viewer: ViewerModel,
    image_layer: Image,
    picture: Picture,
    tag: Mapping[str, Any],
    frame: int,
    region: Sequence[slice],
) -> Layer:
    shape = picture.pixels.shape[1:-1] if picture.is_rgb else picture.pixels.shape[1:]
    layout = layout_of(image_layer, ndim=len(shape))
    transform = _moved(transform_of(image_layer, layout), _offset(layout, frame, region))
    layer: Layer = _write(viewer, image_layer, _window_layout(layout, shape), picture, tag, transform)
    return layer


def _outside(size: int, part: slice) -> slice:
    """Where a part of an image lies along one axis, px, when it is moved behind the image's end."""
    start = size + max(1, round(GAP * size))
    return slice(start, start + part.stop - part.start)


def _moved(transform: dict[str, Any], offset: Array) -> dict[str, Any]:
    own = CompositeAffine(
        scale=transform["scale"],
        translate=transform["translate"],
        rotate=transform["rotate"],
        shear=transform["shear"],
        ndim=len(offset),
    )
    return {**transform, "translate": transform["translate"] + own.linear_matrix @ offset}


def _position(viewer: ViewerModel, image_layer: Layer, tag: Mapping[str, Any]) -> int:
    """Index above the image and above its layers of lower rank, below those of higher rank."""
    if image_layer not in viewer.layers:  # deleted while the job ran: its result is still wanted
        return len(viewer.layers)
    index = viewer.layers.index(image_layer) + 1
    for place, other in enumerate(viewer.layers):
        if belongs_to(other, image_layer) and _rank(other.metadata[KEY]) <= _rank(tag):
            index = max(index, place + 1)
    return index


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
