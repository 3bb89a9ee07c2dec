"""The record by which the plugin knows its own layers again.

Every layer that it makes carries `metadata["cellseg_ssl"]`: what it shows, what made it, the ids of the layer itself
and of its image, and a checksum of the pixels as they were written.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl._version import __version__

KEY = "cellseg_ssl"
REFERENCE = "reference"
"""Name, in its record, of a result that is there to be compared with."""
TURN = "turn"
"""Name, in the record of a result, of a number that is the higher the later it was the current one."""
NDIM = "ndim"
"""Name, in the record of a result, of the dimensions of its objects: 2 or 3."""
OBJECT_SIZE = "object-size"
"""Kind of the circle that shows how large objects are."""


def find_layer(
    viewer: ViewerModel, image_layer: Layer, kind: str, method: str | None = None, name: str | None = None
) -> Layer | None:
    """Return the newest layer of a kind that was made for an image, edited or not.

    Parameters
    ----------
    method : str, optional
        Only of this method.
    name : str, optional
        Name of the map, where a method has several of one kind; `REFERENCE` for reference instances; "" for neither.
    """
    for layer in reversed(layers_of(viewer, image_layer)):
        tag = layer.metadata[KEY]
        if tag["kind"] == kind and method in (None, tag["method"]) and name in (None, tag.get("name", "")):
            return layer
    return None


def layers_of(viewer: ViewerModel, image_layer: Layer) -> list[Layer]:
    """List the layers that were made for an image, oldest first."""
    mine = [layer for layer in viewer.layers if belongs_to(layer, image_layer)]
    return sorted(mine, key=lambda layer: layer.metadata[KEY].get("number", 0))


def belongs_to(layer: Layer, image_layer: Layer) -> bool:
    """Whether a layer was made for an image; a duplicate that a person made of it was not."""
    tag = layer.metadata.get(KEY)
    if not isinstance(tag, dict) or "kind" not in tag:
        return False
    if "image_id" not in tag:  # from a file or the sample data, made before there was any layer
        return bool(tag.get("image") == image_layer.name)
    return bool(tag["image_id"] == str(image_layer.unique_id) and tag["layer_id"] == str(layer.unique_id))


def image_of(viewer: ViewerModel, layer: Layer) -> Image | None:
    """Return the open image that a layer was made for."""
    return next((image for image in viewer.layers if is_image(image) and belongs_to(layer, image)), None)


def kind_of(layer: Layer) -> str:
    """Return what a layer of the plugin shows; "" for one of anybody else's."""
    tag = layer.metadata.get(KEY)
    return str(tag.get("kind", "")) if isinstance(tag, dict) else ""


def is_unedited(layer: Layer) -> bool:
    """Whether the pixels of a layer are still those that the plugin wrote."""
    return bool(layer.metadata.get(KEY, {}).get("checksum") == checksum_of(layer.data))


def is_labels(layer: Layer) -> bool:
    """Whether a layer holds labels, whoever made it."""
    return isinstance(layer, Labels)


def is_instances(layer: Layer) -> bool:
    """Whether the plugin made a layer to show instances."""
    return isinstance(layer, Labels) and kind_of(layer) == "instances"


def is_reference(layer: Layer) -> bool:
    """Whether the plugin made a layer to compare results with."""
    tag = layer.metadata.get(KEY)
    return isinstance(tag, dict) and tag.get("name") == REFERENCE


def is_image(layer: Layer) -> bool:
    """Whether a layer is an image of the user's, not a map that the plugin made."""
    return isinstance(layer, Image) and not kind_of(layer)


def new_name(
    viewer: ViewerModel, image_layer: Layer, kind: str, method: str = "", *, is_reference: bool = False
) -> str:
    """Name a new layer `<image> · <kind>`; with the method, then with a number, where that name is taken.

    A reference is never called just that: it is not what the user asked for.
    """
    taken = {layer.name for layer in viewer.layers}
    plain = f"{image_layer.name} · {kind}"
    others = [layer for layer in layers_of(viewer, image_layer) if layer.name == plain]
    if is_reference or (method and others and others[0].metadata[KEY]["method"] != method):
        plain = f"{plain} ({method})"
    if plain not in taken:
        return plain
    return next(name for n in range(2, len(taken) + 3) if (name := f"{plain} {n}") not in taken)


def tag_of(
    image_layer: Layer,
    kind: str,
    method: str = "",
    bundle: str = "",
    settings: Mapping[str, Any] | None = None,
    name: str = "",
) -> dict[str, Any]:
    """Say what a layer shows and what made it; `name` tells layers of one kind and method apart."""
    tag = {
        "kind": kind,
        "method": method,
        "image": image_layer.name,
        "bundle": bundle,
        "settings": dict(settings or {}),
        "version": __version__,
    }
    return {**tag, "name": name} if name else tag


def checksum_of(pixels: Any) -> int:
    """Fingerprint of pixels."""
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data)
