"""A combo box for what is judged or written: the current result, as long as the user chooses nothing else."""

from collections.abc import Callable
from typing import Any

from napari.layers import Labels, Layer

from napari_cellseg_ssl.gui.layers.current_result import current_result, make_current, results_of
from napari_cellseg_ssl.gui.layers.tags import image_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.widgets.layer_combo import LayerCombo


class ResultCombo(LayerCombo):
    """Choose labels; a result that is chosen here becomes the current one, and one that is newly made is chosen here.

    Parameters
    ----------
    accepts : (Layer) -> bool
        Which layers are offered.
    """

    def __init__(self, controller: Controller, accepts: Callable[[Layer], bool]) -> None:
        self._controller = controller
        super().__init__(controller.viewer, accepts)
        self.setPlaceholderText("no result yet")
        self.chosen.connect(self._on_chosen)
        controller.choices.result.changed.connect(self._take_current)
        controller.image_changed.connect(self._take_current)
        self._take_current()

    def _take_current(self, _event: Any = None) -> None:
        """Choose the current result; where there is none, leave what belongs to another image."""
        self._refresh()
        current = self._controller.choices.result.layer
        if current is not None:
            self.choose(current)
        elif not self._may_stay(self.layer):
            self.setCurrentIndex(
                self._layers.index(fallback) if (fallback := self._instead(self._layers, None)) else -1
            )

    def _may_stay(self, layer: Layer | None) -> bool:
        viewer, image = self._controller.viewer, self._controller.image_layer
        owner = None if viewer is None or layer is None else image_of(viewer, layer)
        return owner is None or owner is image

    def _instead(self, offered: list[Layer], event: Any) -> Layer | None:
        """Choose when nothing is chosen: the current result, else what belongs to no other image."""
        current = self._controller.choices.result.layer
        if current in offered:
            return current
        return super()._instead([layer for layer in offered if self._may_stay(layer)], event)

    def _on_chosen(self, layer: Layer | None) -> None:
        viewer, image = self._controller.viewer, self._controller.image_layer
        if viewer is None or image is None or not isinstance(layer, Labels):
            return
        if layer in results_of(viewer, image) and layer is not current_result(viewer, image):
            make_current(viewer, image, layer)
