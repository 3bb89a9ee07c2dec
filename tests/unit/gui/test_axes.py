"""What the dimensions of an image mean can be said in the dock."""

import numpy as np
import pytest

from drawings import disks, picture


@pytest.fixture
def open_screen(open_dock):
    """Here the dock is enough."""
    return open_dock


@pytest.fixture
def stacked(open_screen):
    """A window with an array of three planes."""
    screen = open_screen(image=False)
    screen.viewer.add_image(np.stack([picture(disks())] * 3), name="stack")
    screen.wait(lambda: screen.find("image").currentText() == "stack")
    return screen


def choose(screen, axes):
    box = screen.find("axes")
    box.setCurrentIndex(box.findData(axes))
    box.activated.emit(box.currentIndex())


def test_planes_are_frames_until_they_are_said_to_be_channels(stacked):
    assert stacked.find("axes").currentText() == "time, y, x"
    assert stacked.controller.choices.source().read().frames.shape[:2] == (3, 1)
    assert stacked.find("channels").isHidden()

    choose(stacked, "CYX")

    assert stacked.controller.choices.source().read().frames.shape[:2] == (1, 3)
    assert not stacked.find("channels").isHidden()
    assert stacked.viewer.layers["stack"].axis_labels == ("c", "y", "x")


def test_labels_that_a_layer_came_with_are_shown(open_screen):
    screen = open_screen(image=False)
    screen.viewer.add_image(np.stack([picture(disks())] * 3), name="stack", axis_labels=("z", "y", "x"))

    screen.find("method").setCurrentIndex(screen.find("method").findData("classical"))
    screen.wait(lambda: screen.find("axes").currentText() == "3D: z, y, x")
    assert "volume of" in screen.dock.data._described.text()

    screen.find("method").setCurrentIndex(screen.find("method").findData("fake"))
    screen.wait(lambda: screen.find("axes").currentText() == "slices, y, x")


def test_a_flat_image_has_nothing_to_choose(screen):
    assert screen.find("axes").isHidden()
