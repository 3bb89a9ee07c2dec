"""Proposals from any Labels layer, and all of those in view at once; every stroke a new cell."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.annotate.painting import Painter, new_annotation
from napari_cellseg_ssl.gui.annotate.proposals import Proposals, can_propose, misfit
from napari_cellseg_ssl.gui.layers.outputs import show_labels


def _foreign():
    labels = np.zeros((40, 60), np.uint16)
    labels[5:15, 5:15], labels[20:35, 40:55] = 1, 300
    return labels


def _painter(shape=(40, 60), scale=1.0):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), name="cells", scale=(scale,) * len(shape))
    layer = new_annotation(viewer, image)
    painter = Painter(viewer, layer, Proposals(viewer, image), lambda: 12.0)
    painter.start()
    return painter


def test_a_layer_of_another_plugin_feeds_the_annotation():
    painter = _painter(scale=0.5)
    foreign = painter.viewer.add_labels(_foreign(), name="cellpose", scale=(0.5, 0.5))
    assert painter.accept() == messages.no_proposals()

    painter.proposals.chosen = foreign
    painter.viewer.cursor.position = (15, 25)
    painter.accept()
    painter.viewer.cursor.position = (5, 5)
    painter.reject()

    np.testing.assert_array_equal(painter.layer.data, np.choose(np.searchsorted([0, 1, 300], _foreign()), [0, 1, 2]))


def test_the_chosen_layer_goes_before_the_instances_that_are_shown():
    painter = _painter()
    image = painter.viewer.layers["cells"]
    shown = show_labels(painter.viewer, image, np.ones((1, 40, 60), np.int32), method="fake")
    foreign = painter.viewer.add_labels(_foreign())

    assert painter.proposals.layer() is shown
    painter.proposals.chosen = foreign
    assert painter.proposals.layer() is foreign


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Labels(np.ones((20, 30), int), name="small"), "'small' has 30 × 20 px, but the annotation 60 × 40 px"),
        (Labels(np.ones((4, 40, 60), int), name="many"), "'many' has 4 frames of 60 × 40 px"),
        (Labels(np.ones((40, 60), int), name="coarse", scale=(2, 2)), "does not lie over the annotation"),
        (Labels(np.ones((40, 60), int), name="aside", translate=(5, 0)), "does not lie over the annotation"),
    ],
)
def test_a_layer_that_does_not_fit_says_why_and_proposes_nothing(other, words):
    painter = _painter()
    painter.viewer.add_layer(other)
    painter.proposals.chosen = other
    painter.viewer.cursor.position = (10, 10)

    assert words in painter.accept()
    assert words in painter.accept_all()
    assert not painter.layer.data.any()


def test_the_layer_that_is_painted_on_proposes_nothing():
    painter = _painter()
    assert misfit(painter.layer, painter.layer) == messages.proposals_are_the_annotation(painter.layer.name)
    assert not can_propose(painter.layer)


def test_labels_without_the_channel_axis_fit_an_image_with_channels():
    painter = _painter(shape=(3, 2, 40, 60))
    assert painter.layer.data.shape == (3, 1, 40, 60)
    foreign = painter.viewer.add_labels(np.stack([_foreign()] * 3))
    painter.proposals.chosen = foreign
    painter.viewer.dims.set_point(0, 2)
    painter.viewer.cursor.position = (2, 0, 30, 45)

    painter.accept()

    np.testing.assert_array_equal(painter.layer.data[2, 0] == 2, _foreign() == 300)
    assert not painter.layer.data[:2].any()


def test_only_cells_wholly_in_view_are_accepted_and_no_rejected_ones():
    painter = _painter()
    proposed = np.zeros((40, 60), np.int32)
    proposed[2:8, 2:8], proposed[2:8, 15:25], proposed[12:18, 2:8], proposed[12:18, 10:16] = 1, 2, 3, 4
    painter.proposals.chosen = painter.viewer.add_labels(proposed)
    painter.viewer.cursor.position = (15, 5)
    painter.reject()
    painter.layer.corner_pixels = np.array([[0, 0], [30, 19]])

    sentence = painter.accept_all()

    assert sentence == messages.accepted_all(2)
    np.testing.assert_array_equal(painter.layer.data >= 2, np.isin(proposed, [1, 4]))
    painter.layer.undo()
    assert set(np.unique(painter.layer.data)) == {0, 1}


def test_every_stroke_is_a_new_cell_and_an_undone_stroke_gives_its_id_back():
    painter = _painter()
    painter.each_stroke_is_a_cell = True
    layer = painter.layer

    ids = []
    for column in (5, 15, 25):
        ids.append(layer.selected_label)
        layer.paint((10, column), layer.selected_label)
    assert ids == [2, 3, 4]
    assert set(np.unique(layer.data)) == {0, 2, 3, 4}

    layer.undo()
    assert layer.selected_label == 4
    layer.undo()
    assert layer.selected_label == 3
    layer.redo()
    assert layer.selected_label == 4


def test_strokes_of_background_and_of_the_eraser_take_no_new_id():
    painter = _painter()
    painter.each_stroke_is_a_cell = True
    painter.layer.paint((10, 5), 2)
    painter.background()
    painter.layer.paint((20, 20), 1)
    assert painter.layer.selected_label == 1

    painter.next_cell()
    painter.layer.mode = "erase"
    painter.layer.paint((10, 5), 0)
    assert painter.layer.selected_label == 3


def test_one_stroke_after_another_adds_to_the_same_cell_unless_asked():
    painter = _painter()
    painter.layer.paint((10, 5), 2)
    painter.layer.paint((10, 25), 2)
    assert painter.layer.selected_label == 2
