"""A stack in the dock: said to be a volume, segmented in space, shown over its image in both views."""

from dataclasses import replace

import numpy as np
import pytest

from balls import ball_volume
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.outputs import find_layer
from napari_cellseg_ssl.gui.session import image_source
from napari_cellseg_ssl.gui.session.image_source import watched_window


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def stack(open_screen):
    """A window with a stack of slices, 3 px apart by its scale, and the classical method."""
    screen = open_screen(image=False)
    _, image = ball_volume()
    screen.viewer.add_image(image.frames[0, 0], name="stack", scale=(1.5, 0.5, 0.5))
    screen.wait(lambda: screen.find("image").currentText() == "stack")
    choose_method(screen, "classical")
    return screen


def choose_method(screen, method_id):
    screen.find("method").setCurrentIndex(screen.find("method").findData(method_id))


def choose_axes(screen, axes):
    box = screen.find("axes")
    box.setCurrentIndex(box.findData(axes))
    box.activated.emit(box.currentIndex())


def offered(screen):
    box = screen.find("axes")
    return [box.itemText(i) for i in range(box.count())]


def test_a_stack_becomes_a_volume_by_one_choice_and_is_segmented_in_space(stack):
    choose_axes(stack, "ZYX")
    stack.wait(lambda: stack.controller.choices.shown_diameter is not None)
    assert "slices 3 px apart" in stack.dock.data._described.text()
    assert stack.controller.choices.shown_diameter == pytest.approx(14, abs=2.5)

    stack.click("segment")
    stack.wait(lambda: stack.status.split()[0].isdigit() and stack.status.endswith("cells."))

    image = stack.viewer.layers["stack"]
    instances = find_layer(stack.viewer, image, "instances")
    assert stack.status == "4 cells."
    assert instances.data.shape == image.data.shape
    assert np.array_equal(instances.scale, image.scale)
    stack.viewer.dims.ndisplay = 3
    stack.spin(0.2)
    assert instances.visible


def test_slices_are_segmented_one_by_one_when_they_are_said_to_be_slices(stack):
    choose_axes(stack, "NYX")
    assert stack.controller.choices.source().read().frames.shape == (12, 1, 45, 45)

    stack.click("segment")
    stack.wait(lambda: stack.status.split()[0].isdigit() and stack.status.endswith("cells."))

    assert int(stack.status.split()[0]) > 4
    assert find_layer(stack.viewer, stack.viewer.layers["stack"], "instances").data.shape == (12, 45, 45)


def test_volumes_are_offered_only_where_the_method_works_on_them(stack):
    choose_axes(stack, "ZYX")
    assert "3D: z, y, x" in offered(stack)

    choose_method(stack, "fake")

    assert "3D: z, y, x" not in offered(stack)
    assert stack.find("axes").currentText() == "slices, y, x"
    assert stack.controller.choices.source().read().frames.shape == (12, 1, 45, 45)
    choose_method(stack, "classical")
    assert stack.controller.choices.source().read().frames.shape == (1, 1, 12, 45, 45)


def test_a_stack_without_room_for_an_object_says_how_many_slices_it_needs(stack):
    choose_axes(stack, "ZYX")
    stack.find("diameter").setValue(80.0)

    stack.click("segment")

    stack.wait(lambda: "has 12 slices; a volume of objects 80 px wide needs 27" in stack.status)


def test_the_preset_is_that_for_volumes_once_the_image_is_one(stack, monkeypatch):
    from fakes import METHOD

    info = replace(METHOD.info, spatial_ndims=(2, 3), presets_3d={"fast": {"steps": 3}})
    monkeypatch.setattr(METHOD, "info", info, raising=False)
    choose_method(stack, "fake")
    assert stack.dock.method.options().steps == 20

    choose_axes(stack, "ZYX")
    assert stack.dock.method.options().steps == 3
    choose_axes(stack, "NYX")
    assert stack.dock.method.options().steps == 20


def test_the_preview_of_a_volume_is_a_cube_around_the_slice_on_the_screen(stack, monkeypatch):
    monkeypatch.setattr(image_source, "LONGEST_PREVIEW_3D", 15)
    choose_axes(stack, "ZYX")
    image = stack.viewer.layers["stack"]
    stack.viewer.dims.set_current_step(0, 6)

    cube = watched_window(stack.viewer, image, None, 3).region
    slices = watched_window(stack.viewer, image, None, 2)

    assert (cube[0].start, cube[0].stop) == (3, 9)
    assert all(s.stop - s.start == pytest.approx(15, abs=1) for s in cube[1:])
    assert len(slices.region) == 2
    assert slices.frame == 6


def test_volumes_are_scored_in_space(stack, qtbot):
    from napari_cellseg_ssl.gui.panels.score import ScorePanel

    choose_axes(stack, "ZYX")
    image = stack.viewer.layers["stack"]
    truth = ball_volume()[0]
    shifted = np.where(truth == 1, 0, truth)
    for name, labels in (("truth", truth), ("found", shifted)):
        stack.viewer.add_labels(labels, name=name, scale=image.scale)
    panel = ScorePanel(stack.controller)
    qtbot.addWidget(panel)
    panel.truth.choose(stack.viewer.layers["truth"])
    panel.prediction.choose(stack.viewer.layers["found"])
    panel.mode.setCurrentIndex(panel.mode.findData("dense"))

    panel.button.click()
    stack.wait(lambda: panel.table.rowCount() > 0)

    values = {panel.table.item(n, 0).text(): panel.table.item(n, 1).text() for n in range(4)}
    assert (values["True cells"], values["Found"], values["Missed"]) == ("4", "3", "1")
    panel.step(1)
    assert stack.viewer.dims.current_step[0] == 3
    assert layout_of(image).axes == "ZYX"
