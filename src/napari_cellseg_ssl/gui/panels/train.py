"""Stage 3: learn, and the strip below all stages that shows what is going on."""

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.methods.base import LearnsInStages, TrainingStage, get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import default_start
from napari_cellseg_ssl.gui.layers.inputs import guess_layer_mode
from napari_cellseg_ssl.gui.layers.outputs import PARTIAL, SEEDS
from napari_cellseg_ssl.gui.layers.tags import image_of, kind_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.loss_plot import LossPlot
from napari_cellseg_ssl.gui.widgets.fitting import narrow
from napari_cellseg_ssl.gui.widgets.layer_combo import LayerCombo
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.tasks.progress import PHASES
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState

MADE_BY_US = ("instances", "pseudo-labels", "errors", "synthetic-labels", SEEDS, PARTIAL)
"""Kinds of labels that nobody painted."""
RANGE = 1000
GO_ON = "continue from the current model"
MODES = {"auto": "guessed", "sparse": "painted: 0 unknown, 1 background", "dense": "complete: 0 background"}


def is_annotation(layer: Layer) -> bool:
    """Whether a layer may hold painted cells."""
    return isinstance(layer, Labels) and kind_of(layer) not in MADE_BY_US


def is_result(layer: Layer) -> bool:
    """Whether a layer may hold cells that some method found."""
    return isinstance(layer, Labels) and kind_of(layer) not in (
        "annotation",
        "errors",
        "pseudo-labels",
        "synthetic-labels",
        SEEDS,
        PARTIAL,
    )


class TrainPanel(Stage):
    """Choose the painted cells and the time, and learn."""

    train_clicked, budget_changed = Signal(), Signal()

    def __init__(
        self, controller: Controller, options: Callable[[], Any] = lambda: None, parent: QWidget | None = None
    ) -> None:
        super().__init__("3  Learn", parent)
        self._controller = controller
        self._options = options
        self._start_id = ""
        self._build_annotation()
        self._build_results()
        self._build_budget()
        self._reasons = note()
        self._reasons.setObjectName("cellseg_reasons")
        self.train = button("Train", "cellseg_train", "Learn, then segment the image.", self.train_clicked.emit)
        self.plot = LossPlot()
        self._hint = note()
        self._hint.setObjectName("cellseg_stage_hint")
        self.form.addRow(self.train)
        self.form.addRow(self._hint)
        self.form.addRow(self._reasons)
        self.form.addRow(self.plot)
        self._notes = note()
        self._notes.setObjectName("cellseg_notes")
        self._notes.setToolTip("What was noted while your last model was trained.")
        self.form.addRow(self._notes)
        self.annotation.chosen.connect(self._on_annotation)
        self._mode.currentIndexChanged.connect(self._on_annotation)
        controller.annotation_changed.connect(self.annotation.choose)
        if controller.annotation_layer is not None:
            self.annotation.choose(controller.annotation_layer)
        self._on_annotation()

    @property
    def time_budget(self) -> float | None:
        """Seconds, or None for as many steps as the options say."""
        return float(self._seconds.value()) if self._limited.isChecked() else None

    def put_back(self, time_budget: object) -> None:
        """Show a time budget that was chosen before."""
        self._limited.setChecked(isinstance(time_budget, float))
        if isinstance(time_budget, float):
            self._seconds.setValue(round(max(self._seconds.minimum(), min(time_budget, self._seconds.maximum()))))

    def suggest(self, method_id: str, is_first_preset: bool) -> None:
        """Fit the stage to a method: labels where it wants them, and a time that is usually enough."""
        needs = get_method(method_id).info.labels != "none"
        for widget in (self.annotation, self._mode):
            self.form.setRowVisible(widget, needs)
        self.form.setRowVisible(self._why, needs and bool(self._why.text()))
        self._learns_from_results = get_method(method_id).info.learns_from_results
        self._show_results()
        self._seconds.setValue(get_method(method_id).info.usual_seconds)
        self._limited.setChecked(is_first_preset)

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show whether training can start, or why not, and the curve."""
        self.train.setEnabled(controls.can_train)
        choices = self.annotation, self._mode, self.results, self.agreeing, self._seconds, self._limited, self.starter
        for widget in choices:
            widget.setEnabled(controls.can_choose)
        self._offer_start(state)
        self._reasons.setText("\n".join(controls.reasons))
        self._reasons.setVisible(bool(controls.reasons) and not controls.is_busy)
        for widget in (self._budget, self.preview):
            self.form.setRowVisible(widget, state.learns)
        self.train.setVisible(state.learns)
        self.plot.show_curve(state.curve, PHASES.get(state.phase, ""))
        model = None if controls.is_busy else state.own
        is_own = model is not None and model.method_id == state.method_id
        self.tell(self._notes, "\n".join(model.provenance.notes) if model is not None and is_own else "")

    def _offer_start(self, state: SessionState) -> None:
        """Offer to start from the current model, where the method can: from one of its own, or of another method."""
        start, is_offered, is_own = state.bundle, False, False
        if start is not None and state.learns and state.method_id:
            is_offered = get_method(state.method_id).info.accepts(start)
            is_own = start.method_id == state.method_id
            title = get_method(start.method_id).info.title
            self.go_on.setText(GO_ON if is_own else f"start from the current model of {title}")
            self._take_what_was_pretrained(start, is_own)
        self.go_on.setVisible(is_offered)
        goes_on = is_offered and self.go_on.isChecked()
        has_starter = default_start(state.method_id) == "auto"
        self.form.setRowVisible(self.starter, has_starter and not goes_on)
        self._name_stage(state, start if goes_on else None, "Train on" if goes_on and is_own else "Train")

    def _take_what_was_pretrained(self, start: ModelBundle, is_own: bool) -> None:
        """Continue from a model that was made for it, unless the user says otherwise."""
        method, is_new = get_method(start.method_id), start.id != self._start_id
        self._start_id = start.id
        if is_new and is_own and isinstance(method, LearnsInStages) and method.next_act(start):
            with QSignalBlocker(self.go_on):
                self.go_on.setChecked(True)

    def _name_stage(self, state: SessionState, start: ModelBundle | None, usual: str) -> None:
        """Say on the button, and below it, which stage of several a training will be."""
        stage, options = TrainingStage(act=usual, hint=""), self._options()
        if state.method_id:
            method = get_method(state.method_id)
            if isinstance(options, method.info.train_options) and isinstance(method, LearnsInStages):
                stage = method.stage(options, is_painted=state.n_cells > 0, start=start)
        self.train.setText(stage.act)
        self.tell(self._hint, stage.hint)

    def _build_annotation(self) -> None:
        self.annotation = LayerCombo(self._controller.viewer, is_annotation, none="none yet: use Paint labels")
        self.annotation.setObjectName("cellseg_annotation")
        self.annotation.setToolTip("The labels layer in which some cells and some background are painted.")
        self._mode = QComboBox()
        narrow(self._mode)
        self._mode.setObjectName("cellseg_labels_mode")
        self._mode.setToolTip("What 0 means in these labels.")
        for mode, text in MODES.items():
            self._mode.addItem(text, mode)
        self._why = note()
        self.form.addRow("Painted cells", self.annotation)
        self.form.addRow("Labels are", self._mode)
        self.form.addRow("", self._why)

    def _build_results(self) -> None:
        viewer = self._controller.viewer
        self.results = LayerCombo(viewer, is_result, none="nothing else", follows=False)
        self.results.setObjectName("cellseg_results")
        self.results.setToolTip("A result of any method: learned from where nothing is painted; painting corrects it.")
        self.agreeing = LayerCombo(viewer, is_result, none="not checked", follows=False)
        self.agreeing.setObjectName("cellseg_agreeing")
        self.agreeing.setToolTip("A result of another method: only what both found is learned from.")
        self.form.addRow("Pseudo-labels", self.results)
        self.form.addRow("Consensus with", self.agreeing)
        self._learns_from_results = False
        for combo in (self.results, self.agreeing):
            combo.chosen.connect(self._on_results)
        self._controller.image_changed.connect(self._leave_results)

    def _build_budget(self) -> None:
        self._limited = QCheckBox("stop after")
        self._limited.setObjectName("cellseg_limit_time")
        self._limited.setToolTip("Learn for this long; otherwise for as many steps as the options say.")
        self._seconds = QSpinBox()
        self._seconds.setObjectName("cellseg_time_budget")
        self._seconds.setToolTip("How long to learn. Longer is better, with less and less gain.")
        self._seconds.setRange(1, 7 * 24 * 3600)
        self._seconds.setSuffix(" s")
        self._limited.toggled.connect(self._seconds.setVisible)
        for changed in (self._limited.toggled, self._seconds.valueChanged):
            changed.connect(lambda *_: self.budget_changed.emit())
        self._budget = row(self._limited, self._seconds)
        self.preview = QCheckBox("show what it sees while it learns")
        self.preview.setObjectName("cellseg_preview")
        self.preview.setToolTip("Every few seconds, the visible part of the image as the network sees it now.")
        self.preview.setChecked(True)
        self.go_on = QCheckBox(GO_ON)
        self.go_on.setObjectName("cellseg_go_on")
        self.go_on.setToolTip("Start from the current model instead of from nothing.")
        self.go_on.setVisible(False)
        self.starter = QCheckBox("start from a starter model, if one fits")
        self.starter.setObjectName("cellseg_use_starter")
        self.starter.setToolTip(
            "A model that comes with the plugin was trained on such cells already. The images decide whether it fits; "
            "the notes below say which was taken and why. Without it the network begins at random."
        )
        self.starter.setChecked(True)
        self.form.addRow("Time", self._budget)
        self.form.addRow(self.preview)
        self.form.addRow(self.go_on)
        self.form.addRow(self.starter)

    def _on_annotation(self, *_: object) -> None:
        layer, mode = self.annotation.layer, str(self._mode.currentData())
        why = guess_layer_mode(layer).why if layer is not None and mode == "auto" else ""
        self.tell(self._why, why)
        self._controller.choices.choose_annotation(layer, mode)

    def _on_results(self, *_: object) -> None:
        self._show_results()
        self._controller.choices.choose_results(self.results.layer, self.agreeing.layer)

    def _leave_results(self, image: Image | None) -> None:
        """Learn no longer from results of another image."""
        viewer = self._controller.viewer
        for combo in (self.results, self.agreeing):
            if viewer is not None and combo.layer is not None and image_of(viewer, combo.layer) not in (None, image):
                combo.choose(None)

    def _show_results(self) -> None:
        self.form.setRowVisible(self.results, self._learns_from_results)
        self.form.setRowVisible(self.agreeing, self._learns_from_results and self.results.layer is not None)


class JobStrip(QWidget):
    """Progress, status, pause and stop of whatever runs; always in sight."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.progress = QProgressBar()
        self.progress.setObjectName("cellseg_progress")
        self.progress.setToolTip("How much of the job is done, and how long the rest will take.")
        self.progress.setRange(0, RANGE)
        self.progress.setTextVisible(True)
        self.progress.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.status = note(n_lines=2)
        self.status.setObjectName("cellseg_status")
        self.pause = button("Pause", "cellseg_pause", "Wait, and continue later.", controller.pause)
        self.stop = button("Stop", "cellseg_stop", "End the job; the best so far is kept.", controller.stop)
        self.copy_report = button(
            "Copy report",
            "cellseg_copy_report",
            "Copy what went wrong, versions, device and the last lines of the log, to paste into an issue.",
            lambda: QApplication.clipboard().setText(controller.log.report()),
        )
        self.copy_report.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 6)
        for widget in (self.progress, self.status, self.copy_report, row(self.pause, self.stop)):
            layout.addWidget(widget)

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show the progress and the last words."""
        self.stop.setEnabled(controls.can_stop)
        self.pause.setEnabled(controls.can_pause)
        self.pause.setText(controls.pause_text)
        self.progress.setUpdatesEnabled(False)  # setValue would repaint the whole window at once
        self.progress.setValue(round(RANGE * (controls.progress or 0.0)))
        self.progress.setFormat(controls.progress_text)
        self.progress.setUpdatesEnabled(True)
        if self.status.text() != controls.status:
            self.status.setText(controls.status)
            self.status.setStyleSheet("color: #ff6b6b;" if controls.is_problem else "")
        self.copy_report.setVisible(controls.is_problem)
        self.status.setToolTip(state.failure.details if state.failure else state.device)
