"""A combo box of the viewer's layers of one type; it follows the viewer without ever choosing by name."""

from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget


class LayerChoice(QComboBox):
    """Choose one of the layers of a type.

    Parameters
    ----------
    viewer : ViewerModel
    layer_type : type of Layer
    nothing : str
        What is read when there is no layer.
    """

    changed = Signal(object)

    def __init__(
        self, viewer: ViewerModel, layer_type: type[Layer], nothing: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._type = ref(viewer), layer_type
        self._layers: list[Layer] = []
        self.setPlaceholderText(nothing)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._follow)
        self.currentIndexChanged.connect(lambda _index: self.changed.emit(self.layer))
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer; one that is not offered is ignored."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def _follow(self, *_: Any) -> None:
        viewer = self._viewer()
        if not isalive(self) or viewer is None:
            return
        chosen, before = self.layer, self._layers
        for layer in before:
            layer.events.name.disconnect(self._rename)
        self._layers = [layer for layer in viewer.layers if isinstance(layer, self._type)]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        self.setCurrentIndex(self._layers.index(chosen) if chosen in self._layers else len(self._layers) - 1)
        self.blockSignals(False)
        if self.layer is not chosen:
            self.changed.emit(self.layer)

    def _rename(self, *_: Any) -> None:
        if isalive(self):
            for index, layer in enumerate(self._layers):
                self.setItemText(index, layer.name)
