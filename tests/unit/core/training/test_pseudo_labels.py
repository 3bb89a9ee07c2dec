"""Labels that nobody painted: how they are found, fitted, corrected, learned from and kept from judging."""

import numpy as np
import pytest

from drawings import disks
from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID, Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.methods.actis.sampling import Sampler
from napari_cellseg_ssl.core.training import messages as training_messages
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.held_out import hold_out
from napari_cellseg_ssl.core.training.pseudo_labels import (
    agreed,
    best_growth,
    consensus,
    corrected,
    grown,
    with_pseudo_labels,
)
from saying import saying

DIAMETER = 18.0


def dense(labels):
    return Annotation.from_dense(labels)


def cells_of(labels, ids):
    """Some cells painted, nothing else."""
    return Annotation.from_painting(np.where(np.isin(labels, ids) & (labels > 0), labels + BACKGROUND_ID, 0))


def large_disks():
    return disks((120, 150), radius=9, pitch=30)


def stroked(cells, known):
    return Annotation(cells=np.where(known, cells, 0), known=known)


def test_a_consensus_is_what_both_found_and_what_both_left_out():
    first = disks()
    second = first.copy()
    second[first == 3] = 0
    second[first == 5] = 0
    second[50:60, 0:6] = 99

    cells, known = consensus(first, second, 0.6)

    assert set(np.unique(cells)) == set(np.unique(first)) - {3, 5}
    assert not known[first == 3].any()
    assert not known[(second == 99) & (first == 0)].any()
    assert known[(first == 0) & (second == 0)].all()


def test_a_painted_cell_replaces_all_objects_that_it_touches():
    found = np.zeros((30, 40), np.int32)
    found[5:25, 5:20], found[5:25, 20:35] = 1, 2
    truth = np.zeros_like(found)
    truth[8:22, 15:25] = 7

    cells, known = corrected(found, np.ones(found.shape, bool), stroked(truth, truth == 7))

    assert len(np.unique(cells[cells > 0])) == 1
    assert np.array_equal(cells > 0, truth == 7)
    assert not known[(found > 0) & (truth == 0)].any()
    assert known[found == 0].all()


def test_painted_background_deletes_the_object_below_it():
    found = disks()
    stroke = found == 6
    stroke[np.nonzero(stroke)[0].max()] = False  # most of the object, not all

    cells, known = corrected(found, np.ones(found.shape, bool), stroked(np.zeros_like(found), stroke))

    assert not (cells == 6).any()
    assert known[stroke].all()
    assert not known[(found == 6) & ~stroke].any()
    assert np.array_equal(cells[found != 6], found[found != 6])


def test_an_object_beside_painted_background_stays():
    found = disks()
    beside = np.roll(found == 6, 7, axis=1)

    cells, _ = corrected(found, np.ones(found.shape, bool), stroked(np.zeros_like(found), beside))

    assert (cells == 6).any()


def test_two_results_of_different_images_cannot_agree():
    with pytest.raises(WrongAnnotation, match=saying(training_messages.labels_and_results_differ)):
        agreed(np.zeros((1, 8, 8), int), np.zeros((1, 8, 9), int))


def test_each_frame_agrees_for_itself():
    first = np.stack([disks(), disks()])
    second = np.stack([disks(), np.zeros_like(disks())])

    note = agreed(first, second)

    assert note.known[0].all()
    assert np.array_equal(note.known[1], first[1] == 0)


def test_objects_grow_and_shrink_by_px():
    labels = np.zeros((20, 20), int)
    labels[5:15, 5:15] = 3

    assert np.array_equal(grown(labels, 0.0), labels)
    assert np.count_nonzero(grown(labels, 1)[10] == 3) == 12
    assert np.count_nonzero(grown(labels, -2)[10] == 3) == 6


def test_objects_that_shrink_keep_the_edge_of_the_image():
    labels = np.ones((9, 9), int)

    assert (grown(labels, -2) == 1).all()


@pytest.mark.parametrize("wrong_by", [-2.0, 0.0, 2.0])
def test_outlines_are_fitted_to_painted_cells(wrong_by):
    truth = large_disks()
    found = grown(truth, wrong_by)
    painted = cells_of(truth, [1, 2, 3, 4, 5])

    (note,) = with_pseudo_labels([painted], [dense(found)], [DIAMETER])

    others = ~np.isin(truth, [0, 1, 2, 3, 4, 5])
    wrong = np.count_nonzero((note.cells[0] > 0)[others] == 0) + np.count_nonzero(note.cells[0][truth == 0])
    assert wrong < 0.1 * np.count_nonzero(others)


def test_too_few_painted_cells_change_no_outline():
    truth = large_disks()

    assert best_growth([cells_of(truth, [1, 2, 3])], [dense(grown(truth, 2))], [DIAMETER]) == 0


def test_painted_cells_that_contradict_each_other_change_no_outline():
    truth = large_disks()
    odd = truth % 2 == 1
    found = np.where(odd, grown(truth, -2), 0)
    found = np.where(found > 0, found, np.where(grown(truth, 2) % 2 == 0, grown(truth, 2), 0))

    assert best_growth([cells_of(truth, [1, 2, 3, 4, 5, 6])], [dense(found)], [DIAMETER]) == 0


def test_accepted_cells_do_not_hide_that_outlines_are_wrong():
    truth = large_disks()
    found = grown(truth, -2)
    accepted = np.where(np.isin(truth, range(5, 15)), found, 0)
    painted = np.where(np.isin(truth, range(1, 5)), truth, 0)

    assert best_growth([cells_of(accepted + painted, range(1, 15))], [dense(found)], [DIAMETER]) > 0


def test_a_painted_cell_that_nothing_found_says_nothing_of_outlines():
    truth = large_disks()
    found = np.where(truth > 4, grown(truth, 2), 0)

    assert best_growth([cells_of(truth, [1, 2, 3, 4])], [dense(found)], [DIAMETER]) == 0


def test_what_nobody_painted_is_told_apart():
    truth = large_disks()

    (note,) = with_pseudo_labels([cells_of(truth, [1])], [dense(truth)], [DIAMETER])

    assert note.known.all()
    assert np.array_equal(note.pseudo[0], truth != 1)


def test_images_without_anything_found_keep_what_is_painted():
    painted = cells_of(large_disks(), [1])

    assert with_pseudo_labels([painted, None], [None, None], [DIAMETER] * 2) == (painted, None)


def test_labels_of_another_image_are_refused():
    with pytest.raises(WrongAnnotation, match=saying(training_messages.labels_and_results_differ)):
        with_pseudo_labels([cells_of(large_disks(), [1])], [dense(disks())], [DIAMETER])


def frame_with(painted_ids):
    """Disks of which some are painted, the others pseudo-labels."""
    truth = large_disks()
    painted = np.isin(truth, painted_ids) & (truth > 0)
    return Frame(
        pixels=(truth > 0).astype(np.float32)[None], cells=truth, known=np.ones(truth.shape, bool), pseudo=~painted
    )


def test_pseudo_labels_are_learnt_from_but_not_judged_by():
    frame = frame_with([1, 2, 3, 4, 5, 6])

    (learning,), (judged,) = hold_out([frame], seed=0)

    assert judged.n_cells == 1
    assert set(np.unique(judged.cells)) <= {0, 1, 2, 3, 4, 5, 6}
    assert learning.known[frame.cells > 6].all()


def test_where_hardly_a_cell_is_painted_pseudo_labels_judge():
    (_,), (judged,) = hold_out([frame_with([1])], seed=0)

    assert judged.n_cells >= 2


def test_half_of_the_crops_show_painted_cells_however_few_they_are():
    frame = frame_with([1])  # at the upper left; 19 others
    marked = Frame(
        pixels=(frame.cells == 1).astype(np.float32)[None], cells=frame.cells, known=frame.known, pseudo=frame.pseudo
    )

    images = Sampler([marked], 32).labelled(np.random.default_rng(0), 100).images

    assert 35 < sum(bool(image.max() > 0.5) for image in images) < 80
