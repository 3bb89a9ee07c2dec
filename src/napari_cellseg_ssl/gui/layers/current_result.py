"""The one result of an image that counts: what lies on top is what is counted, scored, written and proposed.

Which one that is follows from the layers alone: the topmost result that is shown, and while none is shown the one that
was it last. Who makes or chooses a result brings it to the top, and older ones rest.
"""

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl.gui.layers.edited_layers import is_edited
from napari_cellseg_ssl.gui.layers.layer_visibility import is_resting, is_shown, rest, wake
from napari_cellseg_ssl.gui.layers.tags import KEY, TURN, is_instances, is_reference, kind_of, layers_of

COMPARISON = "comparison"
"""Kind of layers that show two versions of a result instead of it."""


def results_of(viewer: ViewerModel, image_layer: Image) -> list[Labels]:
    """List the results of an image from below to above; one that is only there to be compared with is none."""
    mine = layers_of(viewer, image_layer)
    return [layer for layer in viewer.layers if layer in mine and is_instances(layer) and not is_reference(layer)]


def current_result(viewer: ViewerModel, image_layer: Image) -> Labels | None:
    """Return the result that counts; where there is no result at all, instances to compare with."""
    results = results_of(viewer, image_layer)
    shown = [layer for layer in results if is_shown(layer)]
    if shown:
        return shown[-1]
    if results:
        return max(results, key=_turn)
    references = [layer for layer in layers_of(viewer, image_layer) if is_instances(layer)]
    return (references or [None])[-1]


def make_current(viewer: ViewerModel, image_layer: Image, layer: Labels) -> None:
    """Let a result count: it is seen on top of the older ones, which rest.

    Those that the user corrected, or shows again, stay in sight.
    """
    wake(layer)
    _raise(viewer, image_layer, layer)
    note_turn(viewer, image_layer, layer)
    for other in results_of(viewer, image_layer):
        if other is not layer and is_shown(other) and not is_resting(other) and not is_edited(other):
            rest(other)
    for other in layers_of(viewer, image_layer):
        if kind_of(other) == COMPARISON and not is_resting(other):
            rest(other)


def _raise(viewer: ViewerModel, image_layer: Image, layer: Labels) -> None:
    """Move a result above the others of its image, and no further."""
    top = results_of(viewer, image_layer)[-1:]
    if top and top[0] is not layer and layer in viewer.layers:
        viewer.layers.move(viewer.layers.index(layer), viewer.layers.index(top[0]) + 1)


def note_turn(viewer: ViewerModel, image_layer: Image, layer: Labels) -> None:
    """Note that a result is the current one now, for when none is shown."""
    others = [_turn(other) for other in results_of(viewer, image_layer) if other is not layer]
    if _turn(layer) <= max(others, default=0):
        layer.metadata[KEY][TURN] = max(others, default=0) + 1


def _turn(layer: Layer) -> int:
    return int(layer.metadata[KEY].get(TURN, 0))
