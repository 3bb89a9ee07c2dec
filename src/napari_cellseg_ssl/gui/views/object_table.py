"""The table of objects of a comparison: sortable, as long as it needs to be, one line per cell or instance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QHeaderView, QTableView, QWidget

from napari_cellseg_ssl.gui.views.scoring import ScoredObject
from napari_cellseg_ssl.gui.widgets.fitting import show_rows
from napari_cellseg_ssl.gui.widgets.stage import leave_keys

SHOWN_ROWS = 9
VERDICTS = {"missed": "missed", "extra": "extra", "found": "found", "unknown": "not scored"}
NO_ID = "–"


@dataclass(frozen=True)
class Column:
    """Title, meaning and value of one column; `text` writes the value."""

    title: str
    meaning: str
    value: Callable[[ScoredObject], Any]
    text: Callable[[Any], str] = str


def _id(value: int) -> str:
    return str(value) if value else NO_ID


COLUMNS = (
    Column(
        "Verdict",
        "found: IoU above 0.5. missed: a true cell without such an instance. extra: an instance that is no true cell. "
        "not scored: an instance where nothing is painted.",
        lambda one: VERDICTS[one.match.verdict],
    ),
    Column("Frame", "Counted from 0.", lambda one: one.frame),
    Column("Cell", "Id in the truth.", lambda one: one.match.truth_id, _id),
    Column("Instance", "Id of the instance that overlaps it most.", lambda one: one.match.prediction_id, _id),
    Column("IoU", "Overlap of the two: shared pixels by all pixels.", lambda one: one.match.iou, "{:.2f}".format),
    Column("Area", "Pixels of the true cell; of the instance where there is none.", lambda one: one.area),
)


class ObjectModel(QAbstractTableModel):
    """Objects in the order in which they are shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects: list[ScoredObject] = []

    def show(self, objects: Sequence[ScoredObject]) -> None:
        """Show other objects."""
        self.beginResetModel()
        self.objects = list(objects)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the objects."""
        return len(self.objects)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count what is told of each."""
        return len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Write one cell of the table."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        column = COLUMNS[index.column()]
        return column.text(column.value(self.objects[index.row()]))

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Write a title, or explain it."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        return {
            Qt.ItemDataRole.DisplayRole: COLUMNS[section].title,
            Qt.ItemDataRole.ToolTipRole: COLUMNS[section].meaning,
        }.get(Qt.ItemDataRole(role))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal ones stay in the order that they had."""
        if column < 0:
            return
        self.layoutAboutToBeChanged.emit()
        self.objects.sort(key=COLUMNS[column].value, reverse=order == Qt.SortOrder.DescendingOrder)
        self.layoutChanged.emit()


class ObjectTable(QTableView):
    """The table; a click on a title sorts it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.objects = ObjectModel(self)
        self.setModel(self.objects)
        self.setObjectName("cellseg_score_objects")
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        leave_keys(self)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(2 * SHOWN_ROWS)  # rows that are measured: there may be thousands
        header.setStretchLastSection(True)
        show_rows(self, SHOWN_ROWS)

    def show_objects(self, objects: Sequence[ScoredObject]) -> None:
        """Show objects in their own order; the frame only where there are several."""
        self.setSortingEnabled(False)  # else they would be sorted as those before were
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.objects.show(objects)
        self.setSortingEnabled(True)
        self.setColumnHidden(1, len({one.frame for one in objects}) < 2)

    def current(self) -> ScoredObject | None:
        """Return the object of the selected line."""
        index = self.currentIndex()
        return self.objects.objects[index.row()] if index.isValid() else None

    def step(self, direction: int) -> ScoredObject | None:
        """Select the next error below or above the selected line, from the other end where there is none."""
        errors = [row for row, one in enumerate(self.objects.objects) if one.is_error]
        if not errors:
            return None
        index = self.currentIndex()
        here = index.row() if index.isValid() else -1 if direction > 0 else len(self.objects.objects)
        ahead = [row for row in errors if (row - here) * direction > 0]
        row = (ahead or errors)[0 if direction > 0 else -1]
        self.selectRow(row)
        self.setCurrentIndex(self.objects.index(row, 0))
        return self.objects.objects[row]
