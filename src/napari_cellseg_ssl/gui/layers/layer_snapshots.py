"""Between napari's layers and the records of what a person painted, corrected or outlined."""

import zlib
from pathlib import Path
from typing import Any, cast

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Shapes

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.edited_layers import follow
from napari_cellseg_ssl.gui.layers.layer_visibility import RESTS
from napari_cellseg_ssl.gui.layers.layout import level_zero
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.styles import painting_colours
from napari_cellseg_ssl.gui.layers.tags import KEY, TURN, find_layer, image_of, is_image
from napari_cellseg_ssl.tasks.session.folder import OpenImage
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer

HASHED_ROWS = 64
PLACE = ("scale", "translate", "rotate", "shear")
OF_THIS_LAYER = ("image_id", "layer_id", "number", "checksum", TURN, RESTS)
"""What a layer's record says about this one layer of this one window."""


def kept_layer(viewer: ViewerModel, layer: Layer, key: str) -> KeptLayer:
    """Describe a layer of labels or shapes; its pixels are not copied."""
    image = image_of(viewer, layer)
    tag = {name: value for name, value in layer.metadata.get(KEY, {}).items() if name not in OF_THIS_LAYER}
    settings: dict[str, Any] = {
        "name": layer.name,
        "kind": tag.get("kind", ""),
        "tag": tag,
        "affine": np.asarray(layer.affine.affine_matrix).tolist(),
        "units": [str(unit) for unit in layer.units],
        "axis_labels": list(layer.axis_labels),
        **{name: np.asarray(getattr(layer, name)).tolist() for name in PLACE},
    }
    if isinstance(layer, Shapes):
        settings["shape_types"] = list(layer.shape_type)
        settings["edge_width"] = float(layer.current_edge_width)
    return KeptLayer(
        key=key,
        kind="shapes" if isinstance(layer, Shapes) else "labels",
        image="" if image is None else fingerprint(image),
        image_name="" if image is None else image.name,
        arrays=tuple(layer.data) if isinstance(layer, Shapes) else (layer.data,),
        settings=settings,
    )


def put_back(viewer: ViewerModel, kept: KeptLayer) -> Layer | None:
    """Add a kept layer to the viewer; None if the image that it belongs to is not open."""
    image = find_image(viewer, kept.image) if kept.image else None
    if kept.image and image is None:
        return None
    settings = cast(dict[str, Any], dict(kept.settings))
    place = {name: settings[name] for name in (*PLACE, "affine", "units", "axis_labels")}
    look = {"name": _free_name(viewer, str(settings["name"])), **place}
    layer: Layer
    if kept.kind == "shapes":
        edge = {"face_color": "transparent", "edge_color": "#ffd700", "edge_width": settings["edge_width"]}
        types = settings["shape_types"]
        layer = Shapes(list(kept.arrays), shape_type=types, ndim=len(settings["scale"]), **edge, **look)
    else:
        colours = {"colormap": painting_colours()} if settings["kind"] == "annotation" else {}
        layer = Labels(kept.arrays[0], **colours, **look)
    if image is None:
        viewer.add_layer(layer)
        return layer
    add_layer(viewer, image, layer, {**settings["tag"], "image": image.name})
    if isinstance(layer, Labels):
        follow(layer)
    return layer


def current_of(viewer: ViewerModel, kept: KeptLayer) -> Layer | None:
    """Return the open layer whose place a kept one has; None if there is none."""
    kind, name = str(kept.settings["kind"]), kept.settings["name"]
    image = find_image(viewer, kept.image) if kept.image else None
    if image is not None:
        return find_layer(viewer, image, kind)
    return next((layer for layer in viewer.layers if layer.name == name and KEY not in layer.metadata), None)


def replace_pixels(layer: Layer, kept: KeptLayer) -> bool:
    """Put kept pixels or shapes into a layer as one step of napari's own undo; False if they do not fit."""
    if isinstance(layer, Shapes) and kept.kind == "shapes":
        layer.data = []
        if kept.arrays:
            layer.add(list(kept.arrays), shape_type=cast(list[str], kept.settings["shape_types"]))
        return True
    if not isinstance(layer, Labels) or kept.kind != "labels" or layer.data.shape != kept.arrays[0].shape:
        return False
    changed = np.nonzero(layer.data != kept.arrays[0])
    if len(changed[0]):
        layer.data_setitem(changed, kept.arrays[0][changed])
    return True


def clear(layer: Layer) -> None:
    """Take everything off a layer, as one step of napari's own undo."""
    if isinstance(layer, Labels):
        layer.data_setitem(np.nonzero(layer.data), 0)
    else:
        layer.data = []


def find_image(viewer: ViewerModel, wanted: str) -> Image | None:
    """Return the open image with a fingerprint."""
    return next((layer for layer in viewer.layers if is_image(layer) and fingerprint(layer) == wanted), None)


def open_images(viewer: ViewerModel) -> tuple[OpenImage, ...]:
    """Describe the user's images, so that they can be opened again."""
    return tuple(
        OpenImage(
            name=layer.name,
            fingerprint=fingerprint(layer),
            path=layer.source.path or "",
            plugin=layer.source.reader_plugin or "",
            sample=tuple(layer.source.sample or ()),
        )
        for layer in viewer.layers
        if is_image(layer)
    )


def open_file(viewer: ViewerModel, path: Path, plugin: str = "", sample: tuple[str, ...] = ()) -> Image | None:
    """Open an image from where it came; None where that fails."""
    before = set(viewer.layers)
    try:
        if sample:
            viewer.open_sample(*sample)
        else:
            viewer.open(str(path), plugin=plugin or None)
    except Exception:  # noqa: BLE001 - a reader of anybody's may fail in any way; the user is told to open it
        return None
    return next((layer for layer in viewer.layers if layer not in before and is_image(layer)), None)


def fingerprint(image_layer: Image) -> str:
    """Tell images apart by some of their rows; a lazy image, which is not loaded for this, by its name and shape."""
    data: Any = level_zero(image_layer)
    digest = zlib.crc32(repr((tuple(data.shape), str(data.dtype))).encode())
    if not isinstance(data, np.ndarray):
        return f"{zlib.crc32(image_layer.name.encode(), digest):08x}"
    rows = data.reshape(-1, data.shape[-1])
    chosen: Array = rows[:: max(1, len(rows) // HASHED_ROWS)]
    return f"{zlib.crc32(np.ascontiguousarray(chosen).view(np.uint8).data, digest):08x}"


def _free_name(viewer: ViewerModel, name: str) -> str:
    taken = {layer.name for layer in viewer.layers}
    names = [name, f"{name} (restored)", *(f"{name} (restored {n})" for n in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)
