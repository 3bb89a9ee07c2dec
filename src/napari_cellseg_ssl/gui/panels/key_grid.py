"""A button for each key that acts on cells."""

from collections.abc import Callable, Mapping, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_cellseg_ssl.gui.annotate.key_bindings import Act
from napari_cellseg_ssl.gui.widgets.fitting import Row, follow_font
from napari_cellseg_ssl.gui.widgets.stage import button

WIDEST_CAP = "⇧M"


class ActGrid(Row):
    """Keys and buttons in two columns, or in one where there is no room.

    Parameters
    ----------
    acts : sequence of Act
    clicked : {name: () -> None}
        What the button of each act does.
    """

    N_COLUMNS = 2

    def __init__(self, acts: Sequence[Act], clicked: Mapping[str, Callable[[], None]]) -> None:
        cells = [_beside(_cap(act), self._button(act, clicked[act.name])) for act in acts]
        super().__init__(cells, most=self.N_COLUMNS, is_even=True)

    @staticmethod
    def _button(act: Act, clicked: Callable[[], None]) -> QPushButton:
        ending = " By the button: then click on it." if act.points else ""
        return button(act.title, f"cellseg_{act.name}", f"{act.help} Key {act.cap}.{ending}", clicked)


def _cap(act: Act) -> QLabel:
    cap = QLabel(f"<b>{act.cap}</b>")
    cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
    follow_font(cap, lambda: cap.setMinimumWidth(cap.fontMetrics().horizontalAdvance(WIDEST_CAP)))
    return cap


def _beside(cap: QLabel, made: QPushButton) -> QWidget:
    cell = QWidget()
    layout = QHBoxLayout(cell)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(cap)
    layout.addWidget(made, 1)
    return cell
