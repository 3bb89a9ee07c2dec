"""Painting is quick: one key each for the next cell, background, accepting, rejecting and a ring."""

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy.ndimage import binary_dilation

from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.annotate.paint_counts import PaintCounter, count_painted
from napari_cellseg_ssl.gui.annotate.painting import Painter, complete_regions, new_annotation
from napari_cellseg_ssl.gui.annotate.proposals import Proposals
from napari_cellseg_ssl.gui.layers.inputs import annotation_source
from napari_cellseg_ssl.gui.layers.outputs import show_labels


def _proposed():
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25], labels[25:35, 40:50] = 4, 7, 9
    return labels


def _painter(*, frames=1, scale=1.0):
    viewer = ViewerModel()
    shape = (40, 60) if frames == 1 else (frames, 40, 60)
    image = viewer.add_image(np.zeros(shape), name="cells", scale=(scale,) * len(shape))
    show_labels(viewer, image, np.repeat(_proposed()[None], frames, axis=0), method="cellulus")
    layer = new_annotation(viewer, image)
    painter = Painter(viewer, layer, Proposals(viewer, image), lambda: 12.0)
    painter.image_layer = image
    painter.start()
    return painter


def _point_at(painter, *pixel):
    painter.viewer.cursor.position = tuple(np.array(pixel) * painter.layer.scale)


def test_a_new_annotation_is_ready_to_paint_on():
    painter = _painter()

    layer = painter.layer
    assert layer.name == "cells · annotation"
    assert painter.viewer.layers.selection.active is layer
    assert layer.mode == "paint"
    assert layer.selected_label == 2
    assert layer.brush_size == 3
    assert layer.n_edit_dimensions == 2
    assert not layer.data.any()


def test_while_painting_proposals_are_outlines_so_that_the_image_is_seen():
    painter = _painter()
    assert painter.proposals.layer().contour == 1


def test_background_looks_unlike_any_cell():
    layer = _painter().layer

    background = layer.get_color(1)[:3]
    cells = np.array([layer.get_color(number)[:3] for number in range(2, 60)])
    assert np.ptp(background) < 0.15, "grey"
    assert (np.ptp(cells, axis=1) > 0.5).all(), "coloured"
    assert (np.abs(np.diff(cells, axis=0)).max(axis=1) > 0.3).all(), "unlike the cell before"


def test_the_next_cell_gets_an_id_that_no_pixel_has():
    painter = _painter()
    painter.layer.data[0, 0] = 17

    painter.next_cell()

    assert painter.layer.selected_label == 18


def test_background_is_painted_with_id_one():
    painter = _painter()
    painter.background()
    assert (painter.layer.selected_label, painter.layer.mode) == (1, "paint")


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_accepting_copies_the_instance_under_the_cursor_as_one_undoable_step(scale):
    painter = _painter(scale=scale)
    _point_at(painter, 10, 8)

    sentence = painter.accept()

    np.testing.assert_array_equal(painter.layer.data == 2, _proposed() == 4)
    assert sentence == messages.accepted(2)
    assert painter.layer.selected_label == 3, "the brush must not add to the accepted cell"
    painter.layer.undo()
    assert not painter.layer.data.any()


def test_accepting_takes_background_but_no_painted_cell():
    painter = _painter()
    painter.layer.data[5:15, 5:8] = 1
    painter.layer.data[5:15, 8:10] = 2
    _point_at(painter, 10, 12)

    painter.accept()

    assert (painter.layer.data[5:15, 5:8] == 3).all()
    assert (painter.layer.data[5:15, 8:10] == 2).all()
    assert (painter.layer.data[5:15, 10:15] == 3).all()


def test_rejecting_paints_background_where_nothing_is_painted():
    painter = _painter()
    painter.layer.data[25:35, 40:42] = 2
    _point_at(painter, 30, 45)

    painter.reject()

    np.testing.assert_array_equal(painter.layer.data[25:35, 40:50], np.repeat([[2, 2] + [1] * 8], 10, axis=0))


@pytest.mark.parametrize("act", ["accept", "reject"])
@pytest.mark.parametrize("place", [(0, 0), (-5, 3), (39, 70)])
def test_pointing_at_nothing_changes_nothing(act, place):
    painter = _painter()
    _point_at(painter, *place)

    assert getattr(painter, act)() == "Point at a proposed instance."
    assert not painter.layer.data.any()


def test_without_proposals_the_keys_say_so():
    painter = _painter()
    painter.viewer.layers.remove("cells · instances")

    assert painter.accept() == messages.no_proposals()
    assert painter.accept_all() == messages.no_proposals()


def test_the_ring_is_thin_and_spares_the_neighbour_that_touches():
    painter = _painter()
    _point_at(painter, 10, 8)
    painter.accept()

    painter.ring()

    ring = painter.layer.data == 1
    cell = _proposed() == 4
    assert not (ring & cell).any()
    assert not (ring & (_proposed() == 7)).any()
    assert ring[4, 5:15].all()
    assert not (ring & ~binary_dilation(cell, iterations=4)).any()
    painter.layer.undo()
    assert not (painter.layer.data == 1).any()
    assert (painter.layer.data == 2).any()


def test_a_finished_cell_is_offered_a_ring():
    painter = _painter()
    painter.layer.data[25:35, 5:15] = 2

    sentence = painter.next_cell()
    _point_at(painter, 1, 50)
    painter.ring()

    assert sentence == messages.painting_cell(3, 2)
    assert (painter.layer.data[24, 5:15] == 1).all()


def test_without_any_cell_there_is_no_ring():
    painter = _painter()
    assert painter.ring() == "Paint a cell first, or point at one."
    assert not painter.layer.data.any()


def test_the_ring_stays_inside_the_image_and_beside_painted_cells():
    painter = _painter()
    painter.viewer.layers.remove("cells · instances")
    painter.layer.data[:6, :6], painter.layer.data[:6, 6:9] = 2, 3
    painter.viewer.cursor.position = (2, 2)

    painter.ring()

    assert (painter.layer.data[:6, 6:9] == 3).all()
    assert painter.layer.data[6, 0] == 1


def test_all_proposals_can_be_accepted_at_once_except_where_a_cell_is_painted():
    painter = _painter()
    painter.layer.data[8, 8] = 5

    sentence = painter.accept_all()

    assert sentence == messages.accepted_all(2)
    assert not (painter.layer.data[_proposed() == 4] > 5).any()
    assert len(np.unique(painter.layer.data[_proposed() > 4])) == 2
    painter.layer.undo()
    assert painter.layer.data.sum() == 5


def test_keys_act_on_the_frame_under_the_cursor():
    painter = _painter(frames=3)
    painter.viewer.dims.set_point(0, 1)
    _point_at(painter, 1, 10, 8)

    painter.accept()

    assert painter.layer.data.any(axis=(1, 2)).tolist() == [False, True, False]


def test_keys_act_on_the_instances_that_are_seen():
    painter = _painter()
    first = painter.proposals.layer()
    show_labels(painter.viewer, painter.image_layer, _proposed()[None], method="classical", is_reference=True)
    assert painter.proposals.layer() is first, "outlines are there to compare, not to take"
    second = show_labels(painter.viewer, painter.image_layer, _proposed()[None], method="actis")
    assert painter.proposals.layer() is second
    first.visible, second.visible = True, False
    assert painter.proposals.layer() is first


def test_an_empty_annotation_is_used_again_and_a_painted_one_is_not():
    painter = _painter()
    assert new_annotation(painter.viewer, painter.image_layer) is painter.layer

    painter.layer.data[3, 3] = 2
    other = new_annotation(painter.viewer, painter.image_layer)

    assert other is not painter.layer
    assert other.name == "cells · annotation 2"
    assert painter.layer.data[3, 3] == 2


def test_a_rectangle_in_the_complete_regions_turns_zeros_into_background():
    painter = _painter(frames=3, scale=0.5)
    regions = complete_regions(painter.viewer, painter.image_layer)
    assert regions.mode == "add_rectangle"
    assert complete_regions(painter.viewer, painter.image_layer) is regions

    regions.add_rectangles(np.array([[1, 9.5, 9.5], [1, 9.5, 19.5], [1, 19.5, 19.5], [1, 19.5, 9.5]]))

    known = annotation_source(painter.layer, regions, image_layer=painter.image_layer)().known
    assert known.sum() == 100
    assert known[1, 10:20, 10:20].all()


@pytest.mark.parametrize(
    ("cells", "strokes", "sentence"),
    [
        (0, 0, "Nothing painted yet: paint some whole cells and some background."),
        (1, 1, "1 cell, 1 background stroke; paint at least 2 whole cells"),
        (3, 0, "3 cells, 0 background strokes; paint some background too"),
        (7, 2, "7 cells, 2 background strokes; enough to train"),
    ],
)
def test_the_counts_say_what_is_painted_and_what_is_missing(cells, strokes, sentence):
    frame = np.zeros((50, 100), int)
    frame[0, 0 : 2 * cells : 2] = np.arange(cells) + 2
    frame[10, 0 : 5 * strokes : 5] = 1

    assert count_painted(frame).sentence() == sentence


def test_a_complete_region_counts_as_background():
    frame = np.zeros((50, 100), int)
    frame[0, 0], frame[5, 5] = 2, 3
    assert count_painted(frame).sentence(complete_regions=1).endswith("enough to train")


def test_a_stroke_costs_the_counting_of_its_own_frame_only():
    painter = _painter(frames=3)
    counter = PaintCounter(painter.layer)
    counter.count_all()
    painter.layer.data[0, 0, 0], painter.layer.data[2, 0, 0] = 2, 2

    assert counter.count_frame(0).cells == 1
    assert counter.count_frame(2).cells == 2
