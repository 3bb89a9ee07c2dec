"""Stage 4: from maps to instances, with sliders; and keeping the model."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.panels.tune import TuneBox
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.boxes_view import boxes_on_demand
from napari_cellseg_ssl.gui.views.similar_regions import AlikeView
from napari_cellseg_ssl.gui.views.steps_view import steps_on_demand
from napari_cellseg_ssl.gui.widgets.config_form import ConfigForm
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, discard, note, row
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState
from napari_cellseg_ssl.tasks.session.folder import sessions_folder


class SegmentPanel(Stage):
    """Segment, adjust, tune, save and open."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("4  Segment", parent)
        self._controller = controller
        self._method_id = ""
        self._bundle: Any = None
        self._sliders: ConfigForm | None = None
        self.segment = button(
            "Segment", "cellseg_segment", "Find the cells of the chosen image with the current model.", self._segment
        )
        self._borrowed = note()
        self._borrowed.setObjectName("cellseg_borrowed")
        self._holder = QWidget()
        holder = QVBoxLayout(self._holder)
        holder.setContentsMargins(0, 0, 0, 0)
        self.tune = TuneBox(controller)
        self.tune.tune_clicked.connect(self._tune)
        self.tune.chosen.connect(self._preview)
        self.reset = button("Reset", "cellseg_reset", "Take the model's own values again.", self._reset)
        self.steps = steps_on_demand(controller, self)
        self.steps_note = note()
        self.steps_note.setObjectName("cellseg_steps_note")
        self.boxes = boxes_on_demand(controller, self)
        for view in (self.steps, self.boxes):
            view.said.connect(lambda text: self.tell(self.steps_note, text))
        self.alike = AlikeView(controller, self)
        self.save = button("Save run …", "cellseg_save_run", "Save the model in a folder.", self._save)
        self.open = button(
            "Open run …", "cellseg_open_run", "Open a saved model, or continue an interrupted training.", self._open
        )
        self.roll_back = button(
            "Previous model", "cellseg_roll_back", "Go back to the model before this one.", controller.session.roll_back
        )
        self.form.addRow(self.segment)
        self.form.addRow(self._borrowed)
        self.form.addRow(self._holder)
        self.form.addRow(row(self.reset, self.steps.button, self.boxes.button))
        self.form.addRow(self.steps_note)
        self.tell(self.steps_note, "")
        self.form.addRow(self.alike.button)
        self.form.addRow(self.tune)
        self.form.addRow(row(self.open, self.save, self.roll_back))
        controller.tuned.connect(self._show)

    def options(self) -> Any:
        """Segmentation options as shown."""
        return None if self._sliders is None else self._sliders.value()

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show what may be pressed, and the values that a new model brings."""
        self.segment.setEnabled(controls.can_segment)
        self._holder.setEnabled(controls.can_adjust)
        self.reset.setEnabled(controls.can_adjust)
        self.save.setEnabled(controls.can_save)
        self.open.setEnabled(controls.can_open)
        self.roll_back.setEnabled(controls.can_roll_back)
        if state.segments_with and state.segments_with != self._method_id:
            self._rebuild(state.segments_with)
        if state.bundle is not self._bundle:
            self._bundle = state.bundle
            self._show(self._defaults())
        self.tell(self._borrowed, _borrowed(state))
        self.tune.render(controls, state)
        self.steps.render(controls, state)
        self.boxes.render(controls, state)
        self.alike.render(controls, state)

    def _rebuild(self, method_id: str) -> None:
        self._method_id = method_id
        if self._sliders is not None:
            discard(self._sliders)
        self._sliders = ConfigForm(get_method(method_id).info.segment_options, sliders=True)
        self._sliders.changed.connect(self._controller.adjust)
        self._holder.layout().addWidget(self._sliders)
        self._show(self._defaults())

    def _defaults(self) -> Any:
        bundle = self._controller.bundle
        if bundle is not None and bundle.method_id == self._method_id:
            return bundle.segment_options
        return get_method(self._method_id).info.segment_options()

    def _show(self, options: Any) -> None:
        if self._sliders is not None:
            self._sliders.set_value(options)
            self._controller.segment_options = options

    def _segment(self) -> None:
        self._controller.segment(self.options())

    def _tune(self) -> None:
        self._controller.tune(self.options())

    def _reset(self) -> None:
        self._preview(self._defaults())

    def _preview(self, options: Any) -> None:
        """Move the sliders, and let the cells follow."""
        self._show(options)
        self._controller.adjust(options)

    def _save(self) -> None:
        folder = QFileDialog.getSaveFileName(self, "Save the model in a new folder", "run")[0]
        if folder:
            self._controller.save_run(Path(folder))

    def _open(self) -> None:
        start = sessions_folder()
        folder = QFileDialog.getExistingDirectory(self, "Open a run folder", str(start if start.exists() else ""))
        if folder:
            self._controller.open_run(Path(folder))


def _borrowed(state: SessionState) -> str:
    """Say that a model of another method segments than the chosen one; empty where that is not so."""
    if state.bundle is None or state.segments_with == state.method_id:
        return ""
    used, chosen = (get_method(method_id).info.title for method_id in (state.segments_with, state.method_id))
    return messages.other_model_segments(state.bundle.name, used, chosen)
