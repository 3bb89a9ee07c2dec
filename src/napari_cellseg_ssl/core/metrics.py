"""Scores of instance segmentations by the papers' definitions, for complete and for sparse annotations, 2D and 3D.

Decisions where the sources differ:

- An object is found when its IoU is strictly above the threshold, so pairs at 0.5 are unique.
- The AP of a threshold is TP / (TP + FP), the formula that the ACTIS paper prints. Its published tables follow
  precision × recall instead: that is here too, as `pr_50` and `pr_10_90`. Both averages run over 0.1, 0.2 … 0.9.
- An image without objects in truth and prediction scores 1; where only one of them is empty, 0. SEG of an image
  without true objects does not exist: NaN, left out of means.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.matching import Matches, compact_ids, match_instances, match_pairs, overlap

__all__ = [
    "MEAN_SCORES",
    "THRESHOLDS",
    "ImageScores",
    "Matches",
    "ObjectMatch",
    "image_scores",
    "match_instances",
    "object_table",
    "overlap",
    "pooled_f1",
    "set_scores",
    "sparse_score",
]

THRESHOLDS = tuple(round(0.1 * k, 1) for k in range(1, 10))
MEAN_SCORES = ("f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice", "pr_50", "pr_10_90")


@dataclass(frozen=True, kw_only=True)
class ImageScores:
    """Scores of one image; see the module for definitions."""

    f1_50: float
    seg: float
    ap_50: float
    ap_10_90: float
    s_dsb: float
    dice: float
    pr_50: float
    pr_10_90: float
    n_truth: int
    n_prediction: int
    tp: int
    seg_sum: float


@dataclass(frozen=True, kw_only=True)
class ObjectMatch:
    """One line of a table of objects: a true object, found or missed, or a prediction that is none ("extra")."""

    verdict: str
    truth_id: int
    prediction_id: int
    iou: float
    truth_area: int
    prediction_area: int


def image_scores(truth: Array, prediction: Array) -> ImageScores:
    """Score one completely annotated image.

    Parameters
    ----------
    truth, prediction : (*S) integer
    """
    pairs = overlap(truth, prediction)
    at = {threshold: match_pairs(pairs, threshold) for threshold in THRESHOLDS}
    half = at[0.5]
    found_iou = np.zeros(half.n_truth)
    covers_most = 2 * pairs.shared > pairs.truth_areas[pairs.truth]
    found_iou[pairs.truth[covers_most]] = pairs.iou[covers_most]
    return ImageScores(
        f1_50=half.f1,
        seg=float(found_iou.mean()) if half.n_truth else float("nan"),
        ap_50=half.precision,
        ap_10_90=_mean([m.precision for m in at.values()]),
        s_dsb=half.share(half.tp, half.tp + half.fp + half.fn),
        dice=half.share(2 * float(pairs.shared.sum()), float(pairs.truth_areas.sum() + pairs.prediction_areas.sum())),
        pr_50=half.precision * half.recall,
        pr_10_90=_mean([m.precision * m.recall for m in at.values()]),
        n_truth=half.n_truth,
        n_prediction=half.n_prediction,
        tp=half.tp,
        seg_sum=float(found_iou.sum()),
    )


def set_scores(images: Sequence[ImageScores]) -> dict[str, float]:
    """Average the scores of images, and pool their objects.

    Returns
    -------
    dict
        The mean over images of every score; `f1_pooled` and `seg_pooled` (as the Cell Tracking Challenge's SEG) over
        all objects of all images; `n_images`, `n_truth`, `n_prediction`.
    """
    rows = [asdict(one) for one in images]
    means = {name: _mean([row[name] for row in rows]) for name in MEAN_SCORES}
    n_truth, n_prediction, tp = (sum(row[name] for row in rows) for name in ("n_truth", "n_prediction", "tp"))
    seg_sum = sum(row["seg_sum"] for row in rows)
    return {
        **means,
        "f1_pooled": 2 * tp / (n_truth + n_prediction) if n_truth + n_prediction else float(bool(rows)),
        "seg_pooled": seg_sum / n_truth if n_truth else float("nan"),
        "n_images": len(rows),
        "n_truth": n_truth,
        "n_prediction": n_prediction,
    }


def sparse_score(cells: Array, known: Array, prediction: Array) -> Matches:
    """Match predictions with painted cells where not everything is painted.

    Predictions of which less than half lies on known pixels are left out: nobody said whether they are right. The
    rest is matched at IoU 0.5, and its `f1` is the sparse score; where all is known, that is the ordinary F1.

    Parameters
    ----------
    cells : (*S) integer
        Painted cells, whole ones; 0 = no cell.
    known : (*S) bool
        Where `cells` may be believed.
    prediction : (*S) integer
    """
    pairs = overlap(np.where(known, cells, 0), prediction)
    p, prediction_ids = compact_ids(prediction)
    known_areas = np.bincount(p[known.ravel()], minlength=len(prediction_ids) + 1)[1:]
    judged = 2 * known_areas >= pairs.prediction_areas
    # A match covers more than half of its prediction with painted pixels, so every matched prediction is judged.
    matched = match_pairs(pairs, 0.5)
    return Matches(
        truth_ids=matched.truth_ids,
        prediction_ids=matched.prediction_ids,
        iou=matched.iou,
        n_truth=matched.n_truth,
        n_prediction=int(judged.sum()),
    )


def pooled_f1(matches: Sequence[Matches]) -> float:
    """F1 over the objects of several images together; 1 when there are none anywhere."""
    found = 2 * sum(m.tp for m in matches)
    everything = sum(m.n_truth + m.n_prediction for m in matches)
    return found / everything if everything else 1.0


def object_table(truth: Array, prediction: Array, threshold: float = 0.5) -> list[ObjectMatch]:
    """List every true object, found or missed, with its best partner, then the predictions that found nothing.

    Parameters
    ----------
    truth, prediction : (*S) integer
    threshold : float
        IoU above which an object counts as found.
    """
    pairs = overlap(truth, prediction)
    matched = match_pairs(pairs, threshold)
    partner = dict(zip(matched.truth_ids.tolist(), matched.prediction_ids.tolist(), strict=True))
    iou, best = pairs.iou, {}
    for k in np.argsort(iou, kind="stable"):  # rising, so that the best overlap is the last to be written
        best[int(pairs.truth[k])] = int(k)
    area = dict(zip(pairs.prediction_ids.tolist(), pairs.prediction_areas.tolist(), strict=True))
    lookup = {(int(t), int(p)): float(v) for t, p, v in zip(pairs.truth, pairs.prediction, iou, strict=True)}
    place = {id_: k for k, id_ in enumerate(pairs.prediction_ids.tolist())}
    rows = []
    for k, (truth_id, truth_area) in enumerate(zip(pairs.truth_ids.tolist(), pairs.truth_areas.tolist(), strict=True)):
        other = partner.get(truth_id)
        if other is None and k in best:
            other = int(pairs.prediction_ids[pairs.prediction[best[k]]])
        rows.append(
            ObjectMatch(
                verdict="found" if truth_id in partner else "missed",
                truth_id=truth_id,
                prediction_id=other or 0,
                iou=lookup[k, place[other]] if other else 0.0,
                truth_area=truth_area,
                prediction_area=area.get(other or 0, 0),
            )
        )
    taken = set(matched.prediction_ids.tolist())
    return rows + [
        ObjectMatch(verdict="extra", truth_id=0, prediction_id=id_, iou=0.0, truth_area=0, prediction_area=size)
        for id_, size in area.items()
        if id_ not in taken
    ]


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if v == v]
    return float(np.mean(finite)) if finite else float("nan")
