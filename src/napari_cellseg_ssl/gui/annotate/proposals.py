"""Where proposed cells come from: the instances that are shown, or any Labels layer, whoever made it."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.layers.cell_layer import CellLayer
from napari_cellseg_ssl.gui.layers.current_result import current_result
from napari_cellseg_ssl.gui.layers.layout import level_zero
from napari_cellseg_ssl.gui.layers.tags import kind_of

CORNER_TOLERANCE = 0.5
"""px by which the corners of two layers may differ."""


class Proposals:
    """Finds the layer of proposals of one image.

    Parameters
    ----------
    viewer : ViewerModel
    image_layer : Image
    chosen : Labels, optional
        What the user chose; None takes the current result.
    """

    def __init__(self, viewer: ViewerModel, image_layer: Image, chosen: Labels | None = None) -> None:
        self._viewer, self._image_layer = viewer, image_layer
        self.chosen = chosen

    def layer(self) -> Labels | None:
        """Return the chosen layer, else the current result of the image."""
        return self.chosen or current_result(self._viewer, self._image_layer)

    def cells_for(self, annotation: Labels) -> CellLayer | str:
        """Return the proposals if they lie exactly over an annotation, else a sentence that says why not."""
        layer = self.layer()
        if layer is None:
            return messages.no_proposals()
        return misfit(layer, annotation) or CellLayer(layer)


def can_propose(layer: Layer) -> bool:
    """Whether a layer may be offered as a source of proposals: instances, or labels that somebody else made."""
    return isinstance(layer, Labels) and kind_of(layer) in ("", "instances")


def misfit(layer: Labels, annotation: Labels) -> str:
    """Say why cells of a layer cannot be copied to an annotation pixel by pixel; empty if they can."""
    if layer is annotation:
        return messages.proposals_are_the_annotation(layer.name)
    ours, theirs = _frames(annotation), _frames(layer)
    if ours != theirs:
        return messages.proposals_of_another_size(layer.name, _in_words(theirs), _in_words(ours))
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (np.array(ours[-2:]) - 1)
    for corner in corners:
        world = layer.data_to_world([*[0] * (layer.ndim - 2), *corner])
        place = np.array(annotation.world_to_data(world))[-2:]
        if np.abs(place - corner).max() > CORNER_TOLERANCE:
            return messages.proposals_elsewhere(layer.name)
    return ""


def _frames(layer: Labels) -> tuple[int, ...]:
    """Shape of a layer without leading axes of length 1, such as that of a channel."""
    shape = level_zero(layer).shape
    return (*(int(n) for n in shape[:-2] if n > 1), *(int(n) for n in shape[-2:]))


def _in_words(shape: tuple[int, ...]) -> str:
    frames = f"{' × '.join(map(str, shape[:-2]))} frames of " if shape[:-2] else ""
    return f"{frames}{shape[-1]} × {shape[-2]} px"
