"""The part of stage 1 that lists further images to learn from; closed until it is wanted."""

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QHeaderView,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg_ssl.gui.session.more_images import MoreImages, MoreRow
from napari_cellseg_ssl.gui.widgets.fitting import Row, follow_font
from napari_cellseg_ssl.gui.widgets.stage import button, note
from napari_cellseg_ssl.gui.widgets.wording import counted

TITLE = "Also learn from …"
FEWEST_ROWS, MOST_ROWS = 2, 6
EMPTY_BOX = "QTreeWidget::indicator:unchecked { border: 1px solid #8b9098; border-radius: 2px; }"
"""napari's theme would draw it dark on dark."""
KEY, IS_FILE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1


class MoreImagesBox(QWidget):
    """A list in which images are checked, and buttons that add files to it."""

    def __init__(self, more: MoreImages, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._more = more
        self._toggle = QToolButton()
        self._toggle.setObjectName("cellseg_more")
        self._toggle.setToolTip("Train on several images; the one chosen above is previewed and segmented.")
        self._toggle.setCheckable(True)
        self.body = QWidget()
        self.body.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._toggle)
        layout.addWidget(self.body)
        self._build_body()
        self._toggle.toggled.connect(self.body.setVisible)
        self._toggle.toggled.connect(self._draw_title)
        more.changed.connect(self._draw)
        more.chosen.connect(self._draw_title)
        self._draw()

    def _build_body(self) -> None:
        self._empty = note("No other image is open.")
        self.list = QTreeWidget()
        self.list.setObjectName("cellseg_more_images")
        self.list.setToolTip("Images to learn from beside the chosen one.")
        self.list.setStyleSheet(EMPTY_BOX)
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QTreeWidget.SelectionMode.ExtendedSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        follow_font(self.list, self._fit_list)
        self.list.itemChanged.connect(self._on_item)
        self.list.itemSelectionChanged.connect(self._draw_buttons)
        self._files = button("Add files…", "cellseg_add_files", "Learn from image files too.", self._add_files)
        self._folder = button(
            "Add folder…", "cellseg_add_folder", "Learn from all images in a folder too.", self._add_folder
        )
        self._labels = button(
            "Labels of files…",
            "cellseg_add_labels",
            "Choose a folder with labels; each belongs to the file of the same name.",
            self._add_labels,
        )
        self._remove = button(
            "Remove files", "cellseg_remove_files", "Take the selected files off the list.", self._remove_files
        )
        layout = QVBoxLayout(self.body)
        layout.setContentsMargins(0, 0, 0, 0)
        buttons = Row((self._files, self._folder, self._labels, self._remove), most=2, is_even=True)
        for widget in (self._empty, self.list, buttons):
            layout.addWidget(widget)

    def _draw(self) -> None:
        rows = self._more.rows()
        with QSignalBlocker(self.list):
            self.list.clear()
            self.list.addTopLevelItems([_item(row) for row in rows])
        self._fit_list()
        self.list.setVisible(bool(rows))
        self._empty.setText("Reading …" if self._more.is_reading else "No other image is open.")
        self._empty.setVisible(self._more.is_reading or not rows)
        self._draw_buttons()
        self._draw_title()

    def _fit_list(self) -> None:
        row_height = max(self.list.sizeHintForRow(0), self.fontMetrics().height())
        shown = min(MOST_ROWS, max(FEWEST_ROWS, self.list.topLevelItemCount()))
        self.list.setFixedHeight(shown * row_height + 2 * self.list.frameWidth() + 2)

    def _draw_title(self, *_: object) -> None:
        n = self._more.n_chosen
        chosen = f" ({counted(n, 'image')})" if n else ""
        self._toggle.setText(f"{TITLE}{chosen} {'▾' if self._toggle.isChecked() else '▸'}")

    def _draw_buttons(self) -> None:
        items = [self.list.topLevelItem(i) for i in range(self.list.topLevelItemCount())]
        has_files = any(item.data(0, IS_FILE) for item in items)
        for widget in (self._files, self._folder):
            widget.setEnabled(not self._more.is_reading)
        self._labels.setEnabled(has_files and not self._more.is_reading)
        self._remove.setEnabled(bool(self._selected_files()))

    def _on_item(self, item: QTreeWidgetItem) -> None:
        self._more.check(item.data(0, KEY), item.checkState(0) == Qt.CheckState.Checked)

    def _selected_files(self) -> list[int]:
        return [item.data(0, KEY) for item in self.list.selectedItems() if item.data(0, IS_FILE)]

    def _add_files(self) -> None:
        kinds = "Images (*.tif *.tiff *.png)"
        names = QFileDialog.getOpenFileNames(self, "Images to learn from", "", kinds)[0]
        if names:
            self._more.add_files([Path(name) for name in names])

    def _add_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with images to learn from")
        if folder:
            self._more.add_files([Path(folder)])

    def _add_labels(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with labels of the files")
        if folder:
            self._more.add_labels(Path(folder))

    def _remove_files(self) -> None:
        self._more.remove(self._selected_files())


def _item(row: MoreRow) -> QTreeWidgetItem:
    item = QTreeWidgetItem([row.name, row.labels])
    item.setData(0, KEY, row.key)
    item.setData(0, IS_FILE, row.is_file)
    item.setCheckState(0, Qt.CheckState.Checked if row.is_checked else Qt.CheckState.Unchecked)
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
    for column in (0, 1):
        item.setToolTip(column, row.why_not or row.name)
    item.setDisabled(bool(row.why_not))
    return item
