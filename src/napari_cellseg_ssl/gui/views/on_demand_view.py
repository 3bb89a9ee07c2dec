"""A button that stays down while something more of a segmentation is shown; what is shown follows the sliders."""

from typing import Any, Protocol
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.gui.layers.layer_visibility import rest
from napari_cellseg_ssl.gui.layers.tags import kind_of, layers_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.tasks.session.advance import Controls, Failed, SessionState


class Shown(Protocol):
    """What a button shows: for which methods, worked out how, drawn how, in layers of which kinds."""

    kinds: tuple[str, ...]

    def offers(self, method: object) -> bool:
        """Whether a method has it."""
        ...

    def too_much(self) -> str:
        """Say why it cannot follow a slider; empty = it can."""
        ...

    def work(self, method: Any, maps: PredictionMaps, options: Any) -> Any:
        """Work it out, in a thread."""
        ...

    def draw(self, viewer: ViewerModel, image: Image, method_id: str, result: Any, *, is_first: bool) -> str:
        """Show it, and return what a user should know about it; `is_first` if the button was just pressed."""
        ...


class OnDemandView(QObject):
    """Work in the background and layers in the window, while a button is down."""

    said = Signal(str)
    """What a user should read about it; "" once nothing is shown."""

    def __init__(
        self, controller: Controller, shown: Shown, text: str, name: str, tip: str, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._controller, self._shown = controller, shown
        self._method_id = ""
        self._image: Any = lambda: None
        self._is_first = True
        self.button = QPushButton(text)
        self.button.setObjectName(name)
        self.button.setToolTip(tip)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._toggle)
        self._latest = LatestOnly(self)
        self._latest.done.connect(self._show)
        self._latest.failed.connect(self._fail)
        controller.labels_changed.connect(lambda _: self._follow())
        controller.image_changed.connect(lambda _: self.button.setChecked(False))

    def render(self, controls: Controls, state: SessionState) -> None:
        """Offer it with methods that have it, once there are maps."""
        if state.segments_with != self._method_id:
            self._method_id = state.segments_with
            self.button.setChecked(False)
            self.button.setVisible(bool(state.segments_with) and self._shown.offers(get_method(state.segments_with)))
        self.button.setEnabled(controls.can_adjust)
        if not state.has_maps:
            self.button.setChecked(False)

    def _follow(self) -> None:
        """Work it out with the values that the sliders have."""
        maps, options, image = self._controller.maps, self._controller.segment_options, self._controller.image_layer
        if not self.button.isChecked() or maps is None or image is None:
            return
        if not self._is_first and (why := self._shown.too_much()):
            self.button.setChecked(False)
            self.said.emit(why)
            return
        method = get_method(self._method_id)
        if self._shown.offers(method):
            self._image = ref(image)
            self._latest.submit(lambda: self._shown.work(method, maps, options))

    def _layers(self, image: Image) -> list[Any]:
        viewer = self._controller.viewer
        mine = [] if viewer is None else layers_of(viewer, image)
        return [layer for layer in mine if kind_of(layer) in self._shown.kinds]

    def _toggle(self, is_down: bool) -> None:
        self._is_first = is_down
        if is_down:
            self._follow()
            return
        self._latest.cancel()
        self.said.emit("")
        image = self._image()
        for layer in [] if image is None else self._layers(image):
            rest(layer)  # not removed: that holds up the window

    def _show(self, result: Any) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is None or image is None or image not in viewer.layers or not self.button.isChecked():
            return
        remark = self._shown.draw(viewer, image, self._method_id, result, is_first=self._is_first)
        self._is_first = False
        self.said.emit(remark)

    def _fail(self, failure: Failed) -> None:
        self.button.setChecked(False)
        self._controller.report(failure)
