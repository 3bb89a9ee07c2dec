"""The list of versions of a session: go back to one, or see two of them on the same image."""

from datetime import datetime

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QHeaderView, QSlider, QTreeWidget, QTreeWidgetItem, QWidget

from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.comparison import Comparison
from napari_cellseg_ssl.gui.widgets.fitting import follow_font
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState
from napari_cellseg_ssl.tasks.session.versioning import Compared
from napari_cellseg_ssl.tasks.session.versions import Version

COLUMNS = ("", "time", "model", "painted", "F1")
VERSION = Qt.ItemDataRole.UserRole
ROWS = 5
STEPS, REDRAW_MS = 100, 60
EMPTY = "Every model that is learned, opened or tuned is kept here, with what was painted then."
TWO = 2


class VersionsPanel(Stage):
    """Versions, newest first; the current one is bold."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("5  Versions", parent)
        self._controller = controller
        self._shown: tuple[object, ...] = ()
        self._comparison: Comparison | None = None
        self._build()
        controller.happened.connect(self._on_event)

    def _build(self) -> None:
        self._empty = note(EMPTY)
        self.list = QTreeWidget()
        self.list.setObjectName("cellseg_versions")
        self.list.setToolTip(
            "Choose one to restore it, two to compare them. The F1 is that on painted cells that were held out from "
            "learning; there is none where too few are painted, or the method learns from none."
        )
        self.list.setHeaderLabels(list(COLUMNS))
        self.list.headerItem().setToolTip(COLUMNS.index("F1"), "On painted cells that were held out from learning.")
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.header().setSectionResizeMode(COLUMNS.index("model"), QHeaderView.ResizeMode.Stretch)
        follow_font(self.list, lambda: self.list.setFixedHeight((ROWS + 2) * self.list.fontMetrics().height()))
        self.list.itemSelectionChanged.connect(lambda: self._draw_buttons(can=True))
        self.restore = button(
            "Restore", "cellseg_restore_version", "Go back to this model and to what was painted then.", self._restore
        )
        self.compare = button(
            "Compare two", "cellseg_compare", "Segment the chosen image with both versions.", self._compare
        )
        self._said = note()
        self._said.setObjectName("cellseg_compared")
        self.divider = QSlider(Qt.Orientation.Horizontal)
        self.divider.setObjectName("cellseg_divider")
        self.divider.setToolTip("Move the line between the two versions.")
        self.divider.setRange(0, STEPS)
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW_MS)
        self._redraw.timeout.connect(self._divide)
        self.divider.valueChanged.connect(lambda *_: self._redraw.start())
        for widget in (self._empty, self.list, row(self.restore, self.compare), self._said, self.divider):
            self.form.addRow(widget)
        self._show_comparison("")

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show the versions, and what may be done with those that are selected."""
        shown = (state.versions, state.current)
        if shown != self._shown:
            self._shown = shown
            self._fill(state)
        self.form.setRowVisible(self._empty, not state.versions)
        self.form.setRowVisible(self.list, bool(state.versions))
        self._draw_buttons(can=not controls.is_busy)
        if self._comparison is not None and not self._comparison.is_there:
            self._show_comparison("")

    def _fill(self, state: SessionState) -> None:
        with QSignalBlocker(self.list):
            self.list.clear()
            for version in reversed(state.versions):
                item = _item(version)
                self.list.addTopLevelItem(item)
                if version.number == state.current:
                    font = item.font(0)
                    font.setBold(True)
                    for column in range(len(COLUMNS)):
                        item.setFont(column, font)

    def _selected(self) -> list[Version]:
        found = [item.data(0, VERSION) for item in self.list.selectedItems()]
        return sorted(found, key=lambda version: int(version.number))

    def _draw_buttons(self, *, can: bool) -> None:
        can = can and self._controller.state.activity == "idle"
        n = len(self.list.selectedItems())
        self.restore.setEnabled(can and n == 1)
        self.compare.setEnabled(can and n == TWO and self._controller.image_layer is not None)

    def _restore(self) -> None:
        self._controller.session.restore(self._selected()[0])

    def _compare(self) -> None:
        first, second = self._selected()
        self._controller.session.compare(first, second)

    def _on_event(self, event: object) -> None:
        viewer, image = self._controller.viewer, self._controller.job_image
        if not isinstance(event, Compared) or viewer is None or image is None:
            return
        self._comparison = Comparison(viewer, image, event)
        with QSignalBlocker(self.divider):
            self.divider.setValue(STEPS // 2)
        self._divide()
        first, second = (version.number for version in event.versions)
        self._show_comparison(messages.versions_compared(first, second, event.f1))

    def _divide(self) -> None:
        if self._comparison is not None:
            self._comparison.divide(self.divider.value() / STEPS)

    def _show_comparison(self, sentence: str) -> None:
        self._said.setText(sentence)
        for widget in (self._said, self.divider):
            self.form.setRowVisible(widget, bool(sentence))


def _item(version: Version) -> QTreeWidgetItem:
    when = f"{datetime.fromisoformat(version.when):%H:%M}"
    score = "" if version.score is None else f"{version.score:.2f}"
    model = version.method_id if version.origin == "learned" else f"{version.method_id}, {version.origin}"
    item = QTreeWidgetItem([str(version.number), when, model, counted(version.n_cells, "cell"), score])
    item.setData(0, VERSION, version)
    for column in range(len(COLUMNS)):
        item.setToolTip(column, f"{version.name}\n{version.when}\n{version.folder}")
    return item
