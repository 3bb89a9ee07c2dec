"""Masks that a method draws for itself, shown before and while it learns."""

import numpy as np
import pytest
from scipy import ndimage

from drawings import disks, picture
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.training.base import Training
from napari_cellseg_ssl.gui.layers.tags import find_layer, is_image

TINY = {"steps": 6, "width": 4, "blocks": 1, "crop": 32, "batch": 1}


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def adgan(monkeypatch, open_screen):
    """A window in which AD-GAN is offered beside the fake method."""
    real = {name: registry.METHODS[name] for name in ("classical", "fake")}
    monkeypatch.setattr(registry, "METHODS", {**real, "adgan": "napari_cellseg_ssl.core.methods.adgan"})
    return open_screen()


def choose(screen, method):
    screen.wait(lambda: screen.controller.choices.shown_diameter is not None)
    combo = screen.find("method")
    combo.setCurrentIndex(combo.findData(method))


def layer(screen, kind):
    return find_layer(screen.viewer, screen.controller.image_layer, kind)


def extent(layer):
    """First and last place of a layer in the world, (2, 2)."""
    return layer.extent.world[:, -2:]


def covered(screen):
    return float(np.mean(layer(screen, "synthetic-mask").data > -1))


def object_width(screen):
    labels = ndimage.label(layer(screen, "synthetic-mask").data > -1)[0]
    return 2 * np.sqrt(np.median(np.bincount(labels.ravel())[1:]) / np.pi)


def test_a_mask_lies_beside_the_image_with_objects_as_large_as_the_cells(adgan):
    adgan.viewer.layers["disks"].scale = (0.5, 0.5)
    adgan.viewer.reset_view()
    adgan.spin(0.3)
    adgan.find("diameter").setValue(11.0)

    choose(adgan, "adgan")
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not None)

    mask, image = layer(adgan, "synthetic-mask"), adgan.viewer.layers["disks"]
    (top, left), (bottom, right) = extent(mask)
    assert left > extent(image)[1][1]
    assert left - extent(image)[1][1] < 0.1 * (right - left)
    assert (top, bottom) == pytest.approx((extent(image)[0][0], extent(image)[1][0]))
    assert right - left == pytest.approx(extent(image)[1][1] - extent(image)[0][1])
    assert mask.visible
    assert not is_image(mask)
    assert "8 to 14 px wide" in adgan.find("mask_note").text()


def test_the_time_that_is_suggested_is_enough_for_the_method(adgan):
    choose(adgan, "adgan")

    assert adgan.find("time_budget").value() == 200


def test_the_mask_follows_object_size_and_options(adgan):
    choose(adgan, "adgan")
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not None)
    form = adgan.dock.method._form

    adgan.find("option_coverage").setValue(0.1)
    adgan.wait(lambda: covered(adgan) < 0.2)
    adgan.find("diameter").setValue(6.0)
    adgan.wait(lambda: object_width(adgan) < 8)
    adgan.find("option_coverage").setValue(0.6)
    adgan.wait(lambda: covered(adgan) > 0.4)
    assert form.value().coverage == pytest.approx(0.6)
    assert "cover 60%." in adgan.find("mask_note").text()


def test_the_mask_goes_when_it_is_not_wanted_or_another_method_is_chosen(adgan):
    choose(adgan, "adgan")
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not None)

    adgan.find("show_masks").click()
    assert not layer(adgan, "synthetic-mask").visible
    assert adgan.find("mask_note").text() == ""
    adgan.find("show_masks").click()
    adgan.wait(lambda: layer(adgan, "synthetic-mask").visible)
    choose(adgan, "fake")

    assert not layer(adgan, "synthetic-mask").visible
    assert not adgan.find("show_masks").isVisibleTo(adgan.dock)


def test_while_it_learns_four_pictures_show_what_it_has_understood(adgan, monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    choose(adgan, "adgan")
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not None)
    adgan.find("option_steps").setValue(TINY["steps"])
    for name in ("width", "blocks", "crop", "batch"):
        adgan.find(f"option_{name}").setValue(TINY[name])
    adgan.find("limit_time").setChecked(False)

    adgan.click("train")
    adgan.wait(lambda: layer(adgan, "synthetic-image") is not None, 60_000)
    adgan.wait_idle(60_000)

    places = {kind: extent(layer(adgan, kind))[0] for kind in ("synthetic-mask", "synthetic-image", "reconstruction")}
    image = extent(adgan.viewer.layers["disks"])
    assert places["synthetic-mask"][1] > image[1][1]
    assert places["synthetic-image"] == pytest.approx((places["reconstruction"][0], places["synthetic-mask"][1]))
    assert places["reconstruction"][0] > image[1][0]
    assert layer(adgan, "synthetic-image").data.std() > 0
    assert ("instances", "adgan") in adgan.kinds()
    assert not layer(adgan, "preview").visible


def test_a_mask_that_somebody_painted_on_is_left_alone(adgan):
    choose(adgan, "adgan")
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not None)
    painted = layer(adgan, "synthetic-mask")
    painted.data = np.zeros_like(painted.data)

    adgan.find("option_coverage").setValue(0.5)
    adgan.wait(lambda: layer(adgan, "synthetic-mask") is not painted)

    assert not painted.data.any()


def test_pictures_of_a_volume_lie_beside_its_slice(adgan):
    ball = np.linalg.norm(np.indices((24, 24, 24)) - 12.0, axis=0) < 6
    stack = adgan.viewer.add_image(picture(np.tile(ball, (1, 3, 3))[::2]), name="stack", scale=(2, 1, 1))
    stack.axis_labels = ("z", "y", "x")
    adgan.controller.choices.choose_image(stack)
    adgan.viewer.dims.set_current_step(0, 6)
    choose(adgan, "adgan")

    adgan.wait(lambda: find_layer(adgan.viewer, stack, "synthetic-mask") is not None)

    mask = find_layer(adgan.viewer, stack, "synthetic-mask")
    assert mask.ndim == 3
    assert mask.extent.world[0][2] > stack.extent.world[1][2]
    np.testing.assert_allclose(mask.scale, stack.scale)


def test_no_mask_is_drawn_for_no_image(monkeypatch, open_screen):
    monkeypatch.setattr(registry, "METHODS", {**registry.METHODS, "adgan": "napari_cellseg_ssl.core.methods.adgan"})
    screen = open_screen(image=False)
    combo = screen.find("method")

    combo.setCurrentIndex(combo.findData("adgan"))
    screen.spin(0.3)

    assert screen.kinds() == []
    screen.viewer.add_image(picture(disks()), name="disks")
    screen.wait(lambda: ("synthetic-mask", "adgan") in screen.kinds())
