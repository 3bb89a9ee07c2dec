"""Models that draw: an example and the way to a mask beside the image, and pairs that are learned from."""

import re
from functools import partial

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

import napari_cellseg_ssl as cs
from balls import ball_volume
from drawings import disks, picture
from drawn import trained
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks import synthesis_pipeline
from napari_cellseg_ssl.tasks.requests import InterpolationRequest
from napari_cellseg_ssl.tasks.session.advance import BundleOpened
from saying import saying

QUICK = ActisOptions(steps=6, width=4, depth=2, crop=32, batch=2, refine_batch=1, unlabelled_batch=1, refine_share=0.5)
BUTTONS = ("draw_example", "interpolate", "write_pairs", "n_pairs")
SIZE = 21.0
"""Object size of the image as it is said; models draw objects of 14 px."""


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def two_methods(monkeypatch):
    """Offer the methods that matter here; the fake one first."""
    chosen = {name: registry.METHODS[name] for name in ("actis", "adgan", "classical")}
    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes", **chosen})


@pytest.fixture(scope="module")
def bundle():
    return trained()


@pytest.fixture
def window(open_screen, bundle):
    """Open a window on an image with a model that draws."""

    def make(pixels=None, diameter=SIZE, model=bundle, opened=open_screen, **settings):
        screen = opened(image=False)
        screen.viewer.add_image(picture(disks()) if pixels is None else pixels, name="disks", **settings)
        screen.controller.apply(BundleOpened(model, "run"))
        screen.find("diameter").setValue(diameter)
        screen.wait(lambda: not screen.controller.choices.is_busy)
        return screen

    return make


@pytest.fixture
def chosen_folder(monkeypatch, tmp_path):
    folder = tmp_path / "pairs"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    return folder


def press(screen, name):
    screen.click(name)
    screen.wait_idle()


def drawn(screen, kind, name="example"):
    return find_layer(screen.viewer, screen.viewer.layers["disks"], kind, name=name)


def box(layer):
    """Outer edges of a layer in the last two dimensions of the world, (top, left), (bottom, right)."""
    ends = np.zeros((2, layer.ndim))
    ends[:] = -0.5
    ends[1, -2:] += layer.data.shape[-2:]
    return np.array([layer.data_to_world(end)[-2:] for end in ends])


def write(screen, count):
    screen.find("n_pairs").setValue(count)
    press(screen, "write_pairs")


@pytest.mark.parametrize("name", BUTTONS)
def test_every_button_says_what_it_does(screen, name):
    assert screen.find(name).toolTip()


def test_the_stage_is_there_only_while_the_current_model_can_draw(screen, bundle):
    assert not screen.dock.drawn.isVisible()
    screen.controller.apply(BundleOpened(bundle, "run"))
    assert screen.dock.drawn.isVisible()
    screen.controller.apply(BundleOpened(trained("classical"), "run"))
    assert not screen.dock.drawn.isVisible()


def test_nothing_can_be_drawn_without_an_image(open_screen, bundle):
    screen = open_screen(image=False)
    screen.controller.apply(BundleOpened(bundle, "run"))
    assert not any(screen.find(name).isEnabled() for name in BUTTONS)


def test_an_example_lies_beside_the_image_with_objects_as_large_as_in_it(window):
    screen = window(scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))
    press(screen, "draw_example")

    image, pair = (
        screen.viewer.layers["disks"],
        [drawn(screen, kind) for kind in ("synthetic-image", "synthetic-labels")],
    )
    assert [layer.name for layer in pair] == [
        "disks · synthetic-image (example)",
        "disks · synthetic-labels (example)",
    ]
    (top, _), (bottom, right) = box(image)
    for layer in pair:
        np.testing.assert_allclose(layer.scale, 0.5 * SIZE / 14)
        assert layer.units == image.units
        assert layer.visible
        (own_top, own_left), (own_bottom, _) = box(layer)
        assert own_top == pytest.approx(top)
        assert own_bottom == pytest.approx(bottom, abs=0.5)
        assert right < own_left < right + 0.1 * (bottom - top)
    assert pair[1].data.max() > 1
    assert f"{pair[1].data.max()} invented cells" in screen.status
    assert screen.viewer.layers.index(pair[1]) > screen.viewer.layers.index(pair[0])


def test_an_example_follows_an_image_that_is_turned(window):
    screen = window(rotate=30, scale=(2, 2))
    press(screen, "draw_example")

    image, layer = screen.viewer.layers["disks"], drawn(screen, "synthetic-image")
    corner = image.world_to_data(layer.data_to_world((-0.5, -0.5)))
    assert corner[0] == pytest.approx(-0.5)
    assert 63.5 < corner[1] < 70


def test_another_example_takes_the_place_of_the_first(window):
    screen = window()
    press(screen, "draw_example")
    first, n_layers = drawn(screen, "synthetic-labels").data.copy(), len(screen.viewer.layers)
    press(screen, "draw_example")

    assert len(screen.viewer.layers) == n_layers
    assert not np.array_equal(drawn(screen, "synthetic-labels").data, first)


def test_an_example_that_was_edited_stays(window):
    screen = window()
    press(screen, "draw_example")
    image, labels = (drawn(screen, kind) for kind in ("synthetic-image", "synthetic-labels"))
    labels.data_setitem((np.array([0, 1]), np.array([0, 1])), 99)
    before = image.data.copy(), labels.data.copy()
    press(screen, "draw_example")

    assert drawn(screen, "synthetic-labels") is not labels
    assert np.array_equal(image.data, before[0])
    assert np.array_equal(labels.data, before[1])
    press(screen, "draw_example")
    assert np.array_equal(labels.data, before[1])
    kinds = [kind for kind, _ in screen.kinds() if kind in ("synthetic-image", "synthetic-labels")]
    assert sorted(kinds) == ["synthetic-image", "synthetic-image", "synthetic-labels", "synthetic-labels"]


def test_what_is_drawn_is_neither_an_image_nor_labels_to_learn_from(window):
    screen = window()
    press(screen, "draw_example")
    press(screen, "interpolate")

    for name in ("annotation", "results", "agreeing", "image"):
        combo = screen.find(name)
        assert not [combo.itemText(i) for i in range(combo.count()) if "synthetic" in combo.itemText(i)], name
    assert screen.controller.annotation_layer is None
    assert [row.name for row in screen.controller.choices.more.rows()] == []


def test_the_way_from_image_to_mask_is_a_stack_below_the_image(window, bundle):
    screen = window(scale=(0.5, 0.5))
    screen.viewer.reset_view()
    screen.spin(0.3)
    press(screen, "interpolate")

    stack, image = drawn(screen, "synthetic-image", "image to mask"), screen.viewer.layers["disks"]
    assert stack.name == "disks · synthetic-image (image to mask)"
    assert stack.data.shape == (11, 64, 64)
    wanted = cs.interpolate(bundle, picture(disks()), object_diameter=SIZE)
    np.testing.assert_allclose(stack.data, wanted, atol=1e-5)
    (_, left), (bottom, right) = box(image)
    (own_top, own_left), (_, own_right) = box(stack)
    assert (own_left, own_right) == (left, right)
    assert bottom < own_top < bottom + 0.1 * (right - left)
    assert screen.viewer.dims.axis_labels[0] == "τ"
    assert "slider τ" in screen.status
    for step in (0, 10):
        screen.viewer.dims.set_current_step(0, step)
        screen.spin(0.1)
        assert image._slice.image.view.any()
        np.testing.assert_allclose(stack._slice.image.raw, stack.data[step])
    press(screen, "interpolate")
    assert drawn(screen, "synthetic-image", "image to mask") is stack


def test_only_what_is_in_view_is_turned_into_its_mask(window, open_window, bundle):
    pixels = picture(disks((64, 160)))
    screen = window(pixels, opened=open_window)
    screen.viewer.camera.center, screen.viewer.camera.zoom = (32, 130), 40
    screen.spin(0.3)
    rows = screen.viewer.layers["disks"].corner_pixels[:, 0]
    press(screen, "interpolate")

    stack = drawn(screen, "synthetic-image", "image to mask")
    assert stack.data.shape[2] < 60
    first = round(stack.data_to_world((0, 0, 0))[2])
    assert 90 < first < 130
    whole = cs.interpolate(bundle, pixels, object_diameter=SIZE)
    part = whole[:, max(0, rows[0]) :, first : first + stack.data.shape[2]][:, : stack.data.shape[1]]
    np.testing.assert_allclose(stack.data, part, atol=1e-4)


def test_in_a_movie_the_example_is_seen_in_every_frame_and_the_way_to_the_mask_in_its_own(window, bundle):
    movie = np.stack([picture(disks(n=n)) for n in (4, 8, 16)])
    screen = window(movie)
    screen.viewer.dims.set_current_step(0, 2)
    press(screen, "draw_example")
    press(screen, "interpolate")

    assert drawn(screen, "synthetic-image").ndim == 2
    stack = drawn(screen, "synthetic-image", "image to mask")
    assert stack.data.shape == (11, 1, 64, 64)
    assert stack.data_to_world((0, 0, 0, 0))[1] == 2
    np.testing.assert_allclose(stack.data[:, 0], cs.interpolate(bundle, movie[2], object_diameter=SIZE), atol=1e-5)


def test_an_image_in_colour_gets_its_example_too_and_pairs_with_as_many_channels(window, chosen_folder):
    grey = picture(disks())
    screen = window(np.stack([grey, grey // 2, grey // 3], axis=-1), rgb=True)
    press(screen, "draw_example")
    assert drawn(screen, "synthetic-image").ndim == 2
    assert drawn(screen, "synthetic-labels").ndim == 2
    write(screen, 2)
    assert tifffile.imread(chosen_folder / "images" / "synthetic_0001.tif").shape == (3, 256, 256)
    assert screen.controller.choices.more.n_chosen == 2


def test_a_volume_gets_cubes_beside_it_and_the_way_to_the_mask_of_its_middle(window, monkeypatch):
    monkeypatch.setattr(synthesis_pipeline, "InterpolationRequest", partial(InterpolationRequest, steps=3))
    _, volume = ball_volume()
    scale = (1.5, 0.5, 0.5)
    balls = volume.frames[0, 0, :, :24, :24]
    screen = window(balls, 14.0, trained(ndim=3), scale=scale, axis_labels=("z", "y", "x"))
    press(screen, "draw_example")
    pair = drawn(screen, "synthetic-image")
    assert pair.ndim == 3
    np.testing.assert_allclose(pair.scale, 0.5 * 14 / 12)
    press(screen, "interpolate")
    stack = drawn(screen, "synthetic-image", "image to mask")
    assert stack.ndim == 4
    assert len(stack.data) == 3
    np.testing.assert_allclose(stack.scale[1:], scale)


def test_pairs_are_written_listed_and_learned_from_with_their_own_size(window, chosen_folder, monkeypatch):
    monkeypatch.setitem(synthesis_pipeline.PAIR_SIDE, 2, 96)
    screen = window()
    write(screen, 3)

    assert len(list((chosen_folder / "labels").iterdir())) == 3
    rows = screen.controller.choices.more.rows()
    assert [row.name for row in rows] == [f"synthetic_000{n}.tif" for n in (1, 2, 3)]
    assert all(row.is_checked and "cells" in row.labels for row in rows)
    assert screen.status == f"3 pairs in {chosen_folder}. ACTIS learns from them now: press Train."
    assert screen.find("method").currentText() == "ACTIS"
    assert screen.controller.annotation_layer is None
    screen.wait(lambda: screen.find("train").isEnabled())
    assert screen.find("reasons").text() == ""

    sets, method = [], get_method("actis")
    train = method.train
    monkeypatch.setattr(method, "train", lambda *args: (sets.append(args[0]), train(*args))[1], raising=False)
    screen.find("limit_time").setChecked(False)
    screen.dock.method._form.set_value(QUICK)
    screen.click("train")
    screen.wait(lambda: screen.controller.state.activity != "idle")
    screen.wait_idle(120_000)
    assert screen.controller.state.failure is None
    assert screen.controller.bundle.method_id == "actis"
    items = sets[0].items
    assert [item.diameter for item in items] == [SIZE, 14, 14, 14]
    assert items[0].annotation is None
    assert all(item.annotation.known.all() for item in items[1:])
    assert find_layer(screen.viewer, screen.viewer.layers["disks"], "instances", "actis") is not None
    assert not screen.dock.drawn.isVisible()


def test_methods_without_labels_do_not_learn_from_pairs(window, chosen_folder):
    screen = window()
    write(screen, 2)

    choices = screen.controller.choices
    assert len(choices.examples(with_labels=True)) == 3
    assert len(choices.examples(with_labels=False)) == 1


def test_writing_stops_and_keeps_the_pairs_that_are_there(window, chosen_folder):
    screen = window()
    screen.find("n_pairs").setValue(1000)
    screen.click("write_pairs")
    screen.wait(lambda: (screen.controller.state.fraction or 0) > 0)
    assert not any(screen.find(name).isEnabled() for name in BUTTONS)
    before = len(list((chosen_folder / "labels").iterdir()))
    screen.click("stop")
    screen.wait_idle()

    n = len(list((chosen_folder / "labels").iterdir()))
    assert 1 <= n <= before + 10 < 1000
    assert screen.controller.choices.more.n_chosen == n
    assert screen.status.startswith(f"{n} pair")


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(window, chosen_folder):
    chosen_folder.write_text("not a folder")
    screen = window()
    write(screen, 2)

    assert re.search(saying(tasks_messages.folder_not_made), screen.status)
    assert "\n" not in screen.status
    assert screen.find("write_pairs").isEnabled()


def test_a_dialog_that_is_closed_writes_nothing(window, monkeypatch):
    screen = window()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    screen.click("write_pairs")

    assert screen.controller.state.activity == "idle"


def test_an_image_that_is_closed_meanwhile_is_said(window):
    screen = window()
    screen.viewer.add_image(picture(disks()), name="other")
    screen.viewer.layers.selection.active = screen.viewer.layers["disks"]
    screen.click("draw_example")
    screen.viewer.layers.remove("disks")
    screen.wait_idle()

    assert messages.image_closed_nothing_shown() in screen.status
    assert "synthetic-labels" not in [kind for kind, _ in screen.kinds()]


def test_what_a_training_draws_and_what_is_asked_for_take_turns_at_their_place(window):
    screen = window()
    screen.wait(lambda: find_layer(screen.viewer, screen.viewer.layers["disks"], "synthetic-mask") is not None)
    mask = find_layer(screen.viewer, screen.viewer.layers["disks"], "synthetic-mask")
    assert mask.visible
    press(screen, "draw_example")
    pair = [drawn(screen, kind) for kind in ("synthetic-image", "synthetic-labels")]
    assert not mask.visible
    screen.find("diameter").setValue(25)
    screen.wait(lambda: mask.visible)
    assert not any(layer.visible for layer in pair)
    press(screen, "draw_example")
    assert all(layer.visible for layer in pair)
    assert not mask.visible
