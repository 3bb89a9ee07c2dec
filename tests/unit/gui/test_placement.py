"""A scale, units or a rotation that an image gets after it was opened: what is shown and measured follows."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QPushButton

from drawings import disks, picture
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.layers.layer_snapshots import kept_layer, put_back
from napari_cellseg_ssl.gui.layers.layout import layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.gui.layers.window_layers import show_in_window
from napari_cellseg_ssl.gui.panels.data import DataPanel
from napari_cellseg_ssl.gui.session.controller import controller_of

PX = 40
TURN = np.deg2rad(30)
OBLIQUE = [[0.4, 0.1, 11], [-0.2, 0.6, -5], [0, 0, 1]]
LATER = {
    "scale": {"scale": (0.125, 0.125)},
    "units": {"scale": (125, 125), "units": ("nm", "nm")},
    "rotate and shear": {"rotate": 30, "shear": [0.4], "scale": (0.5, 0.5), "translate": (7, -3)},
    "affine": {"affine": OBLIQUE},
    "all of it": {"affine": OBLIQUE, "rotate": 30, "shear": [0.4], "scale": (0.5, 0.25), "translate": (7, -3)},
}


class Window:
    """A viewer model with the panel of the first step."""

    def __init__(self, qtbot, pixels, method="classical", **settings):
        self.qtbot, self.viewer = qtbot, ViewerModel()
        self.image = self.viewer.add_image(pixels, name="cells", **settings)
        self.controller = controller_of(self.viewer)
        self.controller.choose_method(method)
        self.panel = DataPanel(self.controller)
        qtbot.addWidget(self.panel)
        self.settle()

    def settle(self):
        choices = self.controller.choices
        self.qtbot.waitUntil(lambda: choices.shown_diameter is not None and not choices.is_busy, timeout=20_000)

    def find(self, kind, name):
        return self.panel.findChild(kind, f"cellseg_{name}")

    @property
    def circle(self):
        return find_layer(self.viewer, self.image, "object-size")

    def measure(self, start, end):
        """Press *Measure*, and draw a line on the screen from one pixel of the image to another."""
        self.find(QPushButton, "diameter_line").click()
        world = [self.image.data_to_world(place) for place in (start, end)]
        self.circle.add_lines(np.array([self.circle.world_to_data(place[-2:]) for place in world]))
        return self.find(QDoubleSpinBox, "diameter").value()

    def move(self, **settings):
        for name, value in settings.items():
            setattr(self.image, name, value)


@pytest.fixture
def open_window(qtbot):
    windows = []

    def make(pixels=None, **settings):
        windows.append(Window(qtbot, picture(disks()) if pixels is None else pixels, **settings))
        return windows[-1]

    yield make
    for window in windows:
        controller = window.controller
        window.qtbot.waitUntil(lambda choices=controller.choices: not choices.is_busy, timeout=20_000)
        controller.dispose()


@pytest.mark.parametrize("name", LATER)
def test_a_measured_line_is_as_long_as_it_is_in_the_image_whatever_its_layer_was_given_later(open_window, name):
    window = open_window()
    window.move(**LATER[name])

    assert window.measure((10, 12), (10 + 0.6 * PX, 12 + 0.8 * PX)) == pytest.approx(PX, abs=0.051)
    corners = window.circle.data[-1]
    np.testing.assert_allclose(np.ptp(corners, axis=0), PX, atol=0.2)
    np.testing.assert_allclose(
        window.circle.data_to_world((3, 5)), window.image.data_to_world((3, 5)), err_msg="the circle lies elsewhere"
    )


@pytest.mark.parametrize("name", LATER)
def test_a_line_is_right_too_when_the_image_was_opened_like_that(open_window, name):
    assert open_window(**LATER[name]).measure((10, 12), (10 + PX, 12)) == pytest.approx(PX, abs=0.051)


def test_a_line_across_a_slice_of_a_volume_is_in_px_of_the_plane(open_window):
    pixels = np.stack([picture(disks(), seed) for seed in range(6)])
    window = open_window(pixels, axis_labels=("z", "y", "x"))
    assert "slices 1 px apart" in window.panel._described.text()
    window.viewer.dims.set_point(0, 3)

    window.move(scale=(2, 0.5, 0.5))
    window.viewer.dims.set_point(0, 6)

    assert "slices 4 px apart" in window.panel._described.text()
    assert window.measure((3, 10, 12), (3, 10, 12 + PX)) == pytest.approx(PX, abs=0.051)


def test_other_distances_of_slices_make_the_maps_old_and_the_estimate_new(open_window):
    pixels = np.stack([picture(disks(), seed) for seed in range(6)])
    window = open_window(pixels, axis_labels=("z", "y", "x"))
    asked = []
    window.controller.choices._estimates.submit = asked.append
    window.controller.maps = PredictionMaps.__new__(PredictionMaps)

    window.move(scale=(2, 2, 2))
    assert not asked
    window.move(scale=(4, 2, 2))

    assert len(asked) == 1
    assert window.controller.maps is None


def test_the_object_size_is_said_in_micrometres_once_the_pixels_have_a_size(open_window):
    window = open_window()
    window.find(QDoubleSpinBox, "diameter").setValue(40)
    label = window.find(QLabel, "diameter_um")
    assert label.text() == ""

    window.move(scale=(0.125, 0.125))
    assert label.text() == "5 µm"
    window.move(scale=(125, 125), units=("nm", "nm"))
    assert label.text() == "5 µm"


@pytest.mark.parametrize("name", LATER)
def test_results_and_paintings_stay_on_their_image(open_window, name):
    window = open_window()
    viewer, image = window.viewer, window.image
    result = show_labels(viewer, image, disks()[None], method="classical")
    painted = new_annotation(viewer, image)

    window.move(**LATER[name])

    wanted = transform_of(image, layout_of(image))
    for layer in (result, painted):
        for part in ("scale", "translate", "rotate", "shear", "affine"):
            np.testing.assert_allclose(np.array(getattr(layer, part)), wanted[part], atol=1e-12)
        assert layer.units == image.units


def test_what_lies_beside_an_image_stays_beside_it(open_window):
    window = open_window()
    layer = show_in_window(
        window.viewer,
        window.image,
        np.zeros((1, 20, 30)),
        "synthetic-mask",
        frame=0,
        region=(slice(5, 25), slice(2, 32)),
        method="cellulus",
        beside=True,
    )
    where = np.array(window.image.world_to_data(layer.data_to_world((0, 0))))

    window.move(**LATER["all of it"])

    np.testing.assert_allclose(window.image.world_to_data(layer.data_to_world((0, 0))), where, atol=1e-9)
    last = np.array(window.image.world_to_data(layer.data_to_world((19, 29))))
    np.testing.assert_allclose(last - where, (19, 29), atol=1e-9)


@pytest.mark.parametrize("order", [1, -1])
def test_a_scale_given_to_all_layers_one_after_the_other_counts_once(open_window, order):
    window = open_window()
    result = show_labels(window.viewer, window.image, disks()[None], method="classical")

    for layer in list(window.viewer.layers)[::order]:
        layer.scale = (0.125, 0.125)

    np.testing.assert_allclose(result.scale, (0.125, 0.125))


def test_a_layer_of_somebody_else_is_left_where_it_is(open_window):
    window = open_window()
    other = window.viewer.add_labels(disks(), name="mine")

    window.move(scale=(0.125, 0.125))

    np.testing.assert_allclose(other.scale, (1, 1))


def test_a_channel_axis_further_in_keeps_its_thickness(open_window):
    pixels = np.zeros((3, 2, 64, 64), np.uint8)
    pixels[:] = picture(disks())
    window = open_window(pixels)
    result = show_labels(window.viewer, window.image, np.stack([disks()] * 3), method="classical")

    window.move(scale=(5, 3, 0.5, 0.5))

    np.testing.assert_allclose(result.scale, (5, 6, 0.5, 0.5))
    np.testing.assert_allclose(result._extent_world_augmented, window.image._extent_world_augmented)


def test_what_was_painted_comes_back_onto_its_image_however_that_lies_now(open_window):
    window = open_window(scale=(0.125, 0.125))
    painted = new_annotation(window.viewer, window.image)
    kept = kept_layer(window.viewer, painted, "one")
    window.viewer.layers.remove(painted)
    window.move(scale=(1, 1))

    np.testing.assert_allclose(put_back(window.viewer, kept).scale, (1, 1))


def test_axes_that_are_named_in_the_layer_are_understood_at_once(open_window):
    window = open_window(np.stack([picture(disks())] * 6))
    assert window.panel.axes.currentText() == "time, y, x"

    window.image.axis_labels = ("z", "y", "x")

    assert window.panel.axes.currentText() == "3D: z, y, x"
    assert "volume" in window.panel._described.text()
