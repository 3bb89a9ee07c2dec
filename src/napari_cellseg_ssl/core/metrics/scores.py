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

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.matching import (
    Matches,
    Overlap,
    SparseMatches,
    compact_ids,
    match_instances,
    match_pairs,
    overlap,
)

__all__ = [
    "MEAN_SCORES",
    "THRESHOLDS",
    "ImageScores",
    "Matches",
    "ObjectMatch",
    "SparseMatches",
    "image_scores",
    "match_instances",
    "mean_overlap",
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
    """One line of a table of objects.

    `verdict` is "found" or "missed" for a true object, with the prediction that overlaps it best; "extra" for a
    prediction that is no true object; "unknown" for one that nobody can judge.
    """

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


def sparse_score(cells: Array, known: Array, prediction: Array) -> SparseMatches:
    """Match predictions with painted cells where not everything is painted.

    A prediction that matches no painted cell at IoU 0.5 counts as wrong only where the painting says so: when at least
    half of it lies on known pixels, or when it covers more than half of a painted cell. All others may be cells that
    nobody painted, and are left out. Where all is known, `f1` is the ordinary one.

    A painted cell is a whole cell, so what a prediction has beyond it lowers their IoU, on known pixels or not. Cells
    that the border of the image cuts count like any other.

    Parameters
    ----------
    cells : (*S) integer
        Painted cells, whole ones; 0 = no cell.
    known : (*S) bool
        Where `cells` may be believed.
    prediction : (*S) integer
    """
    pairs = overlap(np.where(known, cells, 0), prediction)
    matched = match_pairs(pairs, 0.5)
    judged = _judged(pairs, known, prediction)
    best = np.zeros(len(pairs.truth_ids))
    np.maximum.at(best, pairs.truth, pairs.iou)
    return SparseMatches(
        truth_ids=matched.truth_ids,
        prediction_ids=matched.prediction_ids,
        iou=matched.iou,
        n_truth=matched.n_truth,
        n_prediction=int(judged.sum()),
        judged_ids=pairs.prediction_ids[judged],
        best_iou=best,
    )


def _judged(pairs: Overlap, known: Array, prediction: Array) -> Array:
    """Tell which predictions the painting says something about, (n_prediction,) bool; every matched one is."""
    compact, ids = compact_ids(prediction)
    known_areas = np.bincount(compact[known.ravel()], minlength=len(ids) + 1)[1:]
    judged: Array = 2 * known_areas >= pairs.prediction_areas
    judged[pairs.prediction[2 * pairs.shared > pairs.truth_areas[pairs.truth]]] = True
    return judged


def pooled_f1(matches: Sequence[Matches]) -> float:
    """F1 over the objects of several images together; 1 when there are none anywhere."""
    found = 2 * sum(m.tp for m in matches)
    everything = sum(m.n_truth + m.n_prediction for m in matches)
    return found / everything if everything else 1.0


def mean_overlap(matches: Sequence[SparseMatches]) -> float:
    """Mean over the painted cells of several images of the best IoU that a prediction has; 0 when there are none."""
    best = np.concatenate([np.zeros(0), *(m.best_iou for m in matches)])
    return float(best.mean()) if best.size else 0.0


def object_table(truth: Array, prediction: Array, known: Array | None = None) -> list[ObjectMatch]:
    """List every true object, found at IoU 0.5 or missed, with its best partner; then the predictions that are none.

    Parameters
    ----------
    truth, prediction : (*S) integer
    known : (*S) bool, optional
        Where `truth` may be believed; None = everywhere. Predictions about which it says nothing are "unknown" instead
        of "extra": see `sparse_score`.
    """
    known = np.ones(truth.shape, bool) if known is None else known
    pairs = overlap(np.where(known, truth, 0), prediction)
    iou = pairs.iou
    rising = np.argsort(iou, kind="stable")
    best = np.full(len(pairs.truth_ids), -1)
    best[pairs.truth[rising]] = rising  # the last to be written stays
    rows = [_true_object(pairs, iou, k, pair) for k, pair in enumerate(best.tolist())]
    verdicts = np.where(_judged(pairs, known, prediction), "extra", "unknown")
    verdicts[pairs.prediction[iou > 0.5]] = "found"
    others = zip(verdicts.tolist(), pairs.prediction_ids.tolist(), pairs.prediction_areas.tolist(), strict=True)
    return rows + [
        ObjectMatch(verdict=verdict, truth_id=0, prediction_id=id_, iou=0.0, truth_area=0, prediction_area=area)
        for verdict, id_, area in others
        if verdict != "found"
    ]


def _true_object(pairs: Overlap, iou: Array, k: int, pair: int) -> ObjectMatch:
    """Make the row of the k-th true object; `pair` is its best overlap, -1 where nothing touches it."""
    partner = pairs.prediction[pair] if pair >= 0 else None
    return ObjectMatch(
        verdict="found" if partner is not None and iou[pair] > 0.5 else "missed",
        truth_id=int(pairs.truth_ids[k]),
        prediction_id=0 if partner is None else int(pairs.prediction_ids[partner]),
        iou=0.0 if partner is None else float(iou[pair]),
        truth_area=int(pairs.truth_areas[k]),
        prediction_area=0 if partner is None else int(pairs.prediction_areas[partner]),
    )


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if v == v]
    return float(np.mean(finite)) if finite else float("nan")
