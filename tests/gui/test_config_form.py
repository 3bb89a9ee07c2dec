"""A form shows every option with its range, and gives back what is in it."""

from dataclasses import dataclass

from qtpy.QtWidgets import QWidget

from napari_cellseg_ssl.core.options import option
from napari_cellseg_ssl.gui.config_form import ConfigForm


@dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = option(200, label="Steps", help="How many", min=1, max=1_000_000)
    rate: float = option(4e-5, label="Rate", help="How fast", min=0.0, max=1.0)
    threshold: float = option(0.5, label="Threshold", help="Higher: less", min=0.0, max=1.0, step=0.01)
    mode: str = option("cell", label="Mode", help="What", choices=("cell", "nucleus"))
    shrink: bool = option(True, label="Shrink", help="Whether", unit="px")
    weights: str = option("", label="Weights", help="A file")


def field(form, name):
    return form.findChild(QWidget, f"cellseg_option_{name}")


def test_a_fresh_form_gives_back_the_defaults(qtbot):
    for sliders in (False, True):
        form = ConfigForm(Options, sliders=sliders)
        qtbot.addWidget(form)
        assert form.value() == Options()


def test_any_options_survive_the_form(qtbot):
    form = ConfigForm(Options)
    qtbot.addWidget(form)
    wanted = Options(steps=7, rate=1e-4, threshold=0.37, mode="nucleus", shrink=False, weights="a.bin")
    form.set_value(wanted)
    assert form.value() == wanted


def test_moving_a_slider_says_so_and_setting_values_does_not(qtbot):
    form, heard = ConfigForm(Options, sliders=True), []
    qtbot.addWidget(form)
    form.changed.connect(heard.append)
    form.set_value(Options(threshold=0.2))
    assert heard == []
    field(form, "threshold").setValue(0.8)
    assert [options.threshold for options in heard] == [0.8]


def test_values_out_of_range_cannot_be_entered(qtbot):
    form = ConfigForm(Options)
    qtbot.addWidget(form)
    field(form, "steps").setValue(-5)
    field(form, "threshold").setValue(9.0)
    assert form.value().steps == 1
    assert form.value().threshold == 1.0


def test_every_field_explains_itself(qtbot):
    form = ConfigForm(Options)
    qtbot.addWidget(form)
    assert field(form, "mode").toolTip() == "What"
