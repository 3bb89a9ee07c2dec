"""The paint dock's panel: one click to a brush, keys on the layer alone, counts in sight."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

from napari_cellseg_ssl.gui.controller import controller_of
from napari_cellseg_ssl.gui.layers_out import show_labels
from napari_cellseg_ssl.gui.painting import complete_regions
from napari_cellseg_ssl.gui.panels.paint import ACTS, PaintPanel


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
    assert "Nothing painted yet" in _counts(panel)


def test_without_an_image_the_panel_says_what_to_do(qtbot):
    panel, controller = _panel(qtbot, ViewerModel())

    _button(panel, "cellseg_new_annotation").click()

    assert "Open an image first" in panel.message.text()
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
