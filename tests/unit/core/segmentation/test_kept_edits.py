"""What a person corrected survives when instances are made anew."""

import numpy as np

from napari_cellseg_ssl.core.segmentation.kept_edits import Edits, find_edits, keep_edits


def _frame():
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:20] = 3
    labels[10:30, 20:30] = 5
    labels[10:30, 40:50] = 8
    return labels


def _renumbered(labels):
    """The same cells as another run of a method would number them."""
    return np.choose(np.searchsorted([0, 3, 5, 8], labels), [0, 1, 2, 3]).astype(np.int32)


def test_only_instances_whose_pixels_changed_are_edited():
    written = _frame()
    labels = written.copy()
    labels[9, 10:20] = 3
    labels[labels == 8] = 0

    edits = find_edits(written, labels)

    assert edits.ids == {3}
    np.testing.assert_array_equal(edits.deleted, written == 8)


def test_both_parts_of_a_split_and_what_lost_pixels_to_a_neighbour_are_edited():
    written = _frame()
    labels = written.copy()
    labels[20:30, 10:20] = 9
    labels[10:30, 39] = 5
    assert find_edits(written, labels).ids == {3, 5, 9}


def test_what_was_merged_away_is_not_called_deleted():
    written = _frame()

    edits = find_edits(written, np.where(written == 5, 3, written))

    assert edits.ids == {3}
    assert not edits.deleted.any()


def test_nothing_edited_is_nothing_to_keep():
    assert not find_edits(_frame(), _frame())


def test_a_cell_edited_earlier_stays_edited_until_it_is_deleted():
    written = _frame()
    before = Edits(frozenset({3}), np.zeros(written.shape, bool))

    assert find_edits(written, written, before).ids == {3}
    gone = find_edits(written, np.where(written == 3, 0, written), before)
    assert not gone.ids
    np.testing.assert_array_equal(gone.deleted, written == 3)


def test_an_edited_cell_replaces_the_new_ones_of_the_same_place_and_keeps_its_id():
    old = _frame()
    merged = np.where(old == 5, 3, old)

    kept = keep_edits(_renumbered(old), merged, find_edits(old, merged))

    np.testing.assert_array_equal(kept == 3, merged == 3)
    others = np.unique(kept[merged == 8])
    assert len(others) == 1
    assert others[0] not in (0, 3), "a new cell that had the id of an edited one got another"
    assert (kept > 0).sum() == (merged > 0).sum()


def test_both_halves_of_a_split_stay_split():
    old = _frame()
    halves = old.copy()
    halves[20:30, 10:20] = 9

    kept = keep_edits(_renumbered(old), halves, find_edits(old, halves))

    np.testing.assert_array_equal(kept == 3, halves == 3)
    np.testing.assert_array_equal(kept == 9, halves == 9)


def test_a_much_smaller_edited_cell_leaves_no_ring_of_the_new_one():
    old = _frame()
    small = np.where(old == 8, 0, old)
    small[15:25, 43:47] = 8

    kept = keep_edits(_renumbered(old), small, find_edits(old, small))

    np.testing.assert_array_equal(kept[:, 35:] > 0, small[:, 35:] > 0)


def test_a_deleted_cell_stays_deleted_and_a_new_one_that_is_mostly_elsewhere_comes():
    old = _frame()
    edits = find_edits(old, np.where(old == 8, 0, old))
    new = _renumbered(old)
    new[new == 3] = 0
    new[11:29, 41:51] = 4
    assert not keep_edits(new, old, edits)[:, 35:].any()

    new[10:30, 45:60] = 4
    assert (keep_edits(new, old, edits)[10:30, 45:60] == 4).all()


def test_neighbours_lose_what_an_edited_cell_covers():
    old = _frame()
    wider = old.copy()
    wider[10:30, 20:22] = 3
    wider[wider == 5] = 0

    kept = keep_edits(_renumbered(old), wider, Edits(frozenset({3}), np.zeros(old.shape, bool)))

    assert (kept[10:30, 10:22] == 3).all()
    assert len(set(np.unique(kept[10:30, 22:30])) - {0, 3}) == 1


def test_kept_edits_are_still_the_users_the_next_time():
    old = _frame()
    labels = np.where(old == 8, 0, old)
    labels[9, 10:20] = 3
    edits = find_edits(old, labels)
    once = keep_edits(_renumbered(old), labels, edits)

    again = find_edits(once, once, Edits(edits.ids, edits.deleted))

    assert again.ids == {3}
    np.testing.assert_array_equal(again.deleted, old == 8)
