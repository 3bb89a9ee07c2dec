"""The steps of a segmentation as layers: seeds above the cells, what they grew to hidden below."""

from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.method import SegmentationSteps, ShowsSteps
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.gui.controller import Controller
from napari_cellseg_ssl.gui.layer_styles import Picture
from napari_cellseg_ssl.gui.layer_tags import kind_of, layers_of, tag_of
from napari_cellseg_ssl.gui.layers_out import PARTIAL, SEEDS, write
from napari_cellseg_ssl.gui.layout import layout_of
from napari_cellseg_ssl.gui.worker import LatestOnly
from napari_cellseg_ssl.tasks.session import Controls, Failed, SessionState


class StepsView(QObject):
    """A button that stays down while the steps are shown, and what `said` about them; a slider moves them too."""

    said = Signal(str)

    def __init__(self, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._method_id = ""
        self._image: Any = lambda: None
        self._is_first = True
        self.button = QPushButton("Show the steps")
        self.button.setObjectName("cellseg_show_steps")
        self.button.setToolTip(
            "Show from which seeds the cells have grown, and in which step. What they grew to is in hidden layers."
        )
        self.button.setCheckable(True)
        self.button.toggled.connect(self._toggle)
        self._latest = LatestOnly(self)
        self._latest.done.connect(self._show)
        self._latest.failed.connect(self._fail)
        controller.labels_changed.connect(lambda _: self._make())
        controller.image_changed.connect(lambda _: self.button.setChecked(False))

    def render(self, controls: Controls, state: SessionState) -> None:
        """Offer the steps of methods that have them, once there are maps."""
        if state.method_id != self._method_id:
            self._method_id = state.method_id
            self.button.setChecked(False)
            self.button.setVisible(bool(state.method_id) and isinstance(get_method(state.method_id), ShowsSteps))
        self.button.setEnabled(controls.can_adjust)
        if not state.has_maps:
            self.button.setChecked(False)

    def _toggle(self, is_down: bool) -> None:
        self._is_first = is_down
        if is_down:
            self._make()
            return
        self._latest.cancel()
        self.said.emit("")
        image = self._image()
        for layer in [] if image is None else self._layers(image):
            layer.visible = False  # not removed: that holds up the window

    def _make(self) -> None:
        """Work through the steps in the background, with the values that the sliders have."""
        maps, options, image = self._controller.maps, self._controller.segment_options, self._controller.image_layer
        if not self.button.isChecked() or maps is None or image is None:
            return
        method = get_method(self._method_id)
        if isinstance(method, ShowsSteps):
            self._image = ref(image)
            self._latest.submit(lambda: method.steps(maps, options))

    def _show(self, steps: SegmentationSteps) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is None or image is None or image not in viewer.layers or not self.button.isChecked():
            return
        for kind, found in ((PARTIAL, steps.partial), (SEEDS, steps.seeds)):
            for title, labels in found.items():
                self._write(image, kind, title, labels)
        self._is_first = False
        self.said.emit(steps.remark)

    def _fail(self, failure: Failed) -> None:
        self.button.setChecked(False)
        self._controller.report(failure)

    def _write(self, image: Image, kind: str, title: str, labels: Array) -> None:
        viewer = self._controller.viewer
        before = set(self._layers(image))
        picture = Picture(labels.astype(np.int32, copy=False), "labels", {"visible": kind == SEEDS, "opacity": 1.0})
        tag = tag_of(image, kind, self._method_id, name=title)
        layer = write(viewer, image, layout_of(image, ndim=labels.ndim - 1), picture, tag)
        if layer not in before:
            layer.name = f"{image.name} · {title}"
            layer.editable = False
        elif kind == SEEDS and self._is_first:
            layer.visible = True

    def _layers(self, image: Image) -> list[Any]:
        viewer = self._controller.viewer
        mine = [] if viewer is None else layers_of(viewer, image)
        return [layer for layer in mine if kind_of(layer) in (SEEDS, PARTIAL)]
