"""A line for a path, or for one of some words, with a button that helps to find it."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QMenu, QToolButton, QWidget

from napari_cellseg_ssl.core.options import PathKind


class PathField(QWidget):
    """A line edit and a menu of words, files and folders.

    Parameters
    ----------
    kind : "file" or "file or folder"
    words : sequence of str
        What may stand there instead of a path.
    """

    changed = Signal(str)

    def __init__(self, kind: PathKind, words: Sequence[str] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = QLineEdit()
        self.line.setObjectName("cellseg_path_line")
        self.line.setClearButtonEnabled(True)
        self.line.setPlaceholderText(" or ".join(("a path", *words)))
        self.line.textChanged.connect(self._on_text)
        self.menu = menu = QMenu(self)
        for word in words:
            menu.addAction(word).triggered.connect(lambda _=False, chosen=word: self.setText(chosen))
        if words:
            menu.addSeparator()
        menu.addAction("File …").triggered.connect(lambda *_: self._choose_file())
        if kind == "file or folder":
            menu.addAction("Folder …").triggered.connect(lambda *_: self._choose_folder())
        self.button = QToolButton()
        self.button.setObjectName("cellseg_path_button")
        self.button.setText("…")
        self.button.setToolTip("Choose it.")
        # A menu of the button's own would draw an arrow over the dots.
        self.button.clicked.connect(lambda *_: menu.popup(self.button.mapToGlobal(self.button.rect().bottomLeft())))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.line)
        layout.addWidget(self.button)

    def text(self) -> str:
        """Return what stands there, without spaces around it."""
        return self.line.text().strip()

    def setText(self, text: str) -> None:
        """Write a path or a word."""
        self.line.setText(text)

    def _on_text(self, text: str) -> None:
        self.line.setToolTip(text)  # a long path is cut off
        self.changed.emit(text)

    def _choose_file(self) -> None:
        chosen = QFileDialog.getOpenFileName(self, "Choose a file", self._start())[0]
        if chosen:
            self.setText(chosen)

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", self._start())
        if chosen:
            self.setText(chosen)

    def _start(self) -> str:
        return self.text() if Path(self.text()).exists() else ""
