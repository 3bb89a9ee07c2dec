"""Keys that are pressed on the canvas of a real window do what they say, whatever panel was used before."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from drawings import disks, picture
from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.docks import PaintDock, ScoreExportDock
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.session.controller import controller_of

FIRST, SECOND, THIRD = (8, 8), (8, 24), (24, 8)
"""Middles of three disks."""
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class Window:
    """A window with the docks to paint and to score, and a canvas that is typed on."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot = viewer, qtbot
        self.image = viewer.add_image(picture(disks()), name="disks")
        self.truth = viewer.add_labels(disks(), name="truth")
        self.result = show_labels(viewer, self.image, disks(n=12)[None], method="fake")
        self.docks = []
        for number, dock in enumerate((PaintDock, ScoreExportDock)):
            self.docks.append(dock(viewer))
            viewer.window.add_dock_widget(self.docks[-1], name=f"dock {number}")
        self.controller = controller_of(viewer)
        qtbot.waitUntil(self._is_in_view)

    def find(self, name, kind=QWidget):
        found = [dock.findChild(kind, f"cellseg_{name}") for dock in self.docks]
        return next(widget for widget in found if widget is not None)

    def click(self, name):
        self.find(name, QPushButton).click()

    @property
    def canvas(self):
        return self.viewer.window._qt_viewer.canvas

    def at(self, place):
        """Where a pixel of the image is on the canvas."""
        node = self.canvas.layer_to_visual[self.image].node
        x, y = node.get_transform("visual", "canvas").map([place[1] + 0.5, place[0] + 0.5])[:2]
        return QPoint(round(x), round(y))

    def _is_in_view(self):
        self.viewer.reset_view()  # anew, while the window is still being laid out
        return all(self.canvas.native.rect().contains(self.at(corner)) for corner in ((0, 0), (63, 63)))

    def point(self, place):
        """Move the cursor to a pixel."""

        def is_there():
            self._is_in_view()
            QTest.mouseMove(self.canvas.native, self.at(place))
            return np.allclose(self.image.world_to_data(self.viewer.cursor.position), place, atol=1)

        self.qtbot.waitUntil(is_there)

    def press(self, key, place=None, modifier=Qt.KeyboardModifier.NoModifier):
        """Press a key on the canvas; what a slot raises fails the test."""
        if place is not None:
            self.point(place)
        QTest.keyClick(self.canvas.native, key, modifier)

    def drag(self, start, end):
        left = Qt.MouseButton.LeftButton
        QTest.mouseMove(self.canvas.native, self.at(start))
        QTest.mousePress(self.canvas.native, left, pos=self.at(start))
        for share in np.linspace(0, 1, 5):
            QTest.mouseMove(self.canvas.native, self.at(np.array(start) * (1 - share) + np.array(end) * share))
        QTest.mouseRelease(self.canvas.native, left, pos=self.at(end))

    @property
    def said(self):
        return self.find("paint_message", QLabel).text()

    @property
    def centre(self):
        scene = getattr(self.viewer, "scene", self.viewer)
        return tuple(round(value) for value in scene.camera.center[-2:])


@pytest.fixture
def window(make_napari_viewer, qtbot):
    made = Window(make_napari_viewer(show=True), qtbot)
    made.controller.choices.choose_image(made.image)
    yield made
    qtbot.waitUntil(lambda: not made.controller.choices.is_busy)


def score(window):
    window.find("score_truth").choose(window.truth)
    window.find("score_prediction").choose(window.result)
    window.click("score")
    window.qtbot.waitUntil(lambda: window.find("score_table").rowCount() > 0)


def assert_painting_keys_work(window):
    """New cell, background, accept, reject, correct, and undo of each."""
    window.click("new_annotation")
    layer = window.controller.annotation_layer
    before = layer.data.copy()
    window.press("G")
    assert layer.selected_label == 1
    window.press("N")
    assert layer.selected_label == layer.data.max(initial=1) + 1
    window.press("A", FIRST)
    accepted = layer.data[FIRST]
    assert accepted >= 2
    assert window.said == messages.accepted(accepted)
    window.press("O", FIRST)
    assert (layer.data == 1).any()
    window.press("R", SECOND)
    assert layer.data[SECOND] == 1
    for _ in range(3):
        window.press("Z", modifier=CTRL)
    np.testing.assert_array_equal(layer.data, before)
    window.press("A", modifier=SHIFT)
    assert window.said == messages.accepted_all(12)
    window.press("Z", modifier=CTRL)
    np.testing.assert_array_equal(layer.data, before)


def assert_correcting_keys_work(window):
    """Delete, grow, cut with a line, and undo of each."""
    layer = window.result
    window.viewer.layers.selection.active = layer
    before = layer.data.copy()
    window.press("D", THIRD)
    assert layer.data[THIRD] == 0
    window.press("W", FIRST)
    assert (layer.data == before[FIRST]).sum() > (before == before[FIRST]).sum()
    window.press("S")
    window.drag((16, 24), (1, 24))
    assert window.said.startswith("Split cell 2")
    for _ in range(3):
        window.press("Z", modifier=CTRL)
    np.testing.assert_array_equal(layer.data, before)


def assert_stepping_keys_work(window):
    window.press(".")
    first = window.centre
    window.press(".")
    assert window.centre != first
    window.press(",")
    assert window.centre == first
    window.viewer.reset_view()


def test_keys_work_before_and_after_every_panel_is_used(window):
    assert_painting_keys_work(window)
    assert_correcting_keys_work(window)

    score(window)
    assert_stepping_keys_work(window)
    assert_painting_keys_work(window)
    assert_correcting_keys_work(window)

    window.click("complete_region")
    window.press("N")
    assert window.viewer.layers.selection.active is window.controller.annotation_layer
    window.press("S")
    window.press(Qt.Key.Key_Escape)
    score(window)
    assert_stepping_keys_work(window)
    assert_correcting_keys_work(window)
    assert_painting_keys_work(window)


def test_a_click_into_a_list_leaves_the_keys_to_the_canvas(window):
    score(window)
    table = window.find("score_objects")
    row = table.visualRect(table.model().index(0, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=row)
    first = window.centre

    QTest.keyClick(window.viewer.window._qt_window.focusWidget() or window.canvas.native, ".")

    assert window.centre != first
