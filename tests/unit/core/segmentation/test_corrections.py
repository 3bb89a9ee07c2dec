"""Corrections of cells: what a line cuts or joins, and what stays as it was."""

import numpy as np
import pytest
from scipy import ndimage

from napari_cellseg_ssl.core.segmentation.corrections import crossed, delete, grow, merge, shrink, split


def _frame():
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:20] = 3
    labels[10:30, 20:30] = 5
    labels[10:30, 33:43] = 8
    labels[10:30, 50:58] = 9
    return labels


def _after(labels, change):
    after = labels.copy()
    after[change.window] = change.labels
    return after


def _point(row, column):
    return np.array([row, column], dtype=float)


def test_a_line_across_a_cell_cuts_it_in_two_and_loses_no_pixel():
    labels = _frame()

    after = _after(labels, split(labels, 5, _point(18, 17), _point(18, 33), 20))

    np.testing.assert_array_equal(np.isin(after, [5, 20]), labels == 5)
    np.testing.assert_array_equal(after[labels != 5], labels[labels != 5])
    assert {after[10, 25], after[29, 25]} == {5, 20}
    assert after[29, 25] == 5, "the larger part keeps the id"


@pytest.mark.parametrize("ends", [((20, 12), (20, 16)), ((20, 5), (20, 14)), ((19, 14), (21, 16))])
def test_a_line_that_ends_in_the_cell_is_prolonged(ends):
    labels = _frame()

    after = _after(labels, split(labels, 3, _point(*ends[0]), _point(*ends[1]), 20))

    assert ndimage.label(after == 3)[1] == ndimage.label(after == 20)[1] == 1
    assert min((after == 3).sum(), (after == 20).sum()) > 60


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 13))
def test_at_any_angle_both_parts_hang_together(angle):
    rows, columns = np.mgrid[:41, :41]
    labels = ((rows - 20) ** 2 + (columns - 20) ** 2 <= 15**2).astype(np.int32)
    direction = 18 * np.array([np.sin(angle), np.cos(angle)])

    after = _after(labels, split(labels, 1, 20 - direction, 20 + direction, 2))

    assert (after > 0).sum() == labels.sum()
    for number in (1, 2):
        assert ndimage.label(after == number, np.ones((3, 3)))[1] == 1
        assert (after == number).sum() > 0.4 * labels.sum()


def test_a_line_beside_the_cell_or_through_one_side_of_a_ring_cuts_nothing():
    labels = _frame()
    assert split(labels, 3, _point(2, 5), _point(2, 30), 20) is None
    labels[15:25, 53:56] = 0
    assert split(labels, 9, _point(20, 45), _point(20, 51), 20) is None


def test_specks_that_a_grazing_line_shaves_off_stay_with_the_cell():
    labels = _frame()
    labels[9, 15] = 3
    assert split(labels, 3, _point(9, 5), _point(9, 25), 20) is None


def test_a_line_through_two_arms_gives_three_cells():
    labels = np.zeros((30, 30), np.int32)
    labels[5:25, 5:10] = labels[5:25, 18:25] = labels[20:25, 5:25] = 4

    after = _after(labels, split(labels, 4, _point(12, 0), _point(12, 29), 11))

    assert set(np.unique(after)) == {0, 4, 11, 12}
    assert after[24, 15] == 4


def test_the_cells_that_a_line_crosses_come_in_its_order():
    labels = _frame()
    assert list(crossed(labels, _point(20, 59), _point(20, 12))) == [9, 8, 5, 3]
    assert crossed(labels, _point(-20, 15), _point(60, 15)) == {3: 20}
    assert list(crossed(labels, _point(20, 12), _point(20, 59), first_id=8)) == [8, 9]


def test_merging_fills_the_seam_and_touches_nothing_else():
    labels = _frame()
    labels[15, 31] = 40

    after = _after(labels, merge(labels, [3, 5, 8]))

    assert (after[np.isin(labels, [3, 5, 8])] == 3).all()
    assert after[15, 31] == 40
    assert ndimage.label(after == 3)[1] == 1
    assert (after[12:28, 32] == 3).all()
    assert not after[~np.isin(labels, [3, 5, 8, 9, 40])][:600].any(), "no growth outwards"
    np.testing.assert_array_equal(after == 9, labels == 9)


def test_distant_cells_get_one_id_and_stay_pieces():
    labels = _frame()

    after = _after(labels, merge(labels, [9, 8]))

    np.testing.assert_array_equal(after == 9, np.isin(labels, [8, 9]))


def test_painted_background_between_merged_cells_gives_way_where_asked():
    labels = _frame()
    labels[:, 30:33] = 1
    assert (_after(labels, merge(labels, [5, 8], first_id=2))[12:28, 31] == 5).all()
    assert (_after(labels, merge(labels, [5, 8]))[12:28, 31] == 1).all()


def test_growing_takes_one_free_pixel_all_round_but_none_of_the_neighbour():
    labels = _frame()

    after = _after(labels, grow(labels, 5))

    assert (after == 5).sum() == (labels == 5).sum() + 10 + 10 + 20
    np.testing.assert_array_equal(after == 3, labels == 3)


def test_shrinking_takes_one_pixel_off_except_at_the_border_of_the_image():
    labels = np.zeros((20, 20), np.int32)
    labels[:6, :6] = 2

    after = _after(labels, shrink(labels, 2))

    np.testing.assert_array_equal(after, np.pad(np.full((5, 5), 2), ((0, 15), (0, 15))))


def test_shrinking_never_removes_a_cell():
    labels = np.zeros((20, 20), np.int32)
    labels[4:6, 4:6] = 2
    assert shrink(labels, 2) is None


def test_deleting_removes_one_cell():
    labels = _frame()
    np.testing.assert_array_equal(_after(labels, delete(labels, 5)), np.where(labels == 5, 0, labels))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_corrections_keep_the_type_of_the_labels(dtype):
    labels = _frame().astype(dtype)
    changes = [
        split(labels, 5, _point(18, 17), _point(18, 33), 20),
        merge(labels, [3, 5]),
        grow(labels, 5),
        shrink(labels, 5),
        delete(labels, 5),
    ]
    assert [change.labels.dtype for change in changes] == [dtype] * 5
