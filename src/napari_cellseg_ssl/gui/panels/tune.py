"""The search for values that fit the painted cells: its button, the best that it found, and keeping one of them."""

from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.options import option_specs
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.widgets.fitting import follow_font
from napari_cellseg_ssl.gui.widgets.stage import button, note, row
from napari_cellseg_ssl.tasks import Trial, TrialDone, TuneFinished
from napari_cellseg_ssl.tasks.events import best_trials
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState

SHOWN = 5
AS_IT_WAS = "as it was"


class TuneBox(QWidget):
    """Search, look at what was found, keep what looks right; `chosen` carries the options of the clicked line."""

    tune_clicked, chosen = Signal(), Signal(object)

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._trials: list[Trial] = []
        self.tune = button(
            "Tune to painting",
            "cellseg_tune",
            "Search the values that fit the painted cells best, also those of the images under 'Also learn from'; what "
            "is not painted does not count.",
            self.tune_clicked.emit,
        )
        self.use = button(
            "Use", "cellseg_tune_use", "Keep the chosen values in the model, also where it is saved.", self._use
        )
        self.best = QListWidget()
        self.best.setObjectName("cellseg_tune_best")
        self.best.setToolTip(
            "The best values: F1 on the painted cells, mean overlap with them, and what differs from the values before "
            "the search. Click one to see its cells."
        )
        follow_font(self.best, lambda: self.best.setFixedHeight((SHOWN + 2) * self.best.fontMetrics().height()))
        self.best.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.best.currentRowChanged.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.tune, self.use))
        self._title = note("F1, overlap, what changes:")
        layout.addWidget(self._title)
        layout.addWidget(self.best)
        self._reveal(False)
        controller.happened.connect(self._on_event)

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show what may be pressed; found values are those of one image and method, and go with its maps."""
        self.tune.setEnabled(controls.can_tune)
        self.best.setEnabled(controls.can_adjust and not controls.is_busy)
        if self._trials and not state.has_maps:
            self._forget()
        kept = None if state.bundle is None else state.bundle.segment_options
        self.use.setEnabled(self.best.isEnabled() and self._current() not in (None, kept))

    def _on_event(self, event: object) -> None:
        if isinstance(event, TrialDone):
            if event.done == 1:
                self._start = event.trial
                self._trials = []
            self._trials = best_trials([*self._trials, event.trial], SHOWN)
            self._list()
        elif isinstance(event, TuneFinished):
            self._select(0)

    def _list(self) -> None:
        """List the best trials, and the one that the search began with."""
        shown = self._trials if self._start in self._trials else [*self._trials, self._start]
        with QSignalBlocker(self.best):
            self.best.clear()
            for trial in shown:
                changes = differences(trial.options, self._start.options)
                item = QListWidgetItem(f"{trial.score:.2f}   {trial.overlap:.2f}   {', '.join(changes) or AS_IT_WAS}")
                item.setData(Qt.ItemDataRole.UserRole, trial.options)
                item.setToolTip("\n".join([f"F1 {trial.score:.3f}, overlap {trial.overlap:.3f}", *changes]))
                self.best.addItem(item)
        self._reveal(True)

    def _select(self, place: int) -> None:
        with QSignalBlocker(self.best):
            self.best.setCurrentRow(place)

    def _current(self) -> Any:
        item = self.best.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _choose(self, place: int) -> None:
        if place >= 0:
            self.chosen.emit(self._current())

    def _use(self) -> None:
        self._controller.keep_options(self._current())

    def _forget(self) -> None:
        self._trials = []
        with QSignalBlocker(self.best):
            self.best.clear()
        self._reveal(False)

    def _reveal(self, visible: bool) -> None:
        for widget in (self._title, self.best, self.use):
            widget.setVisible(visible)


def differences(options: Any, others: Any) -> list[str]:
    """Say in the words of the sliders what differs from other options."""
    specs = (spec for spec in option_specs(type(options)) if getattr(options, spec.name) != getattr(others, spec.name))
    return [f"{spec.label.lower()} {_written(getattr(options, spec.name))}" for spec in specs]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
