"""Fields worth painting in a real window: listed over all checked images, and a click away."""

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from drawings import disks, picture
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock
from napari_cellseg_ssl.gui.layers.tags import find_layer


@pytest.fixture
def screen(open_screen):
    """One image with a model, a second dim one that is learned from too, and both docks."""
    screen = open_screen()
    dim = np.stack([picture(disks())] * 2) * 0.5 + np.random.default_rng(0).random((2, *disks().shape)) * 120
    screen.viewer.add_image(dim, name="dim")
    screen.viewer.layers.selection.active = screen.viewer.layers["disks"]
    screen.paint_dock = PaintDock(screen.viewer)
    screen.viewer.window.add_dock_widget(screen.paint_dock, name="Paint labels")
    for row in screen.controller.choices.more.rows():
        screen.controller.choices.more.check(row.key, True)
    screen.train(steps=3)
    screen.wait_idle()
    return screen


def part(screen, name):
    return screen.paint_dock.findChild(QWidget, f"cellseg_{name}")


def search(screen):
    screen.wait(lambda: part(screen, "where_next").isEnabled())
    part(screen, "where_next").click()
    screen.wait(lambda: part(screen, "fields").count() > 0)
    screen.wait_idle()
    return part(screen, "fields")


def go(screen, text):
    fields = part(screen, "fields")
    place = next(i for i in range(fields.count()) if text in fields.item(i).text())
    fields.setCurrentRow(place)
    fields.itemClicked.emit(fields.item(place))


def test_without_a_model_there_is_nothing_to_ask(open_screen):
    screen = open_screen()
    screen.paint_dock = PaintDock(screen.viewer)
    screen.viewer.window.add_dock_widget(screen.paint_dock, name="Paint labels")
    assert not part(screen, "where_next").isEnabled()


def test_the_doubtful_image_is_listed_first_with_its_frame_and_the_reason(screen):
    fields = search(screen)
    assert "dim, frame" in fields.item(0).text()
    assert ": " in fields.item(0).text()
    assert any("disks" in fields.item(i).text() for i in range(fields.count()))


def test_a_click_goes_to_the_field_on_its_image_and_frame(screen):
    search(screen)
    go(screen, "dim, frame 2")
    dim = screen.viewer.layers["dim"]
    outline = find_layer(screen.viewer, dim, "field")
    assert screen.controller.image_layer is dim
    assert screen.viewer.dims.point[0] == 1
    assert dim.visible
    assert not screen.viewer.layers["disks"].visible
    assert screen.viewer.layers.selection.active is dim
    np.testing.assert_allclose(screen.viewer.scene.camera.center[-2:], outline.data[0].mean(axis=0)[-2:])
    height, width = np.array(screen.viewer.canvas.size) / screen.viewer.scene.camera.zoom
    assert min(height, width) == pytest.approx(1.25 * np.ptp(outline.data[0][:, -1]), rel=0.05)


def test_the_layers_of_another_image_wait_until_one_goes_back(screen):
    search(screen)
    instances = find_layer(screen.viewer, screen.viewer.layers["disks"], "instances", "fake", name="")
    assert instances.visible
    go(screen, "dim")
    assert not instances.visible
    go(screen, "disks")
    assert instances.visible


def test_a_field_that_is_painted_completely_becomes_a_complete_region_and_is_not_listed_again(screen):
    search(screen)
    go(screen, "disks")
    image = screen.viewer.layers["disks"]
    annotation = new_annotation(screen.viewer, image)
    screen.viewer.layers.selection.active = annotation
    annotation.mode = "paint"
    screen.controller.choices.choose_annotation(annotation, "sparse")
    fields = part(screen, "fields")
    part(screen, "field_complete").click()
    assert fields.currentItem().text().startswith("✓")
    assert screen.viewer.layers.selection.active is annotation
    assert annotation.mode == "paint"
    (field,) = find_layer(screen.viewer, image, "complete-regions").data
    known = screen.controller.choices.painted()().known[0]
    side = round(np.ptp(field[:, 0]))
    assert known.sum() == side * round(np.ptp(field[:, 1]))
