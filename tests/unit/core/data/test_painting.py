"""Which proposed cells may be taken all at once."""

import numpy as np

from napari_cellseg_ssl.core.data.painting import acceptable_cells


def _proposed():
    labels = np.zeros((30, 40), np.int32)
    labels[2:8, 2:8], labels[2:8, 12:18], labels[12:18, 2:8], labels[12:18, 30:38] = 3, 5, 6, 9
    return labels


def _taken(proposed, painted, window=np.s_[:, :]):
    rows, columns, numbers = acceptable_cells(proposed, painted, window)
    ids = proposed[rows, columns]
    assert len(np.unique(np.stack([ids, numbers]), axis=1).T) == len(np.unique(ids)), "one number for each cell"
    assert all((ids == number).sum() == (proposed == number).sum() for number in np.unique(ids)), "cells are whole"
    return set(np.unique(ids))


def test_all_are_taken_where_nothing_is_painted():
    assert _taken(_proposed(), np.zeros((30, 40), int)) == {3, 5, 6, 9}


def test_one_painted_pixel_of_a_cell_keeps_a_proposal_out():
    painted = np.zeros((30, 40), int)
    painted[7, 7] = 2
    assert _taken(_proposed(), painted) == {5, 6, 9}


def test_what_is_mostly_background_was_rejected_and_what_a_ring_touches_was_not():
    painted = np.zeros((30, 40), int)
    painted[2:8, 2:6], painted[2:8, 12:14] = 1, 1
    assert _taken(_proposed(), painted) == {5, 6, 9}


def test_cells_that_reach_out_of_the_window_are_left_out_even_if_in_pieces():
    proposed = _proposed()
    proposed[25:28, 25:28] = 3
    assert _taken(proposed, np.zeros((30, 40), int), np.s_[0:20, 0:18]) == {5, 6}
    assert _taken(proposed, np.zeros((30, 40), int), np.s_[0:20, 0:17]) == {6}


def test_nothing_proposed_is_nothing_taken():
    assert _taken(np.zeros((5, 5), int), np.zeros((5, 5), int)) == set()
