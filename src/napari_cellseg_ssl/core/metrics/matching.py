"""Which predicted object is which true one: overlaps of two label images and their one-to-one matching, 2D and 3D."""

from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core import messages
from napari_cellseg_ssl.core.data.images import Array


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """All pairs of objects that share pixels, and the size of every object.

    Parameters
    ----------
    truth_ids, truth_areas : (n_truth,) int64
    prediction_ids, prediction_areas : (n_prediction,) int64
    truth, prediction : (pairs,) int64
        Positions in the lists above, not ids.
    shared : (pairs,) int64, px
    """

    truth_ids: Array
    truth_areas: Array
    prediction_ids: Array
    prediction_areas: Array
    truth: Array
    prediction: Array
    shared: Array

    @property
    def iou(self) -> Array:
        """Intersection over union of each pair, (pairs,) float64."""
        union = self.truth_areas[self.truth] + self.prediction_areas[self.prediction] - self.shared
        iou: Array = self.shared / union
        return iou


@dataclass(frozen=True, kw_only=True)
class Matches:
    """One-to-one pairs at one threshold: ids, their IoU, and the counts."""

    truth_ids: Array
    prediction_ids: Array
    iou: Array
    n_truth: int
    n_prediction: int

    @property
    def tp(self) -> int:
        """Number of found objects."""
        return len(self.iou)

    @property
    def fp(self) -> int:
        """Number of predicted objects that are none."""
        return self.n_prediction - self.tp

    @property
    def fn(self) -> int:
        """Number of missed objects."""
        return self.n_truth - self.tp

    def share(self, numerator: float, denominator: float) -> float:
        """Divide, by the conventions for empty images."""
        if self.n_truth == self.n_prediction == 0:
            return 1.0
        return numerator / denominator if denominator else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return self.share(2 * self.tp, self.n_truth + self.n_prediction)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), the ACTIS paper's AP."""
        return self.share(self.tp, self.n_prediction)

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return self.share(self.tp, self.n_truth)


@dataclass(frozen=True, kw_only=True)
class SparseMatches(Matches):
    """Matches where not everything is painted: `n_prediction` counts the predictions that can be judged, no others.

    Parameters
    ----------
    judged_ids : (n_prediction,) int64
    best_iou : (n_truth,) float64
        Highest IoU that any prediction has with each painted cell; 0 where there is none.
    """

    judged_ids: Array
    best_iou: Array


def overlap(truth: Array, prediction: Array) -> Overlap:
    """Count the pixels that each pair of objects shares, in one pass over the pixels.

    Parameters
    ----------
    truth, prediction : (*S) integer or bool
        0 = background; any non-negative ids.

    Raises
    ------
    WrongAnnotation
        If the shapes differ or ids are negative.
    """
    if truth.shape != prediction.shape:
        raise messages.shapes_differ(truth.shape, prediction.shape)
    t, truth_ids = compact_ids(truth)
    p, prediction_ids = compact_ids(prediction)
    width = len(prediction_ids) + 1
    key = t * width + p
    n_cells = (len(truth_ids) + 1) * width
    if n_cells <= 4 * key.size + 1_000_000:
        counts = np.bincount(key, minlength=n_cells)
        cells = np.flatnonzero(counts)
        counts = counts[cells]
    else:
        cells, counts = np.unique(key, return_counts=True)
    t, p = cells // width, cells % width
    both = (t > 0) & (p > 0)
    return Overlap(
        truth_ids=truth_ids,
        truth_areas=_sums(t, counts, len(truth_ids)),
        prediction_ids=prediction_ids,
        prediction_areas=_sums(p, counts, len(prediction_ids)),
        truth=t[both] - 1,
        prediction=p[both] - 1,
        shared=counts[both],
    )


def match_instances(truth: Array, prediction: Array, threshold: float = 0.5) -> Matches:
    """Pair true and predicted objects, one to one, whose IoU is above the threshold.

    Below 0.5 objects can have several candidates: the pairing with the most pairs wins, then the one with the highest
    sum of IoU.

    Parameters
    ----------
    truth, prediction : (*S) integer
    threshold : float
        From 0 to 1, exclusive.
    """
    return match_pairs(overlap(truth, prediction), threshold)


def match_pairs(pairs: Overlap, threshold: float) -> Matches:
    """Match as `match_instances` does, from overlaps that are counted already."""
    iou = pairs.iou
    chosen = np.flatnonzero(iou > threshold)
    if threshold < 0.5:
        chosen = chosen[_assign(pairs.truth[chosen], pairs.prediction[chosen], iou[chosen])]
    return Matches(
        truth_ids=pairs.truth_ids[pairs.truth[chosen]],
        prediction_ids=pairs.prediction_ids[pairs.prediction[chosen]],
        iou=iou[chosen],
        n_truth=len(pairs.truth_ids),
        n_prediction=len(pairs.prediction_ids),
    )


def _assign(truth: Array, prediction: Array, iou: Array) -> Array:
    """Choose pairs one to one: as many as possible, then with the highest sum of IoU; returns their positions."""
    if len(truth) == 0:
        return np.zeros(0, dtype=np.int64)
    alone = (np.bincount(truth)[truth] == 1) & (np.bincount(prediction)[prediction] == 1)
    contested = np.flatnonzero(~alone)
    if len(contested) == 0:
        return np.flatnonzero(alone)
    from scipy.optimize import linear_sum_assignment

    rows = np.unique(truth[contested], return_inverse=True)[1]
    columns = np.unique(prediction[contested], return_inverse=True)[1]
    gain = np.zeros((rows.max() + 1, columns.max() + 1))
    gain[rows, columns] = 1 + iou[contested] / (len(contested) + 1)
    position = np.full(gain.shape, -1)
    position[rows, columns] = contested
    assigned = position[linear_sum_assignment(gain, maximize=True)]
    return np.sort(np.concatenate([np.flatnonzero(alone), assigned[assigned >= 0]]))


def compact_ids(labels: Array) -> tuple[Array, Array]:
    """Renumber ids 1..n by rising id; returns the flat (pixels,) int64 labels and the ids (n,)."""
    flat = labels.ravel().astype(np.int64, copy=False)
    if flat.size == 0:
        return flat, np.zeros(0, dtype=np.int64)
    if flat.min() < 0:
        raise messages.negative_id(flat.min())
    if flat.max() > 4 * flat.size + 1024:  # a table of ids would be larger than the image
        values, compact = np.unique(flat, return_inverse=True)
        compact = compact.reshape(-1)
        return (compact, values[1:]) if values[0] == 0 else (compact + 1, values)
    present = np.bincount(flat) > 0
    present[0] = False
    return (np.cumsum(present) * present)[flat], np.flatnonzero(present)


def _sums(position: Array, counts: Array, n: int) -> Array:
    return np.bincount(position, weights=counts, minlength=n + 1)[1:].astype(np.int64)
