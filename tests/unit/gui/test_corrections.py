"""Corrections by mouse and key: the right cell of the right layer, one step of undo each."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari.utils.key_bindings import coerce_keybinding

from napari_cellseg_ssl.gui import messages as gui_messages
from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.annotate import messages as annotate_messages
from napari_cellseg_ssl.gui.annotate.corrections import Corrector
from napari_cellseg_ssl.gui.annotate.painting import new_annotation
from napari_cellseg_ssl.gui.layers.cell_layer import FIRST_CELL_ID, CellLayer
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from saying import saying


class Hand:
    """A viewer with instances and an annotation, and a hand on the mouse."""

    def __init__(self, *, frames=1, scale=1.0):
        self.viewer, self.scale, self.said = ViewerModel(), scale, ""
        shape = (40, 60) if frames == 1 else (frames, 40, 60)
        image = self.viewer.add_image(np.zeros(shape), name="cells", scale=(scale,) * len(shape))
        self.instances = show_labels(self.viewer, image, np.repeat(_instances()[None], frames, axis=0), method="fake")
        self.annotation = new_annotation(self.viewer, image)
        self.viewer.layers.selection.active = self.annotation
        layers = [CellLayer(self.annotation, FIRST_CELL_ID), CellLayer(self.instances)]
        self.corrector = Corrector(self.viewer, lambda: layers, lambda sentence: setattr(self, "said", sentence))

    @property
    def active(self):
        return self.viewer.layers.selection.active

    def point(self, *place):
        self.viewer.cursor.position = tuple(np.array(place) * self.scale)

    def drag(self, *places):
        """Press at the first place, move over the others, release at the last."""
        places = [np.array(place) * self.scale for place in places]
        self._send(mouse_press_callbacks, "mouse_press", places[0])
        for place in places[1:]:
            self._send(mouse_move_callbacks, "mouse_move", place)
        self._send(mouse_release_callbacks, "mouse_release", places[-1])

    def _send(self, callbacks, kind, place):
        self.viewer.cursor.position = tuple(place)
        settings = {"button": 1, "modifiers": [], "is_dragging": kind == "mouse_move", "handled": False}
        displayed = {"dims_displayed": list(self.viewer.dims.displayed), "view_direction": None}
        event = SimpleNamespace(type=kind, position=tuple(place), **settings, **displayed)
        callbacks(self.viewer, ReadOnlyWrapper(event))


def _instances():
    labels = np.zeros((40, 60), np.int32)
    labels[5:25, 5:15], labels[5:25, 15:25], labels[5:25, 40:50] = 4, 7, 9
    return labels


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_line_across_an_instance_splits_it_in_one_step_that_undo_takes_back(scale):
    hand = Hand(scale=scale)

    sentence = hand.corrector.split()
    hand.drag((15, 38), (15, 45), (15, 52))

    assert sentence == "Drag a line across the cell. Esc leaves."
    assert hand.said == messages.can_be_undone(messages.was_split(9, "cells · instances", 2))
    assert set(np.unique(hand.instances.data[_instances() == 9])) == {9, 10}
    assert hand.active is hand.instances, "so that undo acts where the correction was made"
    hand.active.undo()
    np.testing.assert_array_equal(hand.instances.data, _instances())


def test_painted_cells_are_split_before_the_instances_below_them():
    hand = Hand()
    hand.annotation.data_setitem(np.nonzero(_instances() == 9), 2)
    hand.annotation.selected_label = 3

    hand.corrector.split()
    hand.drag((15, 38), (15, 52))

    assert set(np.unique(hand.annotation.data)) == {0, 2, 3}
    assert hand.annotation.selected_label == 4, "the brush must not add to the new cell"
    np.testing.assert_array_equal(hand.instances.data, _instances())


def test_the_selected_layer_comes_first():
    hand = Hand()
    hand.annotation.data_setitem(np.nonzero(_instances() == 9), 2)
    hand.viewer.layers.selection.active = hand.instances
    hand.point(15, 45)

    hand.corrector.delete()

    assert not (hand.instances.data == 9).any()
    assert (hand.annotation.data == 2).any()


def test_a_hidden_layer_is_not_corrected():
    hand = Hand()
    hand.instances.visible = False
    hand.point(15, 45)

    assert hand.corrector.delete() == messages.point_at_a_cell()
    assert (hand.instances.data == 9).any()


def test_a_line_through_instances_joins_them():
    hand = Hand()

    hand.corrector.merge()
    hand.drag((10, 20), (10, 10))

    assert hand.said == messages.can_be_undone(messages.were_merged(2, "cells · instances"))
    np.testing.assert_array_equal(hand.instances.data == 7, np.isin(_instances(), [4, 7]))
    hand.instances.undo()
    np.testing.assert_array_equal(hand.instances.data, _instances())


@pytest.mark.parametrize(
    ("act", "line", "words"),
    [
        ("split", ((30, 5), (30, 50)), "crosses no cell"),
        ("split", ((4, 30), (4, 31)), "crosses no cell"),
        ("split", ((15, 45), (15, 45)), "crosses no cell"),
        ("merge", ((10, 41), (10, 48)), "through two cells"),
    ],
)
def test_a_line_that_does_nothing_says_why(act, line, words):
    hand = Hand()

    getattr(hand.corrector, act)()
    hand.drag(*line)

    assert words in hand.said
    np.testing.assert_array_equal(hand.instances.data, _instances())


def test_after_the_line_the_tool_in_hand_is_the_one_of_before():
    hand = Hand()
    hand.annotation.mode = "paint"

    hand.corrector.split()
    assert (hand.annotation.mode, hand.annotation.mouse_pan) == ("pan_zoom", False), "nothing is painted meanwhile"
    hand.drag((30, 5), (30, 50))

    assert (hand.annotation.mode, hand.annotation.cursor) == ("paint", "circle")
    assert not hand.annotation.data.any()


@pytest.mark.parametrize("leave", ["escape", "another layer", "another tool", "another act"])
def test_a_line_can_be_given_up(leave):
    hand = Hand()
    hand.corrector.split()
    if leave == "escape":
        hand.annotation.keymap[coerce_keybinding("Escape")](hand.annotation)
    elif leave == "another layer":
        hand.viewer.layers.selection.active = hand.viewer.layers["cells"]
    elif leave == "another tool":
        hand.annotation.mode = "erase"
    else:
        hand.corrector.merge()

    hand.drag((15, 38), (15, 52))

    np.testing.assert_array_equal(hand.instances.data, _instances())
    assert hand.annotation.mode == ("erase" if leave == "another tool" else "pan_zoom")
    assert not hand.annotation.keymap


def test_the_cell_under_the_cursor_grows_shrinks_and_goes_each_in_one_step():
    hand = Hand()
    hand.point(15, 45)

    hand.corrector.grow()
    assert (hand.instances.data == 9).sum() == 200 + 2 * 20 + 2 * 10
    hand.corrector.shrink()
    hand.corrector.shrink()
    hand.corrector.delete()
    assert not (hand.instances.data == 9).any()

    for _ in range(4):
        hand.instances.undo()
    np.testing.assert_array_equal(hand.instances.data, _instances())


def test_a_cell_never_shrinks_away():
    hand = Hand()
    hand.point(15, 45)

    said = [hand.corrector.shrink() for _ in range(6)]

    assert re.search(saying(annotate_messages.nothing_left), said[-1])
    assert (hand.instances.data == 9).any()


def test_painted_background_is_no_cell():
    hand = Hand()
    hand.annotation.data_setitem((np.array([30]), np.array([30])), 1)
    hand.point(30, 30)
    assert hand.corrector.delete() == messages.point_at_a_cell()


def test_corrections_stay_on_the_shown_frame():
    hand = Hand(frames=3)
    hand.viewer.dims.set_point(0, 1)

    hand.corrector.split()
    hand.drag((1, 15, 38), (1, 15, 52))
    hand.point(1, 10, 10)
    hand.corrector.delete()

    changed = (hand.instances.data != _instances()).any(axis=(1, 2))
    assert changed.tolist() == [False, True, False]


def test_a_button_waits_for_a_click_on_the_cell():
    hand = Hand()

    sentence = hand.corrector.click(hand.corrector.delete, "Delete cell")
    hand.point(0, 0)
    hand.drag((15, 45), (15, 45))

    assert sentence == "Delete cell: click on the cell. Esc leaves."
    assert not (hand.instances.data == 9).any()


def test_what_cannot_be_changed_says_so():
    hand = Hand()
    hand.instances.editable = False
    hand.point(15, 45)

    assert re.search(saying(gui_messages.locked), hand.corrector.delete())

    hand.viewer.dims.ndisplay = 3
    assert "2D" in hand.corrector.delete()
    assert "2D" in hand.corrector.split()


def test_a_type_that_is_full_says_so():
    viewer = ViewerModel()
    layer = viewer.add_labels(np.pad(np.full((10, 10), 255, np.uint8), 5))
    said = []
    corrector = Corrector(viewer, lambda: [CellLayer(layer)], said.append)
    hand = SimpleNamespace(viewer=viewer, scale=1.0)

    corrector.split()
    Hand._send(hand, mouse_press_callbacks, "mouse_press", (10, 0))
    Hand._send(hand, mouse_move_callbacks, "mouse_move", (10, 20))
    Hand._send(hand, mouse_release_callbacks, "mouse_release", (10, 20))

    assert said[0] == messages.no_id_left(layer.name)
    assert set(np.unique(layer.data)) == {0, 255}
