from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from balls import labelled_balls
from napari_cellseg_ssl.core.segmentation.boundaries import (
    BACKGROUND,
    BOUNDARY,
    INTERIOR,
    UNKNOWN,
    boundaries,
    three_classes,
)
from napari_cellseg_ssl.core.segmentation.clean_up import (
    clean_up,
    fill_holes,
    fill_mask,
    keep_largest_pieces,
    relabel_sequential,
    remove_small,
)
from napari_cellseg_ssl.core.segmentation.distance import distance_to_background
from napari_cellseg_ssl.core.segmentation.watershed import distance_watershed, label_components, seeded_watershed

INTEGERS = [np.int16, np.int32, np.int64, np.uint8, np.uint16]


def slow_boundaries(cells, known):
    """Pixel by pixel, as the definition says."""
    marked = np.zeros(cells.shape, dtype=bool)
    for here in np.ndindex(cells.shape):
        for axis in range(cells.ndim):
            for step in (-1, 1):
                there = tuple(p + step * (a == axis) for a, p in enumerate(here))
                if not all(0 <= p < s for p, s in zip(there, cells.shape, strict=True)):
                    continue
                if known[here] and known[there] and cells[there] != 0 and cells[there] != cells[here]:
                    marked[here] = True
    return marked


@pytest.mark.parametrize("shape", [(14, 17), (6, 7, 8)])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_boundaries_are_those_of_the_definition_for_every_integer_type(shape, dtype):
    rng = np.random.default_rng(0)
    cells = np.kron(rng.integers(0, 4, tuple(s // 3 + 1 for s in shape)), np.ones((3,) * len(shape)))
    cells = cells[tuple(slice(0, s) for s in shape)].astype(dtype)
    for share_known in (1.0, 0.8):
        known = rng.random(shape) < share_known
        assert np.array_equal(boundaries(cells, known), slow_boundaries(cells, known))
    assert np.array_equal(boundaries(cells), slow_boundaries(cells, np.ones(shape, dtype=bool)))


def test_an_isolated_cell_keeps_all_its_pixels_as_interior():
    cells = np.zeros((8, 8), dtype=np.int64)
    cells[3:6, 3:6] = 1
    classes = three_classes(cells)

    assert np.array_equal(classes == INTERIOR, cells == 1)
    assert np.count_nonzero(classes == BOUNDARY) == 12  # a ring without corners


def test_touching_cells_lose_one_pixel_each_at_the_contact():
    cells = np.zeros((6, 10), dtype=np.int32)
    cells[:, 2:5], cells[:, 5:8] = 1, 2

    assert three_classes(cells)[2].tolist() == [0, 2, 1, 1, 2, 2, 1, 1, 2, 0]


def test_a_cell_at_the_images_edge_has_no_boundary_there():
    cells = np.zeros((5, 5), dtype=np.int32)
    cells[:2, :] = 1

    assert three_classes(cells)[:, 2].tolist() == [INTERIOR, INTERIOR, BOUNDARY, BACKGROUND, BACKGROUND]


def painted_cell() -> tuple[np.ndarray, np.ndarray]:
    """A cell of 3 x 3 px with background painted at its right only."""
    cells, known = np.zeros((7, 9), dtype=np.int32), np.zeros((7, 9), dtype=bool)
    cells[2:5, 2:5] = 1
    known[2:5, 2:7] = True
    return cells, known


def test_a_painted_cell_ends_where_it_was_painted_though_nothing_is_known_beyond():
    cells, known = painted_cell()

    classes = three_classes(cells, known)

    row = [UNKNOWN, BOUNDARY, INTERIOR, INTERIOR, INTERIOR, BOUNDARY, BACKGROUND, UNKNOWN, UNKNOWN]
    assert classes[3].tolist() == row
    assert np.array_equal(classes == BOUNDARY, three_classes(cells) == BOUNDARY)  # as if all were known
    assert (classes[~known & (classes != BOUNDARY)] == UNKNOWN).all()


def test_of_an_outline_that_is_not_exact_the_border_to_unknown_is_unknown():
    cells, known = painted_cell()

    classes = three_classes(cells, known, exact=False)

    row = [UNKNOWN, UNKNOWN, UNKNOWN, INTERIOR, INTERIOR, BOUNDARY, BACKGROUND, UNKNOWN, UNKNOWN]
    assert classes[3].tolist() == row
    assert (classes[~known] == UNKNOWN).all()


def test_a_gap_that_nobody_painted_between_two_cells_is_boundary():
    cells = np.array([[1, 1, 1, 0, 2, 2, 2, 0, 0]])

    assert three_classes(cells, cells > 0).tolist() == [[1, 1, 1, 2, 1, 1, 1, 2, -1]]


def test_ids_hidden_under_unknown_pixels_change_nothing():
    rng = np.random.default_rng(1)
    cells = np.kron(rng.integers(0, 4, (6, 6)), np.ones((4, 4), dtype=int))
    known = rng.random(cells.shape) < 0.7
    scribbled = np.where(known, cells, 7)

    assert np.array_equal(three_classes(cells, known), three_classes(scribbled, known))


def test_ids_follow_the_first_pixel_without_gaps():
    labels = np.array([[0, 0, 9], [4, 4, 9], [0, 70_000_000, 0]])

    assert relabel_sequential(labels).tolist() == [[0, 0, 1], [2, 2, 1], [0, 3, 0]]
    assert relabel_sequential(np.array([[8, 5], [5, 8]])).tolist() == [[1, 2], [2, 1]]
    assert relabel_sequential(labels).dtype == np.int32
    assert relabel_sequential(np.zeros((0, 4), dtype=np.int32)).shape == (0, 4)


def test_small_objects_go_and_the_others_keep_their_ids():
    labels = np.array([[1, 1, 0], [1, 0, 7], [0, 3, 3]])

    assert remove_small(labels, 2).tolist() == [[1, 1, 0], [1, 0, 0], [0, 3, 3]]
    assert remove_small(labels, 3).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_each_object_keeps_its_largest_piece():
    labels = np.array([[5, 5, 0, 5, 0, 2], [5, 5, 0, 5, 0, 2], [0, 0, 0, 0, 0, 0], [2, 2, 2, 0, 5, 0]])

    kept = keep_largest_pieces(labels)

    assert kept.tolist() == [[5, 5, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [2, 2, 2, 0, 0, 0]]


def test_holes_inside_one_object_are_filled_and_others_stay_open():
    labels = np.zeros((9, 20), dtype=np.int32)
    labels[1:8, 1:8] = 1
    labels[3:5, 3:5] = 0  # a hole in object 1
    labels[1:8, 10:14], labels[1:8, 14:18] = 2, 3
    labels[3:5, 13:15] = 0  # a gap between two objects
    labels[0:3, 6] = 0  # a bay, open to the edge

    filled = fill_holes(labels)

    assert (filled[3:5, 3:5] == 1).all()
    assert (filled[3:5, 13:15] == 0).all()
    assert (filled[0:3, 6] == 0).all()


def test_an_object_in_anothers_hole_survives_filling():
    labels = np.ones((9, 9), dtype=np.int32)
    labels[0], labels[-1], labels[:, 0], labels[:, -1] = 0, 0, 0, 0
    labels[3:6, 3:6] = 0
    labels[4, 4] = 2

    assert fill_holes(labels)[4, 4] == 2


def test_clean_up_fills_sorts_and_leaves_its_input_alone():
    labels = np.zeros((12, 12), dtype=np.int64)
    labels[6:11, 6:11] = 3
    labels[8, 8] = 0
    labels[1:4, 1:4] = 8
    labels[0, 11] = 3
    labels.flags.writeable = False

    cleaned = clean_up(labels, min_size=5)

    assert cleaned.dtype == np.int32
    assert cleaned[2, 2] == 1
    assert cleaned[8, 8] == 2
    assert cleaned[0, 11] == 0


@pytest.mark.parametrize("spatial", [2, 3])
def test_distance_watershed_splits_touching_discs_at_the_neck(spatial):
    shape = (24, 44, 44)[-spatial:]
    middle = (12,) * (spatial - 2)
    truth = labelled_balls(shape, ((*middle, 14, 13), 9), ((*middle, 14, 29), 9), ((*middle, 35, 35), 7))

    labels = distance_watershed(truth > 0, diameter=18)

    assert labels.max() > 0
    assert len(np.unique(labels)) - 1 == 3
    for cell in (1, 2, 3):
        ids, counts = np.unique(labels[truth == cell], return_counts=True)
        assert counts.max() / counts.sum() > 0.95, ids


def test_distance_watershed_knows_that_voxels_are_not_cubes():
    truth = labelled_balls((48, 36, 36), ((24, 18, 10), 9), ((24, 18, 26), 9))[::3]  # z is three times as coarse

    labels = distance_watershed(truth > 0, diameter=18, spacing=(3.0, 1.0, 1.0))

    assert len(np.unique(labels)) - 1 == 2


def test_a_single_object_and_an_empty_foreground_stay_what_they_are():
    one = labelled_balls((30, 30), ((15, 15), 9)) > 0

    assert np.array_equal(distance_watershed(one, diameter=18) > 0, one)
    assert distance_watershed(one, diameter=18).max() == 1
    assert not distance_watershed(np.zeros((5, 5), dtype=bool), diameter=18).any()
    assert distance_watershed(np.ones((1, 1), dtype=bool), diameter=18).tolist() == [[1]]


def test_components_touch_through_corners():
    assert label_components(np.eye(4, dtype=bool)).max() == 1


def two_blobs():
    """Two probable cores in one foreground with a bridge, and a foreground island without a core."""
    foreground = np.zeros((20, 40))
    foreground[4:16, 4:16], foreground[4:16, 22:34], foreground[9:11, 16:22] = 0.9, 0.8, 0.6
    foreground[1, 36:39] = 0.9
    return np.where(ndimage.minimum_filter(foreground, 5) > 0.5, 0.95, 0.3), foreground


def test_seeded_watershed_gives_one_connected_object_per_core():
    interior, foreground = two_blobs()

    labels = seeded_watershed(interior, foreground, seed_threshold=0.7, foreground_threshold=0.5)

    assert labels.dtype == np.int32
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert labels[10, 8] == 1
    assert labels[10, 28] == 2
    assert not labels[1, 36:39].any()
    assert not labels[foreground <= 0.5].any()
    assert all(ndimage.label(labels == cell)[1] == 1 for cell in (1, 2))


def test_raising_the_foreground_threshold_never_adds_pixels():
    interior, foreground = two_blobs()
    grown = [
        seeded_watershed(interior, foreground, seed_threshold=0.7, foreground_threshold=t) > 0
        for t in (0.3, 0.5, 0.7, 0.85)
    ]

    for larger, smaller in pairwise(grown):
        assert not (smaller & ~larger).any()
    assert grown[-1].sum() < grown[0].sum()


def test_without_seeds_nothing_is_found():
    interior, foreground = two_blobs()

    assert not seeded_watershed(interior, foreground, seed_threshold=1.0, foreground_threshold=0.5).any()
    empty = np.zeros((4, 4))
    assert not seeded_watershed(empty, empty, seed_threshold=0.5, foreground_threshold=0.5).any()


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize(("shape", "spacing"), [((41, 50), (1.0, 1.0)), ((9, 16, 21), (3.0, 1.0, 0.5))])
def test_distances_on_a_coarse_grid_are_those_of_the_full_grid(shape, spacing, step):
    mask = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(shape), 2) > -0.05
    expected = ndimage.distance_transform_edt(mask, sampling=spacing)[(slice(None, None, step),) * len(shape)]

    found = distance_to_background(mask, spacing=spacing, step=(step,) * len(shape))

    assert found == pytest.approx(expected, rel=1e-5)


def test_a_mask_without_background_is_equally_deep_everywhere():
    depth = distance_to_background(np.ones((7, 9), dtype=bool), spacing=(1, 1), step=(2, 2))

    assert depth.shape == (4, 5)
    assert np.isfinite(depth).all()
    assert len(np.unique(depth)) == 1


def test_holes_of_a_mask_are_filled_but_not_bays():
    mask = np.zeros((9, 12), dtype=bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[0:4, 8:12] = True
    mask[0, 9] = False

    filled = fill_mask(mask)

    assert filled[3, 3]
    assert not filled[0, 9]
    assert np.array_equal(filled, ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("diameter", [15, 40], ids=["every pixel", "every other pixel"])
def test_an_elongated_cell_is_not_cut_but_a_waist_is(diameter):
    rows, columns = np.ogrid[:60, :160]
    rod = (abs(rows - 30) <= 20) & (abs(columns - 80) < 70)
    bent, waist = (rod & ((abs(rows - 30) <= half) | (abs(columns - 80) > 10)) for half in (19, 8))

    def n_pieces(shape, widest):
        return len(np.unique(distance_watershed(shape, diameter=diameter, widest_neck=widest))) - 1

    assert n_pieces(bent, 0.9) == 1
    assert n_pieces(bent, 1.0) > 1
    assert n_pieces(waist, 0.9) == 2


def test_splitting_on_every_other_pixel_loses_no_pixel_of_the_foreground():
    rng = np.random.default_rng(3)
    foreground = ndimage.gaussian_filter(rng.standard_normal((101, 130)), 4) > 0
    foreground[50] = True  # a line that the coarse grid holds, and one that it misses
    foreground[:, 61] = True

    labels = distance_watershed(foreground, diameter=20.0)

    assert np.array_equal(labels > 0, foreground)
    assert len(np.unique(labels)) > 5
