"""Regions that are similar to a model, as boxes over the image."""

import numpy as np
import pytest

import fakes
from drawings import disks, picture
from napari_cellseg_ssl.core.inference.similar_regions import Alike
from napari_cellseg_ssl.gui.views.similar_regions import edge_colours

NAME = "disks · alike"
BOXES = np.array([[8, 4, 24, 20], [32, 4, 48, 20], [8, 40, 24, 56]], np.float32)


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def asked(monkeypatch):
    """Let the fake method have an opinion on what looks alike; the places that it is asked about."""
    places = []

    def alike(bundle, image, place, *, diameter, count, device, should_stop):
        places.append(place)
        return Alike(boxes=BOXES, similarity=np.array([1, 0.93, 0.2], np.float32))

    monkeypatch.setattr(fakes.METHOD, "alike", alike, raising=False)
    return places


def learned(screen):
    screen.train(steps=2)
    screen.wait_idle()
    return screen


@pytest.fixture
def trained(asked, open_screen):
    return learned(open_screen())


def ask(screen):
    screen.click("alike")
    screen.wait(lambda: NAME in [layer.name for layer in screen.viewer.layers])
    screen.wait_idle()
    return screen.viewer.layers[NAME]


def look_at(screen, y, x, zoom=8.0):
    camera = getattr(screen.viewer, "scene", screen.viewer).camera
    camera.center, camera.zoom = (0, y, x), zoom
    screen.spin(0.2)


def click(screen, y, x, *, drag=False):
    """Do what napari does when somebody presses the canvas."""

    class Event:
        type, position, modifiers = "mouse_press", (y, x), ()

    for callback in screen.viewer.mouse_drag_callbacks:
        steps = callback(screen.viewer, Event)
        if steps is None:
            continue
        next(steps, None)
        for kind in ("mouse_move", "mouse_release") if drag else ("mouse_release",):
            Event.type = kind
            next(steps, None)


def test_methods_that_cannot_say_it_do_not_offer_it(screen):
    assert not screen.find("alike").isVisibleTo(screen.dock)


def test_it_can_be_asked_for_once_there_is_a_model(asked, open_screen):
    screen = open_screen()
    assert screen.find("alike").isVisibleTo(screen.dock)
    assert not screen.find("alike").isEnabled()


def test_boxes_lie_over_the_image_with_their_similarity(trained):
    layer = ask(trained)

    assert list(layer.shape_type) == ["rectangle"] * 3
    assert layer.data[0].min(axis=0).tolist() == [3.5, 7.5]
    assert layer.data[0].max(axis=0).tolist() == [19.5, 23.5]
    assert layer.features["similarity"].tolist() == pytest.approx([1, 0.93, 0.2])
    assert layer.text.values.tolist() == ["here", "0.93", "0.20"]
    assert layer.edge_color[0].tolist() == [1, 1, 1, 1]
    assert len({tuple(colour) for colour in layer.edge_color.tolist()}) == 3
    assert "2 places look like it" in trained.status
    assert ("alike", "fake") in trained.kinds()
    assert not layer.editable
    assert trained.viewer.layers.index(layer) > trained.viewer.layers.index(trained.viewer.layers["disks · instances"])


def test_the_middle_of_the_view_is_asked_about(trained, asked):
    look_at(trained, 20, 44)
    ask(trained)

    assert asked == [(0, 20, 44)]


def test_a_click_in_sight_counts_instead_and_a_drag_does_not(trained, asked):
    look_at(trained, 30, 30)
    click(trained, 33.2, 28.7)
    click(trained, 31, 31, drag=True)
    ask(trained)

    assert asked == [(0, 33, 29)]


def test_a_click_that_is_out_of_sight_does_not_count(asked, open_window):
    trained = learned(open_window())
    click(trained, 5, 5)
    look_at(trained, 50, 50, zoom=40)
    ask(trained)

    assert asked == [(0, 50, 50)]


def test_outside_of_the_image_the_nearest_place_in_it_counts(trained, asked):
    look_at(trained, -30, 400)
    ask(trained)

    assert asked == [(0, 0, 63)]


def test_asking_again_moves_the_same_boxes(trained):
    first = ask(trained)
    names = [layer.name for layer in trained.viewer.layers]
    first.visible = False
    trained.click("alike")
    trained.wait(lambda: first.visible)
    trained.wait_idle()

    assert [layer.name for layer in trained.viewer.layers] == names
    assert len(first.data) == 3


def test_of_a_movie_the_frame_in_sight_is_asked_about(asked, open_screen):
    screen = open_screen(image=False)
    screen.viewer.add_image(np.stack([picture(disks())] * 3), name="disks")
    screen.wait(lambda: screen.find("train").isEnabled())
    screen.train(steps=2)
    screen.wait_idle()
    screen.viewer.dims.set_current_step(0, 2)
    look_at(screen, 20, 44)

    layer = ask(screen)

    assert asked == [(2, 20, 44)]
    assert {corner[0] for corner in layer.data[0].tolist()} == {2}


def test_boxes_are_never_taken_for_painted_cells(trained):
    ask(trained)

    assert trained.controller.annotation_layer is None


def test_the_more_similar_the_brighter():
    colours = edge_colours(np.array([1, 0.9, 0.5, 0.1]))

    assert colours.shape == (4, 4)
    assert (np.diff(colours[1:, :3].sum(axis=1)) < 0).all()
    assert edge_colours(np.array([1.0])).shape == (1, 4)
