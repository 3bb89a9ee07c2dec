"""A combo box of the viewer's layers of one kind, which follows them as they come, go and are renamed."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

from napari_cellseg_ssl.gui.widgets.stage import leave_keys


class LayerCombo(QComboBox):
    """Choose a layer; the newest is chosen when there was none, and `chosen` says which it is.

    Parameters
    ----------
    accepts : (Layer) -> bool
        Which layers are offered.
    none : str, optional
        Text of a first entry that means "no layer".
    follows : bool
        Whether a layer is chosen without being asked when there is none.
    """

    chosen = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        accepts: Callable[[Layer], bool],
        none: str = "",
        parent: QWidget | None = None,
        *,
        follows: bool = True,
    ) -> None:
        super().__init__(parent)
        self._follows = follows
        self._viewer = ref(viewer)
        self._accepts, self._none = accepts, none
        self._layers: list[Layer | None] = []
        self._current: Layer | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        leave_keys(self)
        self.setMinimumContentsLength(12)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            event.connect(self._refresh)
        viewer.layers.events.connect(self._on_layer_event)
        self.currentIndexChanged.connect(self._on_index)
        self._refresh()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._current

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer if it is offered; None chooses none."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))
        elif layer is None:
            self.setCurrentIndex(-1)

    def _on_layer_event(self, event: Any) -> None:
        if event.type == "name":
            self._refresh(event)

    def _refresh(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        offered = [layer for layer in viewer.layers if self._accepts(layer)]
        self._layers = [None, *offered] if self._none else list(offered)
        wanted = self._current
        if wanted not in offered:
            wanted = self._instead(offered, event)
        with QSignalBlocker(self):
            self.clear()
            self.addItems([self._none if layer is None else layer.name for layer in self._layers])
            self.setCurrentIndex(self._layers.index(wanted) if wanted in self._layers else -1)
        self._take(wanted)

    def _instead(self, offered: list[Layer], event: Any) -> Layer | None:
        """Choose when nothing is chosen: what is newest, or, if there may be none, only what has just come in sight."""
        if not self._follows:
            return None
        candidates = offered
        if self._none and event is not None:
            candidates = [event.value] if event.type == "inserted" and self._current is None else []
        wanted = [one for one in candidates if one in offered and (one.visible or not self._none)]
        return (wanted or [None])[-1]

    def _on_index(self, index: int) -> None:
        self._take(self._layers[index] if 0 <= index < len(self._layers) else None)

    def _take(self, layer: Layer | None) -> None:
        if layer is not self._current:
            self._current = layer
            self.chosen.emit(layer)
