"""COCO's average precision of detections, with the settings of LIVECell.

Lin et al., "Microsoft COCO", ECCV 2014; Edlund et al., "LIVECell", Nature Methods 2021: up to 2000 detections an image,
and areas of cells. Computed by `pycocotools`; its own summary takes 100 detections for granted, so it is not used.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.detected import paste

MOST_DETECTIONS = (100, 500, 2000)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 324.0), "medium": (324.0, 961.0), "large": (961.0, 1e10)}
"""px²"""
Rle = dict[str, Any]
"""A mask as pycocotools encodes it: `size` and `counts`."""


@dataclass(frozen=True, kw_only=True)
class JudgedImage:
    """True objects of an image, and what was found.

    Parameters
    ----------
    shape : (Y, X)
    truth : sequence of Rle
    found : sequence of Rle
    boxes : (N, 4)
        Of what was found: x1, y1, x2, y2.
    scores : (N,)
    truth_classes, found_classes : (T,) and (N,) integer, optional
        One class by default.
    """

    shape: tuple[int, int]
    truth: Sequence[Rle]
    found: Sequence[Rle]
    boxes: Array
    scores: Array
    truth_classes: Array | None = None
    found_classes: Array | None = None


@dataclass(frozen=True, kw_only=True)
class CocoScores:
    """Average precision, from 0 to 1, NaN where there is nothing to find; means over the classes.

    `ap` is the mean over IoU 0.5, 0.55, …, 0.95, and so are those of small, medium and large objects; `recall` is the
    highest recall, averaged in the same way.
    """

    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    recall: float


def coco_scores(images: Sequence[JudgedImage], kind: Literal["bbox", "segm"] = "segm") -> CocoScores:
    """Score detections by their boxes or by their masks.

    Parameters
    ----------
    images : sequence of JudgedImage
        All images of a set: objects of all of them are ranked together.
    """
    from pycocotools.cocoeval import COCOeval

    truths, founds = [], []
    for index, image in enumerate(images):
        truths += _annotations(index, image.truth, image.truth_classes)
        founds += _annotations(index, image.found, image.found_classes, image.boxes, image.scores)
    with redirect_stdout(io.StringIO()):
        judge = COCOeval(_collection(images, truths), _collection(images, founds), kind)
        judge.params.maxDets = list(MOST_DETECTIONS)
        judge.params.areaRng = [list(limits) for limits in AREAS.values()]
        judge.params.areaRngLbl = list(AREAS)
        judge.params.catIds = sorted({one["category_id"] for one in truths}) or [1]
        judge.evaluate()
        judge.accumulate()
    precision, recall = judge.eval["precision"], judge.eval["recall"]  # (IoU, recall, class, area, most) without recall
    at = {name: _mean(precision[:, :, :, index, -1]) for index, name in enumerate(AREAS)}
    return CocoScores(
        ap=at["all"],
        ap_50=_mean(precision[0, :, :, 0, -1]),
        ap_75=_mean(precision[5, :, :, 0, -1]),
        ap_small=at["small"],
        ap_medium=at["medium"],
        ap_large=at["large"],
        recall=_mean(recall[:, :, 0, -1]),
    )


def judged(truth: Array, found: Detections, *, threshold: float = 0.5) -> JudgedImage:
    """Prepare an image for `coco_scores`.

    Parameters
    ----------
    truth : (Y, X) integer
        A label image, 0 is no object. Overlapping true objects have to be encoded by the caller.
    threshold : float
        Least probability of a pixel of a mask.
    """
    shape = (truth.shape[0], truth.shape[1])
    return JudgedImage(
        shape=shape,
        truth=encode_labels(truth),
        found=encode_masks(found, shape, threshold=threshold),
        boxes=found.boxes,
        scores=found.scores,
        found_classes=found.classes,
    )


def encode_labels(labels: Array) -> list[Rle]:
    """Encode each object of a label image (Y, X), in the order of ids."""
    windows = ndimage.find_objects(labels)
    found = [(index, window) for index, window in enumerate(windows, start=1) if window is not None]
    return [encode_window(labels[window] == index, window, labels.shape) for index, window in found]


def encode_masks(found: Detections, shape: tuple[int, int], *, threshold: float = 0.5) -> list[Rle]:
    """Encode the masks of detections in an image of shape (Y, X), in their order."""
    encoded = []
    for mask, box in zip(found.masks, found.boxes, strict=True):
        window, inside = paste(mask, box, shape, threshold)
        encoded.append(encode_window(inside, window, shape))
    return encoded


def encode_window(inside: Array, window: tuple[slice, ...], shape: tuple[int, ...]) -> Rle:
    """Encode a mask (y, x) bool that fills a window of an image of shape (Y, X), without drawing the image."""
    from pycocotools import mask as coder

    height, width = shape
    band = np.zeros((height, inside.shape[1]), bool)
    band[window[0]] = inside
    pixels = band.ravel(order="F")  # column after column, as COCO counts them
    changes = np.flatnonzero(np.diff(pixels, prepend=False)) + window[1].start * height
    counts = np.diff(changes, prepend=0, append=height * width)
    encoded: Rle = coder.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return encoded


def _annotations(
    image: int, masks: Sequence[Rle], classes: Array | None, boxes: Array | None = None, scores: Array | None = None
) -> list[dict[str, Any]]:
    from pycocotools import mask as coder

    annotations = []
    for index, mask in enumerate(masks):
        box = coder.toBbox(mask) if boxes is None else _corner_and_size(boxes[index])
        annotations.append(
            {
                "image_id": image,
                "category_id": 1 if classes is None else int(classes[index]) + 1,
                "segmentation": mask,
                "bbox": [float(value) for value in box],
                "area": float(coder.area(mask)),
                "iscrowd": 0,
                "score": 1.0 if scores is None else float(scores[index]),
            }
        )
    return annotations


def _corner_and_size(box: Array) -> Array:
    corner_and_size: Array = np.concatenate([box[:2], box[2:] - box[:2]])
    return corner_and_size


def _collection(images: Sequence[JudgedImage], annotations: Sequence[dict[str, Any]]) -> Any:
    """Make the index of pycocotools; ids begin at 1, because it takes 0 for no match."""
    from pycocotools.coco import COCO

    collection = COCO()
    collection.dataset = {
        "images": [
            {"id": index, "height": image.shape[0], "width": image.shape[1]} for index, image in enumerate(images)
        ],
        "categories": [{"id": one} for one in sorted({one["category_id"] for one in annotations})],
        "annotations": [{**one, "id": index} for index, one in enumerate(annotations, start=1)],
    }
    collection.createIndex()
    return collection


def _mean(values: Array) -> float:
    there = values[values > -1]
    return float(there.mean()) if there.size else float("nan")
