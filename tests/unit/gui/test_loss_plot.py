"""The live loss as a curve, with the level of chance where there is one."""

import pytest

from napari_cellseg_ssl.gui.views.loss_plot import LossPlot
from napari_cellseg_ssl.tasks.curve import Curve


@pytest.fixture
def plot(qtbot):
    made = LossPlot()
    qtbot.addWidget(made)
    return made


def test_the_level_of_chance_is_a_dashed_line_along_the_curve(plot):
    plot.show_curve(Curve((1.0, 2.0, 3.0), (6.0, 5.5, 5.0), level=5.95), "without labels")

    assert plot.n_points == 3
    assert plot.level == (5.95, 5.95)


def test_a_loss_without_such_a_level_has_no_line(plot):
    plot.show_curve(Curve((1.0, 2.0), (6.0, 5.5), level=5.95))
    plot.show_curve(Curve((1.0, 2.0), (0.9, 0.5)))

    assert plot.level == ()
    assert plot.n_points == 2


def test_the_dashed_line_is_in_sight(plot):
    plot.show_curve(Curve((1.0, 2.0), (3.0, 2.5), level=5.95))

    plot._plot.getViewBox().updateAutoRange()
    low, high = plot._plot.viewRange()[1]
    assert low < 2.5
    assert high > 5.95
