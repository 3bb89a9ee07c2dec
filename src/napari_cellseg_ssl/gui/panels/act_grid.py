"""A button for each key that acts on cells."""

from collections.abc import Callable, Mapping, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_cellseg_ssl.gui.acts import Act
from napari_cellseg_ssl.gui.stage import button


class ActGrid(QWidget):
    """Keys and buttons in two columns.

    Parameters
    ----------
    acts : sequence of Act
    clicked : {name: () -> None}
        What the button of each act does.
    """

    N_COLUMNS = 2

    def __init__(self, acts: Sequence[Act], clicked: Mapping[str, Callable[[], None]]) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, act in enumerate(acts):
            row, column = divmod(number, self.N_COLUMNS)
            grid.addWidget(_cap(act), row, 2 * column)
            grid.addWidget(self._button(act, clicked[act.name]), row, 2 * column + 1)
            grid.setColumnStretch(2 * column + 1, 1)

    @staticmethod
    def _button(act: Act, clicked: Callable[[], None]) -> QPushButton:
        ending = " By the button: then click on it." if act.points else ""
        return button(act.title, f"cellseg_{act.name}", f"{act.help} Key {act.cap}.{ending}", clicked)


def _cap(act: Act) -> QLabel:
    cap = QLabel(f"<b>{act.cap}</b>")
    cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
    cap.setMinimumWidth(22)
    return cap
