"""Whose turn it is beside an image: what a training draws there, or what a model was asked to draw.

Both lie at the same place. Who draws anew is seen, and hides the other, who comes back with the next drawing.
"""

from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_cellseg_ssl.gui.layer_tags import KEY, layers_of

EXAMPLE, BETWEEN, KEPT = "example", "image to mask", "kept"
"""Names, in their records, of what a model was asked for; and of an example that the user edited."""
ASKED_FOR = (EXAMPLE, BETWEEN, KEPT)
BESIDE = ("synthetic-mask", "synthetic-image", "synthetic-labels", "reconstruction")
"""Kinds that lie beside an image."""
RESTS = "resting"


def take_turn(viewer: ViewerModel, image_layer: Image, layer: Layer) -> None:
    """Let a layer be seen that has been drawn anew, unless the user hid it, and hide what lies at its place."""
    if layer.metadata[KEY].pop(RESTS, False):
        layer.visible = True
    for other in layers_of(viewer, image_layer):
        lies_beside = other.metadata[KEY]["kind"] in BESIDE and other.visible
        if layer.visible and lies_beside and _is_asked_for(other) != _is_asked_for(layer):
            other.visible = False
            other.metadata[KEY][RESTS] = True


def _is_asked_for(layer: Layer) -> bool:
    return layer.metadata[KEY].get("name", "") in ASKED_FOR
