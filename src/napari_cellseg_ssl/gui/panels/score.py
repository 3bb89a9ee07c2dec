"""The panel that compares one Labels layer with another."""

from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QComboBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui.controller import Controller
from napari_cellseg_ssl.gui.layer_combo import LayerCombo
from napari_cellseg_ssl.gui.layer_tags import KEY, is_labels
from napari_cellseg_ssl.gui.layers_in import annotation, guess_labels_mode
from napari_cellseg_ssl.gui.layout import level_zero
from napari_cellseg_ssl.gui.scoring import ScoreLine, as_text, score_lines
from napari_cellseg_ssl.gui.stage import Stage, button, note
from napari_cellseg_ssl.gui.worker import LatestOnly
from napari_cellseg_ssl.tasks.session import Failed

ROW_HEIGHT, SHOWN_ROWS = 23, 9
MODES = {"auto": "guess", "dense": "complete: 0 is background", "sparse": "painted: 0 is unknown"}


class ScorePanel(Stage):
    """Choose two layers, see the scores of the papers."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("Score", parent)
        self._controller = controller
        self._lines: tuple[ScoreLine, ...] = ()
        self._scores = LatestOnly(self)
        self._scores.done.connect(self._show)
        self._scores.failed.connect(self._fail)
        self._build()
        self._suggest()
        controller.labels_changed.connect(self._suggest)

    def _build(self) -> None:
        self.truth = self._choice("cellseg_score_truth", "What is right: a complete label image, or painted cells.")
        self.prediction = self._choice("cellseg_score_prediction", "What is to be judged.")
        self.mode = QComboBox()
        self.mode.setObjectName("cellseg_score_mode")
        for value, text in MODES.items():
            self.mode.addItem(text, value)
        self.mode.setToolTip("Whether unpainted pixels of the truth are background or unknown.")
        self.form.addRow("Truth", self.truth)
        self.form.addRow("The truth is", self.mode)
        self.form.addRow("Prediction", self.prediction)
        self.button = button("Score", "cellseg_score", "Compare the two layers.", self.score)
        self.form.addRow(self.button)
        self.message = note()
        self.message.setObjectName("cellseg_score_message")
        self.form.addRow(self.message)
        self.form.addRow(self._new_table())
        self.copy_button = button("Copy table", "", "Copy the table for a spreadsheet.", self._copy)
        self.form.addRow(self.copy_button)
        for widget in (self.message, self.table, self.copy_button):
            self.form.setRowVisible(widget, False)

    def _choice(self, name: str, tip: str) -> LayerCombo:
        combo = LayerCombo(self._controller.viewer, is_labels)
        combo.setObjectName(name)
        combo.setToolTip(tip)
        return combo

    def _new_table(self) -> QTableWidget:
        self.table = QTableWidget(0, 2)
        self.table.setObjectName("cellseg_score_table")
        self.table.setHorizontalHeaderLabels(["Measure", "Value"])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setMinimumHeight(SHOWN_ROWS * ROW_HEIGHT)
        return self.table

    def _say(self, sentence: str) -> None:
        self.message.setText(sentence)
        self.form.setRowVisible(self.message, bool(sentence))

    def score(self) -> None:
        """Score in the background; the layers are copied now."""
        truth, prediction = self.truth.layer, self.prediction.layer
        if truth is None or prediction is None or truth is prediction:
            self._say("Choose two different Labels layers: what is right, and what is to be judged.")
            return
        mode = self.mode.currentData()
        guess = guess_labels_mode(truth) if mode == "auto" else None
        try:
            known = annotation(truth, self._complete_layer(truth), guess.mode if guess else mode)
        except CellSegError as problem:
            self._say(str(problem))
            return
        labels = np.array(level_zero(prediction))
        labels = labels.reshape(-1, *labels.shape[-2:])
        self._say(guess.why if guess else "")
        self._scores.submit(lambda: score_lines(known, labels))

    def _complete_layer(self, truth: Labels) -> Any:
        """Complete regions that were drawn for the same image as the truth."""
        viewer = self._controller.viewer
        image_id = truth.metadata.get(KEY, {}).get("image_id")
        if viewer is None or image_id is None:
            return None
        tags = ((layer, layer.metadata.get(KEY, {})) for layer in viewer.layers)
        found = (layer for layer, tag in tags if tag.get("kind") == "complete-regions" and tag["image_id"] == image_id)
        return next(found, None)

    def _suggest(self, *_: Any) -> None:
        """Offer the newest instances as the prediction, and the annotation or another layer as the truth."""
        viewer = self._controller.viewer
        if viewer is None:
            return
        labels = [layer for layer in viewer.layers if isinstance(layer, Labels)]
        made = [layer for layer in labels if layer.metadata.get(KEY, {}).get("kind") == "instances"]
        others = [layer for layer in labels if KEY not in layer.metadata]
        painted = [layer for layer in labels if layer.metadata.get(KEY, {}).get("kind") == "annotation"]
        if self.truth.layer is None or self.truth.layer in made:
            self.truth.choose((others or painted or [None])[0])
        if self.prediction.layer not in made:
            self.prediction.choose((made or [None])[-1])

    def _show(self, lines: tuple[ScoreLine, ...]) -> None:
        self._lines = lines
        self.table.setRowCount(len(lines))
        for row, line in enumerate(lines):
            for column, text in enumerate((line.name, line.value)):
                item = QTableWidgetItem(text)
                item.setToolTip(line.meaning)
                self.table.setItem(row, column, item)
        for widget in (self.table, self.copy_button):
            self.form.setRowVisible(widget, True)

    def _fail(self, failure: Failed) -> None:
        self.table.setRowCount(0)
        self._say(f"{failure.message} {failure.hint}".strip())

    def _copy(self) -> None:
        QApplication.clipboard().setText(as_text(self._lines))
