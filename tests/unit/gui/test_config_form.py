"""A form shows every option with its range, and gives back what is in it."""

from dataclasses import dataclass

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.options import option
from napari_cellseg_ssl.gui.widgets.config_form import ConfigForm


@dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = option(200, label="Steps", help="How many", min=1, max=1_000_000)
    rate: float = option(4e-5, label="Rate", help="How fast", min=0.0, max=1.0)
    threshold: float = option(0.5, label="Threshold", help="Higher: less", min=0.0, max=1.0, step=0.01)
    mode: str = option("cell", label="Mode", help="What", choices=("cell", "nucleus"))
    shrink: bool = option(True, label="Shrink", help="Whether", unit="px")
    weights: str = option("", label="Weights", help="A file")
    source: str = option("", label="Source", help="Where", path="file or folder", words=("shapes",))
    decay: float = option(0.01, label="Decay", help="Of weights", min=0.0, max=1.0, advanced=True)


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
    wanted = Options(steps=7, rate=1e-4, threshold=0.37, mode="nucleus", shrink=False, weights="a.bin", source="/data")
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


def test_what_hardly_anybody_should_change_is_left_to_the_preset_until_all_is_asked_for(qtbot):
    form = ConfigForm(Options, all_rows=False)
    qtbot.addWidget(form)
    form.show()
    form.set_value(Options(decay=0.5))

    assert field(form, "steps").isVisible()
    assert not field(form, "decay").isVisible()
    assert form.value().decay == 0.5

    form.show_all(True)

    assert field(form, "decay").isVisible()


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


def menu_of(form, name):
    return {action.text(): action for action in field(form, name).menu.actions()}


def test_a_path_is_typed_or_chosen_from_a_menu(qtbot, monkeypatch):
    form, heard = ConfigForm(Options), []
    qtbot.addWidget(form)
    form.changed.connect(lambda options: heard.append(options.source))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/data/coco.json", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "/data/set")

    field(form, "source").line.setText(" typed ")
    for choice in ("shapes", "File …", "Folder …"):
        menu_of(form, "source")[choice].trigger()

    assert heard == ["typed", "shapes", "/data/coco.json", "/data/set"]
    assert form.value().source == "/data/set"


def test_what_is_not_chosen_leaves_the_path_as_it_was(qtbot, monkeypatch):
    form = ConfigForm(Options)
    qtbot.addWidget(form)
    form.set_value(Options(source="/data"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))

    menu_of(form, "source")["File …"].trigger()

    assert form.value().source == "/data"


def test_the_line_says_what_may_stand_there_instead_of_a_path(qtbot):
    form = ConfigForm(Options)
    qtbot.addWidget(form)

    assert field(form, "source").line.placeholderText() == "a path or shapes"


def test_of_weights_only_a_file_can_be_chosen(qtbot):
    form = ConfigForm(CupreOptions)
    qtbot.addWidget(form)

    assert [text for text in menu_of(form, "weights") if text] == ["none", "coco_v1", "coco_v2", "File …"]
    assert [text for text in menu_of(form, "source") if text] == ["shapes", "File …", "Folder …"]


def test_the_button_opens_the_menu(qtbot):
    form = ConfigForm(Options)
    qtbot.addWidget(form)
    form.show()
    field(form, "source").button.click()

    qtbot.waitUntil(field(form, "source").menu.isVisible)
    field(form, "source").menu.close()
