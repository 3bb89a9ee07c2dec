import time

import numpy as np
import pytest

from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.metrics.scores import (
    image_scores,
    match_instances,
    mean_overlap,
    object_table,
    overlap,
    pooled_f1,
    set_scores,
    sparse_score,
)


def random_pair(seed, shape):
    """Blocky objects and a disturbed copy of them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 7, tuple(s // 3 + 1 for s in shape))
    truth = np.kron(coarse, np.ones((3,) * len(shape), dtype=int))[tuple(slice(0, s) for s in shape)]
    shifted = np.roll(truth, rng.integers(0, 2), axis=0)
    prediction = np.where(rng.random(shape) < 0.25, rng.integers(0, 7, shape), shifted)
    return truth.astype(np.int32), prediction.astype(np.int32)


def slow_scores(truth, prediction):
    """The definitions, object by object."""
    t_ids, p_ids = ([i for i in np.unique(x) if i] for x in (truth, prediction))
    found, seg = set(), []
    for t in t_ids:
        best = 0.0
        for p in p_ids:
            shared = np.sum((truth == t) & (prediction == p))
            iou = shared / np.sum((truth == t) | (prediction == p))
            if iou > 0.5:
                found.add((t, p))
            if shared > np.sum(truth == t) / 2:
                best = iou
        seg.append(best)
    tp, n_t, n_p = len(found), len(t_ids), len(p_ids)
    both = np.sum((truth > 0) & (prediction > 0))
    return {
        "f1_50": 2 * tp / (n_t + n_p),
        "ap_50": tp / n_p,
        "s_dsb": tp / (n_t + n_p - tp),
        "seg": np.mean(seg),
        "dice": 2 * both / (np.sum(truth > 0) + np.sum(prediction > 0)),
        "pr_50": tp / n_p * tp / n_t,
    }


@pytest.mark.parametrize("shape", [(24, 25), (6, 11, 12)])
def test_scores_are_those_of_the_definitions(shape):
    for seed in range(25):
        truth, prediction = random_pair(seed, shape)
        fast = image_scores(truth, prediction)

        for name, value in slow_scores(truth, prediction).items():
            assert getattr(fast, name) == pytest.approx(value, abs=1e-12), name


def test_scores_by_hand_three_cells_and_four_predictions():
    truth, prediction = np.zeros((2, 4, 40), dtype=np.int32)
    truth[:, 0:10], truth[:, 12:22], truth[:, 24:34] = 1, 2, 3
    prediction[:, 0:10] = 5  # IoU 1
    prediction[:, 12:18] = 6  # IoU 0.6
    prediction[:, 24:28], prediction[:, 36:39] = 7, 8  # IoU 0.4; nothing

    scores = image_scores(truth, prediction)

    assert (scores.tp, scores.n_truth, scores.n_prediction) == (2, 3, 4)
    assert scores.f1_50 == pytest.approx(4 / 7)
    assert scores.ap_50 == pytest.approx(2 / 4)
    assert scores.pr_50 == pytest.approx(2 / 4 * 2 / 3)
    assert scores.s_dsb == pytest.approx(2 / 5)
    assert scores.seg == pytest.approx((1 + 0.6 + 0) / 3)
    assert scores.ap_10_90 == pytest.approx(np.mean([3, 3, 3, 2, 2, 1, 1, 1, 1]) / 4)


def test_an_iou_of_exactly_one_half_is_no_match():
    truth, prediction = np.zeros((2, 1, 9), dtype=np.int32)
    truth[0, :4], prediction[0, :2] = 1, 1

    assert match_instances(truth, prediction).tp == 0


def test_ids_may_have_gaps_be_large_and_of_any_type():
    truth, prediction = random_pair(3, (24, 25))
    expected = image_scores(truth, prediction)

    spread = np.array([0, 3, 5, 9, 40, 70_000, 2**31 - 1])
    assert image_scores(spread[truth], prediction.astype(np.uint16)) == expected
    one_each = image_scores(truth > 0, prediction > 0)
    assert (one_each.n_truth, one_each.n_prediction) == (1, 1)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"), [(0, 0, 1.0), (0, 1, 0.0), (1, 0, 0.0)], ids=["both", "truth", "prediction"]
)
def test_empty_images_score_by_convention(truth, prediction, expected):
    scores = image_scores(np.full((5, 5), truth), np.full((5, 5), prediction))

    assert (scores.f1_50, scores.ap_50, scores.ap_10_90, scores.s_dsb, scores.dice) == (expected,) * 5
    assert np.isnan(scores.seg) == (truth == 0)


def test_a_set_scores_as_the_mean_of_images_and_pooled_over_objects():
    good = np.zeros((12, 12), dtype=np.int32)
    good[1:5, 1:5], good[6:10, 6:10] = 1, 2
    nothing = np.zeros_like(good)

    scores = set_scores([image_scores(good, good), image_scores(good, nothing), image_scores(nothing, nothing)])

    assert scores["f1_50"] == pytest.approx(2 / 3)
    assert scores["seg"] == pytest.approx(1 / 2)  # the empty image has no SEG
    assert scores["f1_pooled"] == pytest.approx(2 * 2 / (4 + 2))
    assert scores["seg_pooled"] == pytest.approx(1 / 2)
    assert (scores["n_images"], scores["n_truth"], scores["n_prediction"]) == (3, 4, 2)


def test_low_thresholds_find_the_largest_matching_not_the_greedy_one():
    # The wide prediction overlaps both cells; the narrow one only the first, and less well than the wide one does.
    truth, prediction = np.zeros((2, 10, 60), dtype=np.int32)
    truth[:, 0:20], truth[:, 20:40] = 1, 2
    prediction[:6, 4:20], prediction[:, 20:24] = 1, 1
    prediction[6:, 0:20] = 2

    matches = match_instances(truth, prediction, threshold=0.1)

    assert dict(zip(matches.truth_ids, matches.prediction_ids, strict=True)) == {1: 2, 2: 1}


def test_lower_thresholds_never_find_fewer_objects():
    for seed in range(10):
        truth, prediction = random_pair(seed, (24, 25))
        found = [match_instances(truth, prediction, t).tp for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
        assert found == sorted(found, reverse=True)


def test_labels_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(WrongAnnotation, match=r"\(3, 4\).*\(4, 3\)"):
        overlap(np.zeros((3, 4), int), np.zeros((4, 3), int))


def test_scoring_thousands_of_objects_takes_no_longer_than_reading_the_pixels():
    truth = np.kron(np.arange(1, 10_001).reshape(100, 100), np.ones((10, 10), dtype=np.int64))
    start = time.process_time()
    scores = image_scores(truth, np.roll(truth, 1, axis=0))

    assert scores.tp == 10_000
    assert time.process_time() - start < 5


def test_sparse_score_is_the_ordinary_f1_where_everything_is_known():
    for seed in range(20):
        truth, prediction = random_pair(seed, (24, 25))
        everywhere = np.ones(truth.shape, dtype=bool)

        assert sparse_score(truth, everywhere, prediction).f1 == image_scores(truth, prediction).f1_50


def test_sparse_score_leaves_out_predictions_nobody_annotated():
    cells, known = np.zeros((20, 40), dtype=np.int32), np.zeros((20, 40), dtype=bool)
    cells[2:8, 2:8] = 1
    known[:, :20] = True
    prediction = cells.copy()
    prediction[2:8, 30:36] = 2  # wholly unknown
    prediction[12:18, 17:24] = 3  # 3 of 7 columns known
    counted = sparse_score(cells, known, prediction)
    assert (counted.tp, counted.fp, counted.fn) == (1, 0, 0)

    prediction[12:18, 2:8] = 4  # on painted background
    counted = sparse_score(cells, known, prediction)
    assert (counted.tp, counted.fp, counted.fn) == (1, 1, 0)


def test_a_prediction_that_swallows_a_painted_cell_is_wrong_though_most_of_it_is_unknown():
    cells, known = np.zeros((10, 60), dtype=np.int32), np.zeros((10, 60), dtype=bool)
    cells[:, 0:10], known[:, 0:10] = 1, True
    merged, beside = np.zeros((2, 10, 60), dtype=np.int32)
    merged[:, 4:40] = 1  # 6 of the cell's 10 columns
    beside[:, 5:40] = 1  # no more than half of them: it may be a neighbour that is drawn too large

    counted = sparse_score(cells, known, merged)
    assert (counted.tp, counted.fp, counted.fn) == (0, 1, 1)
    assert counted.judged_ids.tolist() == [1]
    counted = sparse_score(cells, known, beside)
    assert (counted.tp, counted.fp, counted.fn) == (0, 0, 1)


def test_a_painted_cell_in_two_pieces_is_one_missed_and_two_wrong():
    cells, known = np.zeros((10, 30), dtype=np.int32), np.zeros((10, 30), dtype=bool)
    cells[:, 0:10], known[:, 0:10] = 1, True
    halves = np.zeros_like(cells)
    halves[:, 0:5], halves[:, 5:10] = 1, 2

    counted = sparse_score(cells, known, halves)

    assert (counted.tp, counted.fp, counted.fn) == (0, 2, 1)
    assert counted.best_iou.tolist() == [0.5]


def test_what_a_match_has_beyond_its_painted_cell_counts_even_where_nothing_is_known():
    cells, known = np.zeros((10, 60), dtype=np.int32), np.zeros((10, 60), dtype=bool)
    cells[:, 0:10], known[:, 0:10] = 1, True
    prediction = np.zeros_like(cells)
    prediction[:, 0:16] = 1

    assert mean_overlap([sparse_score(cells, known, prediction)]) == pytest.approx(10 / 16)
    assert mean_overlap([sparse_score(cells, known, np.zeros_like(cells))]) == 0.0
    assert mean_overlap([]) == 0.0


def test_a_cell_that_the_border_of_the_image_cuts_counts_like_any_other():
    cells = np.zeros((10, 20), dtype=np.int32)
    cells[0:3, 0:3] = 1
    known = cells > 0

    assert sparse_score(cells, known, cells).f1 == 1.0
    assert sparse_score(cells, known, np.zeros_like(cells)).f1 == 0.0


def test_sparse_scores_pool_over_images():
    cells = np.zeros((12, 12), dtype=np.int32)
    cells[1:5, 1:5], cells[6:10, 6:10] = 1, 2
    known = np.ones(cells.shape, dtype=bool)
    both = sparse_score(cells, known, cells)
    none = sparse_score(cells, known, np.zeros_like(cells))

    assert pooled_f1([both, none]) == pytest.approx(4 / 6)
    assert pooled_f1([]) == 1.0


def test_object_table_names_found_missed_and_extra_objects():
    truth, prediction = np.zeros((2, 10, 40), dtype=np.int32)
    truth[:, 0:10], truth[:, 12:22], truth[:, 24:34] = 1, 2, 3
    prediction[:, 0:10], prediction[:, 24:28], prediction[:, 36:39] = 5, 7, 8

    rows = {(row.verdict, row.truth_id, row.prediction_id): row for row in object_table(truth, prediction)}

    assert set(rows) == {
        ("found", 1, 5),
        ("missed", 2, 0),
        ("missed", 3, 7),
        ("extra", 0, 7),
        ("extra", 0, 8),
    }
    assert rows["missed", 3, 7].iou == pytest.approx(0.4)
    assert rows["found", 1, 5].truth_area == rows["found", 1, 5].prediction_area == 100


def test_object_table_says_of_what_nobody_painted_that_it_is_unknown():
    truth, prediction = np.zeros((2, 10, 40), dtype=np.int32)
    truth[:, 0:10] = 2
    known = np.zeros(truth.shape, bool)
    known[:, :16] = True
    prediction[:, 0:10], prediction[:, 12:15], prediction[:, 20:30] = 5, 7, 8

    rows = object_table(truth, prediction, known)

    assert [(row.verdict, row.truth_id, row.prediction_id) for row in rows] == [
        ("found", 2, 5),
        ("extra", 0, 7),
        ("unknown", 0, 8),
    ]


def test_object_table_of_empty_labels_is_empty():
    empty = np.zeros((5, 5), dtype=np.int32)
    assert object_table(empty, empty) == []
    assert [row.verdict for row in object_table(empty + 1, empty)] == ["missed"]
