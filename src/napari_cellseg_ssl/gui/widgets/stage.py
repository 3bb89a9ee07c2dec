"""The numbered boxes that a user follows from top to bottom, and what they are made of."""

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QGroupBox, QPushButton, QWidget

from napari_cellseg_ssl.gui.widgets.fitting import Note, Row


class Stage(QGroupBox):
    """One step of the main job: a titled box with a form in it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.form = QFormLayout(self)
        self.form.setContentsMargins(8, 6, 8, 6)
        self.form.setVerticalSpacing(5)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    def tell(self, label: Note, text: str) -> None:
        """Show a text in a row of its own, or hide the row where there is none."""
        self.form.setRowVisible(label, bool(text))
        label.setText(text)


def button(text: str, name: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """Make a push button with its object name and tooltip."""
    made = QPushButton(text)
    if name:
        made.setObjectName(name)
    made.setToolTip(tip)
    made.clicked.connect(lambda *_: clicked())
    return made


def note(text: str = "", n_lines: int = 0) -> Note:
    """Make a small explaining line that wraps, with room for some lines at least."""
    label = Note(text, n_lines)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def row(*widgets: QWidget) -> QWidget:
    """Put widgets side by side, or below one another where there is no room."""
    return Row(widgets)


def discard(widget: QWidget) -> None:
    """Take a widget out of its layout at once, not only when Qt gets round to deleting it."""
    widget.setParent(None)
    widget.deleteLater()


def leave_keys(widget: QWidget) -> None:
    """Let keys go to the canvas after a click on a list or a combo box, which would look for an entry of that name."""
    widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
