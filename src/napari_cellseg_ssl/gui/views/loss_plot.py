"""The live loss: one curve with a fixed number of points."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_cellseg_ssl.tasks.curve import Curve

HEIGHT, LEVEL_COLOUR = 130, "#aaaaaa"


class LossPlot(QWidget):
    """A plot that is made when the first point comes, so that opening the dock does not pay for it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("cellseg_loss_plot")
        self.setToolTip("How wrong the network still is, step by step. Falling is good; flat means it has learned.")
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # else its box takes what is left
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._plot: Any = None
        self._line: Any = None
        self._level: Any = None
        self._level_name: Any = None
        self._curve = Curve()
        self.setVisible(False)

    def show_curve(self, curve: Curve, title: str = "") -> None:
        """Draw a curve, if it is another one; dashed, what its loss would be by chance."""
        if curve is self._curve or not (curve.steps or self._line):
            return
        self._curve = curve
        if self._line is None:
            self._build()
        self._line.setData(curve.steps, curve.values)
        ends = (curve.steps[0], curve.steps[-1]) if curve.steps and curve.level is not None else ()
        self._level.setData(ends, [curve.level] * len(ends))
        self._level_name.setVisible(bool(ends))
        if ends:
            self._level_name.setPos(ends[1], curve.level)
        self._plot.setTitle(title or None, size="8pt")
        self.setVisible(bool(curve.steps))

    @property
    def level(self) -> tuple[float, ...]:
        """The dashed line as it is drawn: its height at each end; empty where there is none."""
        drawn = None if self._level is None else self._level.getData()[1]
        return () if drawn is None else tuple(float(value) for value in drawn)

    @property
    def n_points(self) -> int:
        """Number of points on the screen."""
        return 0 if self._line is None or not self._curve.steps else len(self._line.getData()[0])

    def _build(self) -> None:
        import pyqtgraph as pg

        plot = pg.PlotWidget(background=None)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.setLabel("left", "loss")
        plot.getAxis("left").enableAutoSIPrefix(False)
        self._plot = plot
        self._line = plot.plot(pen=pg.mkPen("#35b5ff", width=2))
        self._level = plot.plot(pen=pg.mkPen(LEVEL_COLOUR, style=Qt.PenStyle.DashLine))
        self._level_name = pg.TextItem("chance", color=LEVEL_COLOUR, anchor=(1, 0))
        plot.addItem(self._level_name, ignoreBounds=True)
        self.layout().addWidget(plot)
