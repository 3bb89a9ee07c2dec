from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.inference.detection_windows import join_windows, plan_windows
from napari_cellseg_ssl.core.segmentation import detected
from napari_cellseg_ssl.core.segmentation.detected import paste, to_labels

FULL = np.ones((28, 28), np.float32)


def found(boxes, scores=None, masks=None):
    n = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.linspace(0.9, 0.6, n, dtype=np.float32) if scores is None else np.array(scores, np.float32),
        classes=np.zeros(n, np.int64),
        masks=np.stack([FULL] * n) if masks is None else np.array(masks, np.float32),
    )


@pytest.mark.parametrize("box", [(3, 4, 10, 20), (0, 0, 200, 3), (2.6, 2.4, 9.4, 9.6)])
def test_a_full_mask_fills_the_pixels_whose_middles_are_in_its_box(box):
    drawn = np.zeros((40, 60), bool)
    window, inside = paste(FULL, np.array(box), drawn.shape)
    drawn[window] = inside

    y, x = np.mgrid[:40, :60] + 0.5
    assert np.array_equal(drawn, (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3]))


def test_half_a_mask_fills_half_of_its_box():
    mask = FULL.copy()
    mask[:, 14:] = 0

    _, inside = paste(mask, np.array([0, 0, 56, 56]), (56, 56))

    assert inside[:, :28].all()
    assert not inside[:, 28:].any()


def test_what_is_outside_of_the_image_is_cut_off():
    window, inside = paste(FULL, np.array([-5, -5, 5, 3]), (10, 10))

    assert window == (slice(0, 3), slice(0, 5))
    assert inside.all()
    assert paste(FULL, np.array([20, 20, 30, 30]), (10, 10))[1].size == 0
    assert paste(FULL, np.array([5.6, 5.6, 5.9, 5.9]), (10, 10))[1].size == 0


def test_better_objects_keep_their_pixels_and_those_that_lost_most_are_left_out():
    labels, kept = to_labels(found([(0, 0, 10, 10), (6, 0, 16, 10), (1, 1, 9, 9), (20, 20, 24, 24)]), (30, 30))

    assert kept.tolist() == [0, 1, 3]
    assert labels.dtype == np.int32
    assert [(labels == i).sum() for i in (1, 2, 3)] == [100, 60, 16]


def test_low_scores_and_small_objects_are_left_out():
    detections = found([(0, 0, 10, 10), (20, 0, 22, 2), (10, 20, 20, 30)], scores=[0.9, 0.8, 0.4])

    assert to_labels(detections, (30, 30), smallest=10)[1].tolist() == [0]
    assert to_labels(detections, (30, 30), score=0.3)[1].tolist() == [0, 1, 2]


def test_the_largest_piece_stays_and_its_holes_are_filled():
    mask = FULL.copy()
    mask[10:12, 10:12] = 0
    mask[:, 22:24] = 0

    labels, _ = to_labels(found([(0, 0, 28, 28)], masks=[mask]), (28, 28))

    assert (labels[:, :22] == 1).all()
    assert not labels[:, 22:].any()


def test_what_is_taken_for_one_piece_without_holes_is_one():
    rng = np.random.default_rng(0)
    simple = 0
    for _ in range(2000):
        mask = rng.random(rng.integers(1, 6, 2)) < rng.uniform(0.3, 0.95)
        if mask.any() and detected._is_in_one_piece(mask):
            simple += 1
            assert ndimage.label(mask)[1] == 1, mask
            assert (ndimage.binary_fill_holes(mask) == mask).all(), mask

    assert simple > 500
    assert detected._is_in_one_piece(np.ones((1, 1), bool))


def test_no_detections_are_no_objects():
    nothing = found(np.zeros((0, 4)), scores=[], masks=np.zeros((0, 28, 28)))

    labels, kept = to_labels(nothing, (5, 6))

    assert labels.shape == (5, 6)
    assert not labels.any()
    assert len(kept) == 0


@pytest.mark.parametrize("shape", [(100, 100), (300, 520), (257, 64)])
def test_windows_cover_the_image_and_overlap_enough(shape):
    windows = plan_windows(shape, 128, 48)

    seen = np.zeros(shape, int)
    for window in windows:
        seen[window.slices] += 1
        assert all(0 <= a < b <= size for a, b, size in zip(window.start, window.stop, shape, strict=True))
    assert seen.min() >= 1
    for axis in (0, 1):
        spans = sorted({(window.start[axis], window.stop[axis]) for window in windows})
        assert all(before[1] - after[0] >= 48 for before, after in pairwise(spans))


@pytest.mark.parametrize("shape", [(100, 100), (300, 520), (257, 64), (1, 1), (129, 135)])
def test_windows_on_a_grid_begin_at_its_points_and_overlap_as_much(shape):
    windows = plan_windows(shape, 100, 48, multiple_of=32)

    seen = np.zeros(shape, int)
    for window in windows:
        seen[window.slices] += 1
        assert all(start % 32 == 0 for start in window.start)
        assert all(b - a <= 128 and b <= size for a, b, size in zip(window.start, window.stop, shape, strict=True))
    assert seen.min() >= 1
    for axis in (0, 1):
        spans = sorted({(window.start[axis], window.stop[axis]) for window in windows})
        assert all(before[1] - after[0] >= 48 for before, after in pairwise(spans))


def seen_in(windows, boxes, rng=None):
    """What an ideal detector finds in each window: every object, cut at the window's sides."""
    parts = []
    for window in windows:
        (y1, x1), (y2, x2) = window.start, window.stop
        cut = np.stack(
            [
                np.maximum(boxes[:, 0], x1),
                np.maximum(boxes[:, 1], y1),
                np.minimum(boxes[:, 2], x2),
                np.minimum(boxes[:, 3], y2),
            ],
            axis=1,
        )
        visible = cut[((cut[:, 2:] - cut[:, :2]) > 2).all(1)]
        if rng is not None:
            visible = visible + rng.uniform(-0.5, 0.5, visible.shape)
        scores = np.full(len(visible), 0.9) if rng is None else rng.uniform(0.5, 1, len(visible))
        masks = np.ones((len(visible), 28, 28))
        parts.append(found(visible, scores=scores, masks=masks).moved(-y1, -x1))
    return parts


def test_a_cell_on_a_seam_is_found_once():
    windows = plan_windows((100, 180), 100, 40)
    for x in range(20, 150, 3):
        boxes = np.array([[x, 40.0, x + 20, 60.0]])

        joined = join_windows(windows, seen_in(windows, boxes))

        np.testing.assert_allclose(joined.boxes, boxes)


def test_every_one_of_three_thousand_cells_is_found_once():
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(55), np.arange(55)), axis=-1).reshape(-1, 2) * 22.0
    corner = places + rng.uniform(0, 2, places.shape)
    boxes = np.concatenate([corner, corner + rng.uniform(12, 20, places.shape)], axis=1)[:3000]
    windows = plan_windows((1220, 1220), 512, 64)

    joined = join_windows(windows, seen_in(windows, boxes, rng))

    assert len(joined) == 3000
    assert KDTree(joined.boxes).query(boxes)[0].max() < 2
    assert (np.diff(joined.scores) <= 0).all()


def test_an_object_longer_than_the_overlap_is_not_lost():
    windows = plan_windows((100, 180), 100, 20)
    boxes = np.array([[10.0, 40.0, 170.0, 60.0]])

    assert len(join_windows(windows, seen_in(windows, boxes))) >= 1
