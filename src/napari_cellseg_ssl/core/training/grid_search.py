"""A search for two thresholds on what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.training.held_out import Score

COST_OF_DISTANCE = 0.05
IOU_SHARE = 0.5


def best_pair(
    first: Sequence[float],
    second: Sequence[float],
    score: Callable[[float, float], Score],
    *,
    likely: tuple[float, float],
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[float, float, Score]:
    """Find the best pair of thresholds on a joint grid.

    Each pair is rated by the mean of itself and its neighbours on the grid: with few cells a single peak is chance,
    a plateau is not. What was learned from is found with many thresholds, so near ties go to the pair next to that
    which is usually best in unseen images. After a stop the best of those tried so far is taken; the most likely ones
    are tried first.

    Parameters
    ----------
    likely : (first, second)
        What is usually best.
    """
    a, b = np.meshgrid(first, second, indexing="ij")
    far = abs(a - likely[0]) + abs(b - likely[1])
    found: dict[tuple[int, int], Score] = {}
    rating = np.zeros(a.shape)
    for flat in np.argsort(far.ravel(), kind="stable"):
        i, j = divmod(int(flat), len(second))
        found[i, j] = one = score(first[i], second[j])
        rating[i, j] = one.f1 + IOU_SHARE * one.iou
        if should_stop():
            break
    smooth = _smooth(rating) - COST_OF_DISTANCE * far
    i, j = max(found, key=lambda pair: float(smooth[pair]))
    return first[i], second[j], found[i, j]


def _smooth(table: Array) -> Array:
    from scipy.ndimage import uniform_filter

    smooth: Array = uniform_filter(table, 3, mode="nearest")
    return smooth
