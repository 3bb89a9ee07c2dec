"""Layers that show a window of one frame: over it while a network learns, or beside the image what it draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine

from napari_cellseg_ssl.core.data.images import SAMPLE_AXES, SPATIAL_AXES, Array
from napari_cellseg_ssl.core.data.maps import MapKind, MapSpec, PredictionMaps
from napari_cellseg_ssl.gui.layers.layer_visibility import take_turn
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import write
from napari_cellseg_ssl.gui.layers.styles import HIDDEN_KINDS, Picture, draw_map, outline
from napari_cellseg_ssl.gui.layers.tags import KEY, find_layer, tag_of

GAP = 0.04
"""Between an image and what lies beside or below it, as a share of its side."""


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
    layer: Layer = write(viewer, image_layer, _window_layout(layout, shape), picture, tag, transform)
    return layer


def _outside(size: int, part: slice) -> slice:
    """Where a part of an image lies along one axis, px, when it is moved behind the image's end."""
    start = size + max(1, round(GAP * size))
    return slice(start, start + part.stop - part.start)


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


def _moved(transform: dict[str, Any], offset: Array) -> dict[str, Any]:
    own = CompositeAffine(
        scale=transform["scale"],
        translate=transform["translate"],
        rotate=transform["rotate"],
        shear=transform["shear"],
        ndim=len(offset),
    )
    return {**transform, "translate": transform["translate"] + own.linear_matrix @ offset}


def _grey(drawn: Picture) -> Array:
    low, high = drawn.settings["contrast_limits"]
    grey = np.clip((drawn.pixels - low) / (high - low), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
