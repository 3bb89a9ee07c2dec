import time

import numpy as np
import pytest

from napari_cellseg_ssl.core.segmentation.box_suppression import suppress, suppress_across


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def by_brute_force(boxes, scores, threshold):
    chosen = []
    for index in np.argsort(-scores, kind="stable"):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in chosen):
            chosen.append(int(index))
    return chosen


def random_boxes(rng, n, side=100, widest=30):
    corner = rng.uniform(0, side, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(3, widest, (n, 2))], axis=1).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("widest", [10, 60])
def test_the_choice_is_that_of_brute_force(threshold, widest):
    rng = np.random.default_rng(0)
    for _ in range(10):
        boxes, scores = random_boxes(rng, 80, widest=widest), rng.random(80)

        assert suppress(boxes, scores, threshold).tolist() == by_brute_force(boxes, scores, threshold)


def test_of_equal_scores_the_first_box_is_chosen():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10]], np.float32)

    assert suppress(boxes, np.ones(3), 0.5).tolist() == [0]


def test_nothing_is_chosen_from_nothing():
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.5, groups=np.zeros(0)).tolist() == []
    assert suppress_across(np.zeros((0, 4)), np.zeros(0), np.zeros(0)).tolist() == []


def test_groups_do_not_suppress_each_other_and_the_limit_holds():
    boxes = np.array([[0, 0, 10, 10]] * 4, np.float32)
    scores, groups = np.array([0.1, 0.4, 0.3, 0.2]), np.array([0, 1, 1, 2])

    assert suppress(boxes, scores, 0.5, groups=groups).tolist() == [1, 3, 0]
    assert suppress(boxes, scores, 0.5, groups=groups, limit=2).tolist() == [1, 3]


def test_three_thousand_boxes_take_a_fraction_of_a_second():
    rng = np.random.default_rng(1)
    boxes, scores = random_boxes(rng, 3000, side=1500), rng.random(3000)

    start = time.process_time()
    chosen = suppress(boxes, scores, 0.5)

    assert len(chosen) > 1000
    assert time.process_time() - start < 1


def test_across_parts_a_fragment_within_a_whole_object_goes():
    boxes = np.array([[0, 0, 20, 20], [2, 2, 20, 10], [2, 2, 20, 10]], np.float32)
    scores = np.array([0.8, 0.7, 0.7])

    assert suppress_across(boxes, scores, np.array([0, 1, 0])).tolist() == [0, 2]
    assert suppress_across(boxes, scores, np.array([0, 1, 0]), kinds=np.array([0, 1, 0])).tolist() == [0, 1, 2]
