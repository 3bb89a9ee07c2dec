import numpy as np
import pytest
from pycocotools import mask as coder

from benchmarks._lib.detection_scores import (
    JudgedImage,
    coco_scores,
    encode_labels,
    encode_masks,
    encode_window,
    judged,
)
from napari_cellseg_ssl.core.data.detections import Detections


def grid(n, size=10, gap=2, columns=20):
    """A label image of n squares, and their boxes (n, 4)."""
    rows = -(-n // columns)
    labels = np.zeros((rows * (size + gap), columns * (size + gap)), np.int32)
    boxes = np.zeros((n, 4), np.float32)
    for index in range(n):
        y, x = (part * (size + gap) for part in divmod(index, columns))
        labels[y : y + size, x : x + size] = index + 1
        boxes[index] = x, y, x + size, y + size
    return labels, boxes


def found(boxes, scores=None):
    n = len(boxes)
    return Detections(
        boxes=boxes,
        scores=np.linspace(0.9, 0.5, n, dtype=np.float32) if scores is None else scores,
        classes=np.zeros(n, np.int64),
        masks=np.ones((n, 28, 28), np.float32),
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_perfect_detections_score_one(kind):
    labels, boxes = grid(30)

    scores = coco_scores([judged(labels, found(boxes))], kind)

    assert (scores.ap, scores.ap_50, scores.ap_75, scores.ap_small, scores.recall) == (1, 1, 1, 1, 1)
    assert np.isnan(scores.ap_large)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_shifted_detections_score_up_to_their_overlap(kind):
    labels, boxes = grid(30)

    scores = coco_scores([judged(labels, found(boxes + np.array([2, 0, 2, 0], np.float32)))], kind)  # IoU 0.667

    assert scores.ap_50 == 1
    assert scores.ap_75 == 0
    assert scores.ap == pytest.approx(0.4)  # 0.5, 0.55, 0.6 and 0.65 of ten


def test_more_than_a_hundred_objects_count():
    labels, boxes = grid(150)

    assert coco_scores([judged(labels, found(boxes))]).recall == 1


def test_areas_are_those_of_cells():
    small, small_boxes = grid(10, size=10)
    large, _ = grid(10, size=40, columns=5)

    scores = coco_scores([judged(small, found(small_boxes)), judged(large, found(np.zeros((0, 4), np.float32)))])

    assert (scores.ap_small, scores.ap_large) == (1, 0)
    assert np.isnan(scores.ap_medium)


def test_nothing_found_scores_zero_and_nothing_to_find_not_at_all():
    labels, boxes = grid(5)
    nothing = found(np.zeros((0, 4), np.float32))

    assert coco_scores([judged(labels, nothing)]).ap == 0
    assert np.isnan(coco_scores([judged(np.zeros_like(labels), found(boxes))]).ap)


def test_false_detections_cost_precision_by_their_rank():
    labels, boxes = grid(10)
    extra = np.array([[300, 300, 310, 310]], np.float32)
    last = judged(labels, found(np.concatenate([boxes, extra])))
    first = judged(labels, found(np.concatenate([extra, boxes])))

    assert coco_scores([last], "bbox").ap_50 == 1
    assert coco_scores([first], "bbox").ap_50 == pytest.approx(10 / 11, abs=0.01)


def test_scores_are_those_of_the_library_where_its_settings_are_ours(tmp_path):
    import json

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    images, truths, results = [], [], []
    for index in range(3):
        labels, boxes = grid(40)
        moved = (boxes + rng.normal(0, 1.2, boxes.shape)).astype(np.float32)
        detections = found(moved, scores=rng.random(40).astype(np.float32))
        images.append(judged(labels, detections))
        masks = encode_masks(detections, labels.shape)
        for box, mask in zip(boxes, encode_labels(labels), strict=True):
            corner = [*map(float, box[:2]), 10.0, 10.0]
            text = {**mask, "counts": mask["counts"].decode()}
            truths.append({"id": len(truths) + 1, "image_id": index, "category_id": 1, "bbox": corner})
            truths[-1] |= {"area": 100.0, "iscrowd": 0, "segmentation": text}
        for score, mask in zip(detections.scores, masks, strict=True):
            results.append({"image_id": index, "category_id": 1, "segmentation": mask, "score": float(score)})
    size = {"height": labels.shape[0], "width": labels.shape[1]}
    content = {"images": [{"id": i, **size} for i in range(3)], "categories": [{"id": 1}], "annotations": truths}
    (tmp_path / "truth.json").write_text(json.dumps(content), encoding="utf-8")
    truth = COCO(str(tmp_path / "truth.json"))
    judge = COCOeval(truth, truth.loadRes(results), "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()

    ours = coco_scores(images, "segm")

    assert 0.1 < ours.ap < 0.9
    assert [ours.ap, ours.ap_50, ours.ap_75] == pytest.approx(judge.stats[:3].tolist())


def test_classes_are_scored_by_themselves():
    labels, boxes = grid(10)
    masks = encode_labels(labels)
    classes = np.arange(10) % 2
    image = JudgedImage(
        shape=labels.shape,
        truth=masks,
        found=masks,
        boxes=boxes,
        scores=0.5 + classes / 4,
        truth_classes=classes,
        found_classes=np.zeros(10, int),
    )

    assert coco_scores([image], "bbox").ap_50 == pytest.approx(0.25)  # of the first class all, at precision one half


def test_masks_are_encoded_as_the_library_encodes_whole_images():
    rng = np.random.default_rng(0)
    for _ in range(20):
        whole = np.zeros((9, 11), bool)
        y, x = rng.integers(0, 6, 2)
        window = (slice(y, y + 3), slice(x, x + 4))
        whole[window] = rng.random(whole[window].shape) < 0.6

        assert encode_window(whole[window], window, whole.shape) == coder.encode(
            np.asfortranarray(whole.view(np.uint8))
        )


def test_masks_are_encoded_where_they_are():
    labels, boxes = grid(3)
    wholes = [np.asfortranarray((labels == index).astype(np.uint8)) for index in (1, 2, 3)]

    assert encode_masks(found(boxes), labels.shape) == [coder.encode(whole) for whole in wholes]
    assert encode_labels(labels) == encode_masks(found(boxes), labels.shape)
    outside = encode_masks(found(boxes + 1000), labels.shape)
    assert [coder.area(mask) for mask in outside] == [0, 0, 0]
