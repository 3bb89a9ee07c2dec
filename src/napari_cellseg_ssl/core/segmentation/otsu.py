"""Otsu's threshold for one or for many histograms at once, and how well it separates."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

BINS = 256


def otsu_rows(counts: Array) -> tuple[Array, Array]:
    """Split each histogram where the two sides differ most.

    Parameters
    ----------
    counts : (n, bins) int

    Returns
    -------
    split : (n,) int
        Last bin of the lower class.
    separability : (n,) float
        Variance between the classes over the total variance, 0 to 1; 0 where all values are equal.
    """
    counts = counts.astype(np.float64)
    bins = np.arange(counts.shape[1])
    total, moment = counts.sum(axis=1, keepdims=True), (counts * bins).sum(axis=1, keepdims=True)
    below, moment_below = np.cumsum(counts, axis=1), np.cumsum(counts * bins, axis=1)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = moment_below / below - (moment - moment_below) / above
        between = np.nan_to_num(below * above * gap * gap / total**2)
        variance = (counts * bins * bins).sum(axis=1) / total[:, 0] - (moment[:, 0] / total[:, 0]) ** 2
        best = between.argmax(axis=1)
        separability = np.nan_to_num(between.max(axis=1) / variance)
    return best, separability


def otsu(values: Array) -> tuple[float, float]:
    """Otsu's threshold of an array, and its separability (see `otsu_rows`)."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 0.0
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    split, separability = otsu_rows(counts[None])
    return float(edges[split[0] + 1]), float(separability[0])


def otsu_per_object(values: Array, labels: Array, n: int, bins: int = 64) -> Array:
    """Otsu's threshold of each object's own values.

    Parameters
    ----------
    values, labels : (pixels,)
        Labels 1..n, 0 for pixels of no object.
    n : int

    Returns
    -------
    (n + 1,) float32
        Entry 0 is meaningless.
    """
    low, high = np.full(n + 1, np.inf, np.float32), np.full(n + 1, -np.inf, np.float32)
    np.minimum.at(low, labels, values)
    np.maximum.at(high, labels, values)
    empty = low > high
    low[empty], high[empty] = 0.0, 0.0
    span = np.maximum(high - low, 1e-12)
    column = np.minimum(((values - low[labels]) / span[labels] * bins).astype(np.intp), bins - 1)
    counts = np.bincount(labels * bins + column, minlength=(n + 1) * bins).reshape(n + 1, bins)
    counts[counts.sum(axis=1) == 0, 0] = 1
    split, _ = otsu_rows(counts)
    return low + (split + 1) / bins * span
