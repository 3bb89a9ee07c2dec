"""Whose turn it is to be seen.

A layer *rests* while another one at its place is looked at: an older result, a drawing beside the image. A layer
*waits* while another image is looked at. Either was hidden by the plugin and comes back with its turn; what the user
hides stays hidden, and what rests and is seen all the same was shown again by the user.
"""

from weakref import WeakSet

from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_cellseg_ssl.gui.layers.tags import KEY, layers_of

EXAMPLE, BETWEEN, KEPT = "example", "image to mask", "kept"
"""Names, in their records, of what a model was asked for; and of an example that the user edited."""
ASKED_FOR = (EXAMPLE, BETWEEN, KEPT)
BESIDE = ("synthetic-mask", "synthetic-image", "synthetic-labels", "reconstruction")
"""Kinds that lie beside an image."""
RESTS = "resting"

_WAITING: "WeakSet[Layer]" = WeakSet()
_LENT: "WeakSet[Layer]" = WeakSet()
"""Kept apart from their records, for images are the user's and have none. Lent are those that the user had hidden."""


def rest(layer: Layer) -> None:
    """Hide a layer while another one at its place is looked at."""
    if is_shown(layer):
        _WAITING.discard(layer)
        layer.visible = False
        layer.metadata[KEY][RESTS] = True


def wake(layer: Layer) -> None:
    """Show a layer of the plugin, whoever hid it; while another image is looked at, once it is the turn of its own."""
    layer.metadata[KEY].pop(RESTS, None)
    if layer.visible:
        return
    if any(str(other.unique_id) == layer.metadata[KEY].get("image_id") for other in _WAITING if is_waiting(other)):
        _WAITING.add(layer)
    else:
        layer.visible = True


def is_resting(layer: Layer) -> bool:
    """Whether the plugin hid a layer when it was its turn last; the user may have shown it again."""
    return bool(layer.metadata[KEY].get(RESTS, False))


def wait(layer: Layer) -> None:
    """Hide a layer, of anybody's, while another image is looked at."""
    if layer.visible:
        layer.visible = False
        _WAITING.add(layer)


def come_back(layer: Layer) -> None:
    """Show a layer that waited."""
    if is_waiting(layer):
        layer.visible = True
    _WAITING.discard(layer)


def lend(layer: Layer) -> None:
    """Show a layer that the user hid, for as long as it is looked at."""
    if not layer.visible:
        layer.visible = True
        _LENT.add(layer)


def give_back(layer: Layer) -> None:
    """Hide a layer again that the user had hidden."""
    if layer in _LENT:
        _LENT.discard(layer)
        layer.visible = False


def is_waiting(layer: Layer) -> bool:
    """Whether a layer is hidden only while another image is looked at."""
    return layer in _WAITING and not layer.visible


def is_shown(layer: Layer) -> bool:
    """Whether a layer is seen when its image is looked at."""
    return bool(layer.visible) or layer in _WAITING


def take_turn(viewer: ViewerModel, image_layer: Image, layer: Layer) -> None:
    """Let a layer be seen that has been drawn anew, unless the user hid it, and hide what lies at its place.

    Beside an image lies what a training draws there, or what a model was asked to draw.
    """
    if is_resting(layer):
        wake(layer)
    for other in layers_of(viewer, image_layer):
        lies_beside = other.metadata[KEY]["kind"] in BESIDE and is_shown(other)
        if is_shown(layer) and lies_beside and _is_asked_for(other) != _is_asked_for(layer):
            rest(other)


def _is_asked_for(layer: Layer) -> bool:
    return layer.metadata[KEY].get("name", "") in ASKED_FOR
