"""The live loss: one curve with a fixed number of points."""

from typing import Any

from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_cellseg_ssl.tasks.curve import Curve

HEIGHT = 130


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
        self._line: Any = None
        self._curve = Curve()
        self.setVisible(False)

    def show_curve(self, curve: Curve) -> None:
        """Draw a curve, if it is another one."""
        if curve is self._curve or not (curve.steps or self._line):
            return
        self._curve = curve
        if self._line is None:
            self._build()
        self._line.setData(curve.steps, curve.values)
        self.setVisible(bool(curve.steps))

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
        self._line = plot.plot(pen=pg.mkPen("#35b5ff", width=2))
        self.layout().addWidget(plot)
