"""The panel that compares one Labels layer with another, and leads from error to error."""

from functools import partial
from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication, QComboBox, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate.key_bindings import bind_key
from napari_cellseg_ssl.gui.layers.error_layer import ERRORS, LEGEND, go_to, image_below, show_errors
from napari_cellseg_ssl.gui.layers.inputs import annotation_source, guess_layer_mode
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.tags import find_layer, image_of, is_image, is_instances, is_labels, kind_of
from napari_cellseg_ssl.gui.panels.result_combo import ResultCombo
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.gui.views.object_table import ObjectTable
from napari_cellseg_ssl.gui.views.scoring import Scored, as_text, scored
from napari_cellseg_ssl.gui.widgets.fitting import narrow, show_rows
from napari_cellseg_ssl.gui.widgets.layer_combo import LayerCombo
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks.session.advance import Failed

SHOWN_ROWS = 9
MODES = {"auto": "guess", "dense": "complete: 0 is background", "sparse": "painted: 0 is unknown"}
NEXT_KEY, PREVIOUS_KEY = ".", ","


def is_comparable(layer: Layer) -> bool:
    """Whether a layer holds labels, whoever made it, and not the errors of another comparison."""
    return is_labels(layer) and kind_of(layer) != ERRORS


class ScorePanel(Stage):
    """Choose two layers, see the scores of the papers and every object, step through what is wrong."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("Score", parent)
        self._controller = controller
        self._result: Scored | None = None
        self._compared: tuple[Labels, ...] = ()
        self._guess = ""
        self._scores = LatestOnly(self)
        self._scores.done.connect(self._show)
        self._scores.failed.connect(self._fail)
        self._build_choice()
        self._build_results()
        self._suggest()
        controller.labels_changed.connect(self._suggest)
        controller.image_changed.connect(self._suggest)

    def _build_choice(self) -> None:
        self.truth = LayerCombo(self._controller.viewer, is_comparable)
        self.truth.setObjectName("cellseg_score_truth")
        self.truth.setToolTip("What is right: a complete label image, or painted cells.")
        self.prediction = ResultCombo(self._controller, is_comparable)
        self.prediction.setObjectName("cellseg_score_prediction")
        self.prediction.setToolTip("What is to be scored; the newest result is chosen.")
        self.mode = QComboBox()
        self.mode.setObjectName("cellseg_score_mode")
        narrow(self.mode)
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
        self.form.setRowVisible(self.message, False)

    def _build_results(self) -> None:
        self.previous = button(
            "Previous error",
            "cellseg_error_previous",
            f"Look at the error before this one in the table (key {PREVIOUS_KEY}).",
            lambda: self.step(-1),
        )
        self.next = button(
            "Next error",
            "cellseg_error_next",
            f"Look at the next error in the table (key {NEXT_KEY}).",
            lambda: self.step(1),
        )
        self.legend = note()
        self.legend.setObjectName("cellseg_score_legend")
        self.objects = ObjectTable()
        self.objects.clicked.connect(lambda *_: self._look())
        self.copy_button = button("Copy scores", "", "Copy the scores for a spreadsheet.", self._copy)
        steps = row(self.previous, self.next)
        self._results = (self._new_table(), self.copy_button, self.legend, steps, self.objects)
        for widget in self._results:
            self.form.addRow(widget)
            self.form.setRowVisible(widget, False)

    def _new_table(self) -> QTableWidget:
        self.table = QTableWidget(0, 2)
        self.table.setObjectName("cellseg_score_table")
        self.table.setHorizontalHeaderLabels(["Measure", "Value"])
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        show_rows(self.table, SHOWN_ROWS)
        return self.table

    def _say(self, sentence: str) -> None:
        self.tell(self.message, sentence)

    def score(self) -> None:
        """Score in the background; the layers are copied now."""
        truth, prediction = self.truth.layer, self.prediction.layer
        if truth is None or prediction is None or truth is prediction:
            self._say(messages.choose_two_layers())
            return
        mode = self.mode.currentData()
        guess = guess_layer_mode(truth) if mode == "auto" else None
        try:
            volume = self._volume_of(truth, prediction)
            complete = self._complete_layer(truth)
            known = annotation_source(truth, complete, guess.mode if guess else mode, image_layer=volume)
            found = annotation_source(prediction, None, "dense", image_layer=volume)
        except CellSegError as problem:
            self._say(str(problem))
            return
        self._compared, self._guess = (truth, prediction), guess.why if guess else ""
        self._say("Comparing …")
        self._scores.submit(lambda: scored(known(), found().cells))

    def _volume_of(self, *layers: Labels) -> Image | None:
        """Return the image that layers belong to if that is a volume; else they are compared frame by frame."""
        viewer, chosen = self._controller.viewer, self._controller.image_layer
        image = None if viewer is None else image_below(layers, viewer, chosen)
        is_volume = image is not None and "Z" in layout_of(image, ndim=self._controller.choices.ndim).axes
        return image if is_volume else None

    def _complete_layer(self, truth: Labels) -> Any:
        """Complete regions that were drawn for the same image as the truth."""
        viewer = self._controller.viewer
        image = None if viewer is None else image_of(viewer, truth)
        return None if image is None else find_layer(viewer, image, "complete-regions")

    def _suggest(self, *_: Any) -> None:
        """Offer what is painted, or a layer that somebody else made, as the truth; nothing of another image."""
        viewer, image = self._controller.viewer, self._controller.image_layer
        if viewer is None:
            return
        labels = [layer for layer in viewer.layers if is_labels(layer) and _may_be_of(viewer, layer, image)]
        others = [layer for layer in labels if not kind_of(layer)]
        painted = [layer for layer in labels if kind_of(layer) == "annotation"]
        if self.truth.layer not in labels or is_instances(self.truth.layer):
            self.truth.choose((others or painted or [None])[0])

    def _show(self, result: Scored) -> None:
        self._result = result
        self.table.setRowCount(len(result.lines))
        for place, line in enumerate(result.lines):
            for column, text in enumerate((line.name, line.value)):
                item = QTableWidgetItem(text)
                item.setToolTip(line.meaning)
                self.table.setItem(place, column, item)
        self.objects.show_objects(result.objects)
        for widget in self._results:
            self.form.setRowVisible(widget, True)
        self._say(f"{self._guess} {_on_known_pixels(result)}".strip())
        self._show_errors(result)

    def _show_errors(self, result: Scored) -> None:
        viewer = self._controller.viewer
        n_errors = sum(one.is_error for one in result.objects)
        self.previous.setEnabled(n_errors > 0)
        self.next.setEnabled(n_errors > 0)
        self.legend.setText(f"{counted(n_errors, 'error')}. {LEGEND}" if n_errors else "No errors.")
        if viewer is None:
            return
        image = image_below(self._compared, viewer, self._controller.image_layer)
        if image is not None:
            show_errors(viewer, image, result.errors, [layer.name for layer in self._compared])
        bind_steps(viewer, self)

    def step(self, direction: int) -> None:
        """Look at the next error of the table, or at the one before."""
        if self.objects.step(direction) is not None:
            self._look()

    def _look(self) -> None:
        viewer, one = self._controller.viewer, self.objects.current()
        if viewer is None or one is None:
            return
        image = image_below(self._compared, viewer, self._controller.image_layer)
        if image is not None and image is not self._controller.image_layer:
            self._controller.following.go_to(image)
        go_to(viewer, self._compared[1], one)

    def _fail(self, failure: Failed) -> None:
        self.table.setRowCount(0)
        self.objects.show_objects(())
        self._say(f"{failure.message} {failure.hint}".strip())

    def _copy(self) -> None:
        QApplication.clipboard().setText(as_text(() if self._result is None else self._result.lines))


def bind_steps(viewer: Any, panel: ScorePanel) -> None:
    """Let two keys of the viewer lead from error to error as long as the panel is there."""
    panel_of = ref(panel)

    def step(direction: int) -> None:
        found = panel_of()
        if found is not None and isalive(found):
            found.step(direction)

    bind_key(viewer, NEXT_KEY, partial(step, 1), "next_error")
    bind_key(viewer, PREVIOUS_KEY, partial(step, -1), "previous_error")


def _on_known_pixels(result: Scored) -> str:
    """Say what a partly painted truth means for the scores."""
    if result.known_share == 1:
        return ""
    unknown = sum(one.match.verdict == "unknown" for one in result.objects)
    return messages.partly_known(result.known_share, unknown)


def _may_be_of(viewer: ViewerModel, layer: Layer, image: Image | None) -> bool:
    """Whether labels do not belong to another image, by their record or, where they have none, by their name."""
    owner = image_of(viewer, layer)
    if owner is None:
        named = [one for one in viewer.layers if is_image(one) and layer.name.startswith(one.name)]
        owner = max(named, key=lambda one: len(one.name), default=None)
    return owner in (None, image)
