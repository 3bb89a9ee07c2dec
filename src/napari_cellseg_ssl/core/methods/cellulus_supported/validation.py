"""How well painted cells are found, and the thresholds with which they are found best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.segment import instances
from napari_cellseg_ssl.core.metrics.scores import pooled_f1, sparse_score
from napari_cellseg_ssl.core.training.held_out import Judged, Score

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8)
OVERLAPS = (0.2, 0.3, 0.4, 0.5, 0.6)
ROUGH_THRESHOLDS = (0.2, 0.35, 0.5)
COST_OF_DISTANCE = 0.05
"""What a threshold has to gain for each 1 by which it differs from the usual one."""

Maps = Mapping[str, Array]
"""Probability (1, Y, X) and distance (rays, Y, X) of what is judged."""


def score(maps: Sequence[Maps], judged: Sequence[Judged], diameter: float, options: SupportedSegmentOptions) -> Score:
    """Score predictions against what is known."""
    matches = [
        sparse_score(one.cells, one.known, instances(m["probability"][0], m["distance"], diameter, options))
        for m, one in zip(maps, judged, strict=True)
    ]
    n_cells = sum(m.n_truth for m in matches)
    iou = sum(float(m.iou.sum()) for m in matches) / max(1, n_cells)
    return Score(f1=pooled_f1(matches), iou=iou, n_cells=n_cells)


def rough_score(maps: Sequence[Maps], judged: Sequence[Judged], diameter: float) -> Score:
    """Score with the best of a few thresholds: they will be searched in the end."""
    tried = [SupportedSegmentOptions(threshold=threshold) for threshold in ROUGH_THRESHOLDS]
    return max((score(maps, judged, diameter, options) for options in tried), key=lambda one: (one.f1, one.iou))


def best_options(
    maps: Sequence[Maps], judged: Sequence[Judged], diameter: float, should_stop: Callable[[], bool]
) -> tuple[SupportedSegmentOptions, Score]:
    """Search the probability threshold, then the overlap.

    With few cells a single peak is chance, a plateau is not: thresholds are rated together with their neighbours,
    and of near equals the one next to the usual one is taken.
    """
    usual = SupportedSegmentOptions()
    tried = [replace(usual, threshold=threshold) for threshold in THRESHOLDS]
    scores = _scores(maps, judged, diameter, tried, should_stop)
    far = np.abs(np.subtract(THRESHOLDS[: len(scores)], usual.threshold))
    best = tried[int(np.argmax(_smooth([one.f1 + 0.5 * one.iou for one in scores]) - COST_OF_DISTANCE * far))]
    tried = [replace(best, overlap=overlap) for overlap in OVERLAPS]
    scores = _scores(maps, judged, diameter, tried, should_stop)
    far = np.abs(np.subtract(OVERLAPS[: len(scores)], usual.overlap))
    index = int(np.argmax(_smooth([one.f1 + 0.5 * one.iou for one in scores]) - COST_OF_DISTANCE * far))
    return tried[index], scores[index]


def _scores(
    maps: Sequence[Maps],
    judged: Sequence[Judged],
    diameter: float,
    tried: Sequence[SupportedSegmentOptions],
    should_stop: Callable[[], bool],
) -> list[Score]:
    """Score options one by one until somebody wants to stop; at least one."""
    scores: list[Score] = []
    for options in tried:
        scores.append(score(maps, judged, diameter, options))
        if should_stop():
            break
    return scores


def _smooth(values: Sequence[float]) -> Array:
    from scipy.ndimage import uniform_filter1d

    smooth: Array = uniform_filter1d(np.asarray(values, float), 3, mode="nearest")
    return smooth
