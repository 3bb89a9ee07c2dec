"""Of several open images, the one whose layer is selected is worked on, and what was made for it is in sight."""

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

import fakes
from drawings import disks, painting, picture
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock, ScoreExportDock
from napari_cellseg_ssl.gui.layers.image_visibility import grid_of
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.layers.tags import find_layer, layers_of
from napari_cellseg_ssl.gui.session.controller import controller_of

ENDLESS = 1_000_000


@pytest.fixture
def screen(no_window, qtbot):
    """Five images, dropped into a viewer with the docks."""
    no_window.viewer.layers.clear()
    no_window.others = [PaintDock(no_window.viewer), ScoreExportDock(no_window.viewer)]
    for dock in no_window.others:
        qtbot.addWidget(dock)
    for number in range(1, 6):
        no_window.viewer.add_image(picture(disks(n=10 + number), seed=number), name=f"00{number}")
    return no_window


def image(screen, number):
    return screen.viewer.layers[f"00{number}"]


def select(screen, layer):
    """Click on a layer in the list, and wait for its circle."""
    screen.viewer.layers.selection.active = layer
    screen.wait(lambda: find_layer(screen.viewer, screen.controller.image_layer, "object-size") is not None)


def part(screen, name):
    found = [dock.findChild(QWidget, f"cellseg_{name}") for dock in (screen.dock, *screen.others)]
    return next(widget for widget in found if widget is not None)


def segment(screen):
    screen.find("method").setCurrentText("Classical")
    screen.click("segment")
    screen.wait_idle()


def shown(screen):
    return [layer.name for layer in screen.viewer.layers if layer.visible]


def assert_in_sight(screen, number, *kinds):
    """An image and its layers are shown, these directly above it, and no other image lies over them."""
    viewer, one = screen.viewer, image(screen, number)
    assert screen.find("image").currentText() == one.name
    place = viewer.layers.index(one)
    above = list(viewer.layers)[place + 1 :]
    group = layers_of(viewer, one)
    assert set(above[: len(group)]) == set(group)
    for kind in kinds:
        assert find_layer(viewer, one, kind).visible, kind
    assert one.visible
    others = above[len(group) :]
    assert not [layer.name for layer in others if layer.visible]


def test_the_topmost_of_five_dropped_images_is_taken(screen):
    assert screen.find("image").currentText() == "005"
    assert shown(screen)[:5] == ["001", "002", "003", "004", "005"]
    assert not screen.find("waiting").text()


def test_result_circle_and_painting_of_each_image_are_seen_when_it_is_selected(screen):
    for number in (3, 1, 5, 2, 4):
        select(screen, image(screen, number))
        segment(screen)
        part(screen, "new_annotation").click()
        assert_in_sight(screen, number, "instances", "object-size", "annotation")
        assert part(screen, "export_labels").layer is find_layer(screen.viewer, image(screen, number), "instances")

    for number in (1, 2, 3, 4, 5):
        select(screen, image(screen, number))
        assert_in_sight(screen, number, "instances", "object-size", "annotation")
        assert part(screen, "export_labels").layer is find_layer(screen.viewer, image(screen, number), "instances")
        assert part(screen, "score_prediction").layer is part(screen, "export_labels").layer
        assert screen.controller.annotation_layer is find_layer(screen.viewer, image(screen, number), "annotation")
        n = len(np.unique(part(screen, "export_labels").layer.data)) - 1
        screen.wait(lambda n=n: screen.status.startswith(f"{n} cells"))


def test_what_waits_is_told_and_comes_back(screen):
    select(screen, image(screen, 3))
    assert screen.find("waiting").text().startswith("Hidden while you look at this one: 004, 005. Select")
    assert shown(screen)[:3] == ["001", "002", "003"]

    select(screen, image(screen, 5))
    assert not screen.find("waiting").text()
    assert {"001", "002", "003", "004", "005"} <= set(shown(screen))


def test_a_layer_that_was_made_for_an_image_chooses_it(screen):
    results = [show_labels(screen.viewer, image(screen, n), disks()[None], method="fake") for n in (2, 4)]
    painted = new_annotation(screen.viewer, image(screen, 3))
    for layer, number in ((results[0], 2), (results[1], 4), (painted, 3)):
        select(screen, layer)
        assert screen.find("image").currentText() == f"00{number}"
        assert screen.viewer.layers.selection.active is layer
        assert layer.visible


def test_a_layer_of_somebody_else_leaves_the_choice(screen):
    select(screen, image(screen, 2))
    screen.viewer.add_points(np.zeros((1, 2)), name="points")
    assert screen.find("image").currentText() == "002"


def test_what_the_user_hid_stays_hidden_and_comes_back_hidden(screen):
    viewer = screen.viewer
    result = show_labels(viewer, image(screen, 4), disks()[None], method="fake")
    result.visible = image(screen, 5).visible = False

    select(screen, image(screen, 3))
    select(screen, image(screen, 4))
    assert not result.visible
    assert not image(screen, 5).visible
    assert not screen.find("waiting").text()

    select(screen, image(screen, 5))
    assert image(screen, 5).visible, "what is selected is seen"
    select(screen, image(screen, 3))
    select(screen, image(screen, 4))
    assert not image(screen, 5).visible, "as the user had it"


def test_what_the_user_shows_again_is_left_alone_until_another_image_is_chosen(screen):
    select(screen, image(screen, 3))
    image(screen, 5).visible = True
    segment(screen)
    assert image(screen, 5).visible
    select(screen, image(screen, 2))
    assert not image(screen, 5).visible


@pytest.mark.parametrize(
    "look",
    [{"blending": "additive"}, {"opacity": 0.5}, {"translate": (0, 60)}, {"scale": (0.5, 0.5)}],
    ids=["a channel", "seen through", "beside", "small"],
)
def test_an_image_that_does_not_cover_another_stays_in_sight(screen, look):
    for number in (2, 3, 4, 5):
        screen.viewer.layers.remove(image(screen, number))
    other = screen.viewer.add_image(picture(disks()), name="other", **look)
    select(screen, other)
    screen.wait(lambda: find_layer(screen.viewer, other, "object-size") is not None)

    select(screen, image(screen, 1))

    assert other.visible
    assert not find_layer(screen.viewer, other, "object-size").visible, "one circle is enough"
    select(screen, other)
    assert find_layer(screen.viewer, other, "object-size").visible


def test_in_a_grid_no_image_is_hidden(screen):
    select(screen, image(screen, 2))
    grid_of(screen.viewer).enabled = True
    assert {"003", "004", "005"} <= set(shown(screen))
    grid_of(screen.viewer).enabled = False
    assert not {"003", "004", "005"} & set(shown(screen))


def test_a_pinned_image_stays_chosen_whatever_is_selected(screen):
    select(screen, image(screen, 3))
    screen.find("pin").click()
    screen.viewer.layers.selection.active = image(screen, 5)
    assert screen.find("image").currentText() == "003"
    screen.viewer.add_image(picture(disks()), name="006")
    assert screen.find("image").currentText() == "003"

    screen.find("pin").click()

    assert screen.find("image").currentText() == "006"


def test_a_pin_goes_with_its_image(screen):
    select(screen, image(screen, 3))
    screen.find("pin").click()
    screen.viewer.layers.remove("003")
    assert not screen.find("pin").isChecked()
    select(screen, image(screen, 2))
    assert screen.find("image").currentText() == "002"


def test_an_image_that_is_chosen_in_the_dock_is_selected_and_seen(screen):
    screen.find("image").setCurrentText("002")
    assert screen.viewer.layers.selection.active is image(screen, 2)
    assert_in_sight(screen, 2)

    screen.find("pin").click()
    screen.find("image").setCurrentText("001")
    assert screen.viewer.layers.selection.active is image(screen, 2)
    assert_in_sight(screen, 1)


def test_when_the_chosen_image_is_closed_another_one_is_taken_and_seen(screen):
    select(screen, image(screen, 3))
    screen.viewer.layers.remove("003")
    chosen = screen.controller.image_layer
    assert chosen in screen.viewer.layers
    assert chosen.visible


def test_the_layers_of_an_image_go_along_when_it_is_dragged_in_the_list(screen):
    select(screen, image(screen, 2))
    segment(screen)
    layers = screen.viewer.layers

    layers.move(layers.index(image(screen, 2)), len(layers))

    screen.wait(lambda: layers[-1] in layers_of(screen.viewer, image(screen, 2)))
    assert_in_sight(screen, 2, "instances", "object-size")


def test_each_image_keeps_its_own_labels(screen):
    viewer, annotation = screen.viewer, screen.find("annotation")
    mine = new_annotation(viewer, image(screen, 1))
    select(screen, image(screen, 1))
    annotation.setCurrentText(mine.name)
    theirs = viewer.add_labels(painting(disks()), name="from a file", visible=False)
    select(screen, image(screen, 2))
    assert screen.controller.annotation_layer is None
    annotation.setCurrentText(theirs.name)

    select(screen, image(screen, 1))
    assert screen.controller.annotation_layer is mine
    annotation.setCurrentIndex(0)
    select(screen, image(screen, 2))
    assert screen.controller.annotation_layer is theirs
    select(screen, image(screen, 1))
    assert screen.controller.annotation_layer is None, "none was chosen for this one"


def test_labels_that_come_with_an_image_are_chosen_for_it(screen):
    new = screen.viewer.add_image(picture(disks()), name="006")
    labels = screen.viewer.add_labels(painting(disks()), name="006 cells")
    assert (screen.controller.image_layer, screen.controller.annotation_layer) == (new, labels)
    select(screen, image(screen, 1))
    assert screen.controller.annotation_layer is None
    select(screen, new)
    assert screen.controller.annotation_layer is labels


def test_a_size_that_was_estimated_is_there_at_once_when_one_comes_back(screen):
    select(screen, image(screen, 1))
    screen.wait(lambda: screen.controller.choices.estimated is not None)
    found = screen.controller.choices.estimated
    select(screen, image(screen, 2))

    screen.viewer.layers.selection.active = image(screen, 1)

    assert screen.find("diameter").value() == pytest.approx(found, abs=0.1)


def test_each_image_keeps_its_channels(screen):
    colour = screen.viewer.add_image(np.stack([picture(disks())] * 3, axis=-1), name="colour", rgb=True)
    screen.find("channels").setText("0, 2")
    screen.find("channels").editingFinished.emit()
    select(screen, image(screen, 1))
    assert screen.controller.choices.channels is None

    select(screen, colour)

    assert screen.controller.choices.channels == (0, 2)
    assert screen.find("channels").text() == "0, 2"


def test_a_result_of_another_image_is_not_learned_from(screen):
    result = show_labels(screen.viewer, image(screen, 5), disks()[None], method="fake")
    part(screen, "results").choose(result)
    select(screen, image(screen, 2))
    assert screen.controller.choices.results == (None, None)


def test_the_errors_of_another_image_are_looked_at_on_that_image(screen):
    select(screen, image(screen, 3))
    segment(screen)
    part(screen, "score_truth").choose(screen.viewer.add_labels(disks(n=5), name="003 truth", visible=False))
    part(screen, "score").click()
    screen.wait(lambda: part(screen, "score_table").rowCount() > 0)
    select(screen, image(screen, 5))

    part(screen, "error_next").click()

    assert_in_sight(screen, 3, "instances", "errors")


def test_a_true_layer_is_offered_for_the_image_whose_name_it_has(screen):
    for number in (1, 3):
        screen.viewer.add_labels(disks(n=5), name=f"00{number} truth", visible=False)
    for number in (3, 1, 3):
        select(screen, image(screen, number))
        assert part(screen, "score_truth").layer.name == f"00{number} truth"


def test_sliders_work_again_when_one_comes_back_to_an_image(screen, monkeypatch):
    select(screen, image(screen, 3))
    screen.train(steps=3)
    screen.wait_idle()
    layer, n = part(screen, "export_labels").layer, part(screen, "export_labels").layer.data.max()
    monkeypatch.setattr(fakes.FakePredictor, "__call__", None)  # the network is not run again
    select(screen, image(screen, 5))
    assert not screen.find("option_threshold").isEnabled()

    select(screen, image(screen, 3))
    screen.find("option_threshold").setValue(1.0)

    screen.wait(lambda: layer.data.max() != n)
    assert screen.controller.state.failure is None


def test_maps_are_not_taken_for_those_of_another_model_or_of_other_axes(screen):
    select(screen, image(screen, 3))
    screen.train(steps=3)
    screen.wait_idle()
    select(screen, image(screen, 5))
    screen.train(steps=4)
    screen.wait_idle()

    select(screen, image(screen, 3))
    assert not screen.controller.state.has_maps
    select(screen, image(screen, 5))
    assert screen.controller.state.has_maps
    screen.controller.choices.choose_axes("XY")
    assert not screen.controller.state.has_maps


def test_another_image_may_be_looked_at_while_a_job_runs(screen):
    select(screen, image(screen, 3))
    screen.train(steps=60, wait=0.01)
    screen.wait_for_activity("training")

    select(screen, image(screen, 5))
    part(screen, "new_annotation").click()
    screen.wait_idle()

    assert screen.controller.state.failure is None
    assert_in_sight(screen, 5, "annotation", "object-size")
    found = find_layer(screen.viewer, image(screen, 3), "instances", name="")
    assert screen.status == f"'003' has a new result of {found.data.max()} cells: select it to see them."
    assert not screen.controller.state.has_maps
    assert part(screen, "export_labels").layer is not found

    select(screen, image(screen, 3))
    assert_in_sight(screen, 3, "instances", "object-size")
    assert part(screen, "export_labels").layer is found


def test_a_result_for_an_image_that_waits_does_not_come_in_sight(screen):
    select(screen, image(screen, 5))
    segment(screen)
    screen.find("method").setCurrentText("Fake")
    screen.train(steps=60, wait=0.01)
    screen.wait_for_activity("training")

    select(screen, image(screen, 3))
    screen.wait_idle()

    assert not [layer.name for layer in layers_of(screen.viewer, image(screen, 5)) if layer.visible]
    select(screen, image(screen, 5))
    made = layers_of(screen.viewer, image(screen, 5))
    results = [x for x in made if x.metadata["cellseg_ssl"]["kind"] == "instances"]
    assert [x.metadata["cellseg_ssl"]["method"] for x in results if x.visible and not x.contour] == ["fake"]


def test_the_paint_dock_alone_follows_too(qtbot, no_window):
    viewer = no_window.viewer
    first = viewer.layers["disks"]
    second = viewer.add_image(picture(disks()), name="second")
    dock = PaintDock(viewer)
    qtbot.addWidget(dock)
    viewer.layers.selection.active = first

    dock.findChild(QWidget, "cellseg_new_annotation").click()

    assert find_layer(viewer, first, "annotation") is controller_of(viewer).annotation_layer
    assert find_layer(viewer, second, "annotation") is None
