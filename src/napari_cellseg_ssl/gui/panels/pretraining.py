"""The comparison of CUPre's pre-trainings on what is painted: one button, a table, and taking one of its models."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.training.held_out import FEWEST_CELLS
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.settings import CPU_THREADS
from napari_cellseg_ssl.gui.session.worker import Job
from napari_cellseg_ssl.gui.widgets.fitting import follow_font
from napari_cellseg_ssl.gui.widgets.stage import button, note, row
from napari_cellseg_ssl.tasks import PretrainingComparisonRequest
from napari_cellseg_ssl.tasks.pretraining_comparison import (
    DEFAULT_ARMS,
    METHOD,
    SCRATCH,
    TITLES,
    ArmDone,
    ArmStarted,
    ComparisonFinished,
    caution,
)
from napari_cellseg_ssl.tasks.pretraining_pipeline import compare, take
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState, controls, duration

COLUMNS = ("pre-training", "held-out F1", "IoU", "steps")
MODEL = Qt.ItemDataRole.UserRole
ROWS = len(TITLES)


class PretrainingBox(QWidget):
    """Compare, look at the table, take a model; there for CUPre alone.

    Parameters
    ----------
    options : () -> training options of CUPre
        As shown.
    time_budget : () -> float or None
        Seconds of each training; None for as many steps as the options say.
    """

    def __init__(
        self,
        controller: Controller,
        options: Callable[[], Any],
        time_budget: Callable[[], float | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._options, self._time_budget = controller, options, time_budget
        self._taking: Job | None = None
        self._taken: ModelBundle | None = None
        self._build()
        controller.happened.connect(self._on_event)

    def _build(self) -> None:
        self.compare = button(
            "Compare pre-trainings",
            "cellseg_compare_pretraining",
            "Pre-train on the source, on the images, and on both; fine-tune each alike, and see which finds the "
            "held-out cells best.",
            self._compare,
        )
        self.scratch = QCheckBox("and none")
        self.scratch.setObjectName("cellseg_pretraining_scratch")
        self.scratch.setToolTip("Also fine-tune a network that was not pre-trained.")
        self.scratch.toggled.connect(lambda *_: self._tell())
        self._said = note()
        self._said.setObjectName("cellseg_pretraining_note")
        self.table = QTreeWidget()
        self.table.setObjectName("cellseg_pretraining_table")
        self.table.setToolTip(
            "All were fine-tuned on the same cells, and validated on the same held-out ones: F1 and mean IoU."
        )
        self.table.setHeaderLabels(list(COLUMNS))
        self.table.setRootIsDecorated(False)
        self.table.header().setStretchLastSection(False)
        self.table.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        follow_font(self.table, lambda: self.table.setFixedHeight((ROWS + 2) * self.table.fontMetrics().height()))
        self.table.itemSelectionChanged.connect(self._draw_use)
        self._worth = note()
        self._worth.setObjectName("cellseg_pretraining_worth")
        self.use = button(
            "Use this one", "cellseg_use_pretraining", "Make the chosen model the current one.", self._use
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (row(self.compare, self.scratch), self._said, self.table, self._worth, self.use):
            layout.addWidget(widget)
        self._reveal(False)

    def _has_own_options(self) -> bool:
        """Whether the form shows those of the method already; another method's come and go."""
        return isinstance(self._options(), get_method(METHOD).info.train_options)

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show what may be pressed, or why not."""
        is_own = state.method_id == METHOD
        self.setVisible(is_own)
        if is_own and self._has_own_options():
            self.compare.setEnabled(controls.can_train and not self._reason())
            self.scratch.setEnabled(controls.can_choose)
            self._tell()
            self._draw_use()

    def refresh(self) -> None:
        """Look again at the options."""
        self.render(controls(self._controller.state), self._controller.state)

    @property
    def _arms(self) -> tuple[str, ...]:
        return (SCRATCH, *DEFAULT_ARMS) if self.scratch.isChecked() else DEFAULT_ARMS

    def _reason(self) -> str:
        """Say what is missing; empty = nothing."""
        if not self._options().source:
            return messages.source_missing()
        return messages.cells_to_validate_missing(FEWEST_CELLS) if self._controller.state.n_cells < FEWEST_CELLS else ""

    def _tell(self) -> None:
        self._said.setText(self._reason() or self._length())

    def _length(self) -> str:
        """Say how long it will take."""
        budget, n = self._time_budget(), 2 * len(self._arms) - self.scratch.isChecked()
        if budget is None:
            return messages.trainings_by_steps(n, self._options().steps)
        return messages.trainings_by_time(n, duration(budget), duration(n * budget))

    def _compare(self) -> None:
        controller, budget = self._controller, self._time_budget()
        examples = controller.taken(lambda: controller.choices.examples(with_labels=True))
        if not examples:
            return
        request = PretrainingComparisonRequest(
            images=(),
            annotations=(),
            options=self._options(),
            pretrain_seconds=budget,
            fine_tune_seconds=budget,
            arms=self._arms,
            object_diameter=controller.choices.diameter,
            device=controller.device,
            threads=CPU_THREADS,
        )
        # A model that is taken later is kept with what is painted now.
        taking = controller.session.keeping(lambda control: take(self._taken, control))
        if controller.run(partial(compare, examples, request)):
            self._taking = taking

    def _on_event(self, event: object) -> None:
        match event:
            case ArmStarted(_, 1):
                self.table.clear()
                self._reveal(False)
            case ArmDone():
                self.table.addTopLevelItem(_item(event))
                self._worth.setText(caution(event.row.held_out))
                self._reveal(True)
            case ComparisonFinished(_, best) if best is not None:
                rows = (self.table.topLevelItem(place) for place in range(self.table.topLevelItemCount()))
                self.table.setCurrentItem(next(one for one in rows if one.data(0, MODEL) is best.bundle))

    def _chosen(self) -> ModelBundle | None:
        items = self.table.selectedItems()
        return items[0].data(0, MODEL) if items else None

    def _draw_use(self) -> None:
        chosen, state = self._chosen(), self._controller.state
        self.use.setEnabled(chosen is not None and chosen is not state.bundle and state.activity == "idle")

    def _use(self) -> None:
        self._taken = self._chosen()
        if self._taking is not None and self._taken is not None:
            self._controller.run(self._taking)

    def _reveal(self, visible: bool) -> None:
        for widget in (self.table, self._worth, self.use):
            widget.setVisible(visible)


def _item(done: ArmDone) -> QTreeWidgetItem:
    row = done.row
    steps = f"{row.pretrain_steps} + {row.fine_tune_steps}"
    item = QTreeWidgetItem([TITLES[row.arm], f"{row.f1:.2f}", f"{row.iou:.2f}", steps])
    item.setData(0, MODEL, done.bundle)
    for column in range(len(COLUMNS)):
        item.setToolTip(
            column, f"Pre-trained for {row.pretrain_seconds:.0f} s, then fine-tuned for {row.fine_tune_seconds:.0f} s."
        )
    return item
