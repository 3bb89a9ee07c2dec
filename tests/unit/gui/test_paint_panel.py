"""The paint dock's panel: one click to a brush, keys on the layer alone, counts in sight."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate import messages as annotating
from napari_cellseg_ssl.gui.annotate.painting import complete_regions
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.panels.paint import ACTS, PaintPanel
from napari_cellseg_ssl.gui.session.controller import controller_of


def _panel(qtbot, viewer):
    controller = controller_of(viewer)
    panel = PaintPanel(controller)
    qtbot.addWidget(panel)
    return panel, controller


def _button(panel, name):
    return panel.findChild(QPushButton, name)


def _counts(panel):
    return panel.findChild(QLabel, "cellseg_counts").text()


@pytest.fixture
def viewer(qtbot):
    viewer = ViewerModel()
    viewer.add_image(np.random.default_rng(0).random((40, 60)), name="cells")
    yield viewer
    controller_of(viewer).dispose()


def test_one_click_gives_an_annotation_of_the_image_and_a_brush(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)

    _button(panel, "cellseg_new_annotation").click()

    layer = controller.annotation_layer
    assert layer.name == "cells · annotation"
    assert viewer.layers.selection.active is layer
    assert (layer.mode, layer.selected_label) == ("paint", 2)
    assert annotating.nothing_painted() in _counts(panel)


def test_without_an_image_the_panel_says_what_to_do(qtbot):
    panel, controller = _panel(qtbot, ViewerModel())

    _button(panel, "cellseg_new_annotation").click()

    assert panel.message.text() == messages.open_an_image()
    assert controller.annotation_layer is None


def test_the_counts_follow_strokes_and_undo(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    _button(panel, "cellseg_new_annotation").click()
    layer = controller.annotation_layer

    layer.paint((5, 5), 2)
    layer.paint((5, 25), 3)
    layer.paint((30, 30), 1)
    qtbot.waitUntil(lambda: "2 cells, 1 background stroke; enough to train" in _counts(panel))

    layer.undo()
    qtbot.waitUntil(lambda: "2 cells, 0 background strokes; paint some background too" in _counts(panel))


def test_a_complete_region_makes_background_strokes_unnecessary(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    _button(panel, "cellseg_new_annotation").click()
    controller.annotation_layer.paint((5, 5), 2)
    controller.annotation_layer.paint((5, 25), 3)
    _button(panel, "cellseg_complete_region").click()

    complete_regions(viewer, controller.image_layer).add_rectangles(np.array([[0, 0], [20, 40]]))

    qtbot.waitUntil(lambda: "enough to train" in _counts(panel))
    assert "1 complete region (unpainted is background there)" in _counts(panel)


def test_from_drawing_a_complete_region_one_key_goes_back_to_the_brush(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    _button(panel, "cellseg_new_annotation").click()
    _button(panel, "cellseg_complete_region").click()
    regions = viewer.layers.selection.active
    assert regions.mode == "add_rectangle"

    regions.keymap[coerce_keybinding("N")](regions)

    assert viewer.layers.selection.active is controller.annotation_layer
    assert controller.annotation_layer.mode == "paint"


def test_every_key_is_listed_with_what_it_does(qtbot, viewer):
    panel, _controller = _panel(qtbot, viewer)

    texts = [label.text() for label in panel.findChildren(QLabel)]
    assert all(f"<b>{act.cap}</b>" in texts for act in ACTS.values())


def test_buttons_do_what_the_keys_do(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    _button(panel, "cellseg_new_annotation").click()
    layer = controller.annotation_layer

    _button(panel, "cellseg_background").click()
    assert layer.selected_label == 1
    _button(panel, "cellseg_next_cell").click()
    assert layer.selected_label == 2


def test_an_annotation_that_was_painted_before_gets_the_keys_when_it_is_chosen(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    painted = np.zeros((40, 60), int)
    painted[3:9, 3:9] = 5
    layer = viewer.add_labels(painted)
    controller.choices.choose_image(viewer.layers["cells"])

    controller.choices.choose_annotation(layer, "sparse")
    _button(panel, "cellseg_next_cell").click()

    assert layer.selected_label == 6
    assert "1 cell," in _counts(panel)


def test_a_complete_label_image_gets_no_painting_keys(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    dense = np.arange(40 * 60).reshape(40, 60) // 200 + 1
    layer = viewer.add_labels(dense)
    controller.choices.choose_image(viewer.layers["cells"])

    controller.choices.choose_annotation(layer)

    assert not panel.paint.isEnabled()
    assert not layer.keymap


def test_deleting_the_annotation_leaves_a_quiet_panel(qtbot, viewer):
    panel, controller = _panel(qtbot, viewer)
    _button(panel, "cellseg_new_annotation").click()

    viewer.layers.remove(controller.annotation_layer)

    assert not panel.paint.isEnabled()
    assert _counts(panel) == ""


def test_keys_pressed_in_a_real_window_paint(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros((40, 60)), name="cells")
    proposed = np.zeros((1, 40, 60), np.int32)
    proposed[0, 5:15, 5:15], proposed[0, 25:35, 40:50] = 1, 2
    panel, controller = _panel(qtbot, viewer)
    controller.choices.choose_image(image)
    show_labels(viewer, image, proposed, method="classical")
    _button(panel, "cellseg_new_annotation").click()
    layer = controller.annotation_layer
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()

    def press(key, *place):
        viewer.cursor.position = place or viewer.cursor.position
        qtbot.keyClick(canvas, key)

    press(Qt.Key.Key_A, 10, 10)
    assert (layer.data[5:15, 5:15] == 2).all()
    press(Qt.Key.Key_O, 10, 10)
    assert (layer.data[4, 5:15] == 1).all()
    press(Qt.Key.Key_R, 30, 45)
    assert (layer.data[25:35, 40:50] == 1).all()
    press(Qt.Key.Key_G)
    assert layer.selected_label == 1
    press(Qt.Key.Key_N)
    assert layer.selected_label == 3
    press(Qt.Key.Key_M)
    assert layer.selected_label == 3, "napari's own key gives a free id as well"
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not layer.data[25:35, 40:50].any()
    viewer.layers.selection.active = image
    press(Qt.Key.Key_G)
    assert layer.selected_label == 3, "the keys belong to the annotation alone"
    controller.dispose()


class Canvas:
    """The canvas of a real window, with a hand on mouse and keyboard; places are pixels of the image."""

    def __init__(self, qtbot, viewer, image):
        self._qtbot, self._canvas, self._image = qtbot, viewer.window._qt_viewer.canvas, image
        self.native = self._canvas.native
        self.native.setFocus()

    def press(self, key, *place, modifier=Qt.KeyboardModifier.NoModifier):
        if place:
            self._qtbot.mouseMove(self.native, self._at(*place))
        self._qtbot.keyClick(self.native, key, modifier)

    def drag(self, *places):
        first, *others = (self._at(*place) for place in places)
        self._qtbot.mouseMove(self.native, first)
        self._qtbot.mousePress(self.native, Qt.MouseButton.LeftButton, pos=first)
        for place in others:
            self._qtbot.mouseMove(self.native, place)
            self._qtbot.wait(20)
        self._qtbot.mouseRelease(self.native, Qt.MouseButton.LeftButton, pos=others[-1])

    def undo(self):
        self.press(Qt.Key.Key_Z, modifier=Qt.KeyboardModifier.ControlModifier)

    def _at(self, row, column):
        node = self._canvas.layer_to_visual[self._image].node
        x, y = (
            node.get_transform("visual", "canvas").map([column + 0.5, row + 0.5])[:2] / self.native.devicePixelRatioF()
        )
        return QPoint(round(x), round(y))


@pytest.fixture
def window(qtbot, make_napari_viewer):
    """A real window with an image, three proposed cells of which two touch, an annotation, and the panel."""
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros((40, 60)), name="cells")
    panel, controller = _panel(qtbot, viewer)
    controller.choices.choose_image(image)
    instances = show_labels(viewer, image, _proposed()[None], method="classical")
    _button(panel, "cellseg_new_annotation").click()
    viewer.reset_view()
    qtbot.wait(100)
    yield SimpleNamespace(
        viewer=viewer,
        panel=panel,
        canvas=Canvas(qtbot, viewer, image),
        instances=instances,
        annotation=controller.annotation_layer,
    )
    controller.dispose()


def _proposed():
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 5:25], labels[25:35, 40:48], labels[25:35, 48:56] = 1, 2, 3
    return labels


def test_a_dragged_line_splits_a_proposal_and_its_halves_are_accepted(window):
    window.canvas.press(Qt.Key.Key_S)
    window.canvas.drag((2, 15), (8, 15), (18, 15))

    assert "Split cell 1" in window.panel.message.text()
    assert window.viewer.layers.selection.active is window.instances
    window.canvas.press(Qt.Key.Key_A, 10, 8)
    window.canvas.press(Qt.Key.Key_A, 10, 22)
    assert set(np.unique(window.annotation.data[5:15, 5:25])) == {2, 3}
    assert window.viewer.layers.selection.active is window.annotation

    window.canvas.undo()
    assert set(np.unique(window.annotation.data)) == {0, 2}
    assert set(np.unique(window.instances.data)) == {0, 1, 2, 3, 4}


def test_a_dragged_line_joins_proposals_and_undo_parts_them(window):
    window.canvas.press(Qt.Key.Key_J)
    window.canvas.drag((30, 42), (30, 46), (30, 54))
    np.testing.assert_array_equal(window.instances.data == 2, _proposed() >= 2)

    window.canvas.undo()

    np.testing.assert_array_equal(window.instances.data, _proposed())


def test_while_a_line_is_drawn_it_is_seen_and_nothing_is_painted(window, qtbot):
    window.canvas.press(Qt.Key.Key_S)
    overlay = window.annotation._overlays["polygon"]
    start, middle = window.canvas._at(20, 5), window.canvas._at(20, 30)
    qtbot.mousePress(window.canvas.native, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(window.canvas.native, middle)
    qtbot.wait(20)

    corners = np.array(overlay.points)
    np.testing.assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[20, 5.5], [21, 30.5]], atol=0.5)

    qtbot.mouseRelease(window.canvas.native, Qt.MouseButton.LeftButton, pos=middle)
    assert overlay.points == []
    assert not window.annotation.data.any()
    assert window.annotation.mode == "paint"


def test_each_brush_stroke_is_a_cell_when_that_is_ticked(window):
    window.panel.each_stroke.setChecked(True)

    window.canvas.drag((3, 30), (3, 34), (3, 38))
    window.canvas.drag((12, 35), (12, 45), (12, 50))
    assert (window.annotation.data[3, 34], window.annotation.data[12, 45]) == (2, 3)
    assert window.annotation.selected_label == 4

    window.canvas.undo()
    assert window.annotation.selected_label == 3


def test_a_button_acts_on_the_cell_that_is_clicked_next(window):
    _button(window.panel, "cellseg_accept").click()
    assert "click on the cell" in window.panel.message.text()

    window.canvas.drag((30, 50), (30, 50))

    np.testing.assert_array_equal(window.annotation.data == 2, _proposed() == 3)


def test_all_in_view_are_accepted_by_shift_a_but_not_what_is_beyond(window, qtbot):
    camera = window.viewer.scene.camera
    camera.center, camera.zoom = (10, 15), 2 * camera.zoom
    qtbot.wait(100)

    window.canvas.press(Qt.Key.Key_A, modifier=Qt.KeyboardModifier.ShiftModifier)

    np.testing.assert_array_equal(window.annotation.data == 2, _proposed() == 1)
    assert not window.annotation.data[20:].any()


def test_the_dock_tells_how_much_is_corrected_and_lets_go_of_it(window, qtbot):
    window.canvas.press(Qt.Key.Key_D, 30, 44)
    window.canvas.press(Qt.Key.Key_W, 10, 10)
    corrected = window.panel.findChild(QLabel, "cellseg_corrected")
    qtbot.waitUntil(lambda: "1 corrected and 1 deleted" in corrected.text())

    window.panel.corrections.marks.setChecked(True)
    assert len(window.viewer.layers["cells · corrections"].data) == 2
    _button(window.panel, "cellseg_forget_corrections").click()

    assert corrected.text() == ""
    assert (window.instances.data == 2).sum() == 0, "nothing changes before the next result"


def test_a_layer_of_another_plugin_is_chosen_as_the_source_of_proposals(window):
    foreign = window.viewer.add_labels(np.roll(_proposed(), 3, axis=0), name="theirs")
    source = window.panel.proposals.source
    assert source.layer is None, "nothing changes by itself"

    source.setCurrentText("theirs")
    window.viewer.layers.selection.active = foreign
    window.canvas.press(Qt.Key.Key_A, 12, 10)

    np.testing.assert_array_equal(window.annotation.data == 2, foreign.data == 1)
    window.viewer.add_labels(np.ones((4, 4), int), name="tiny")
    source.setCurrentText("tiny")
    assert "4 × 4 px" in window.panel.proposals._problem.text()
