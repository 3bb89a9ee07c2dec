"""Instances from class probabilities, their score where something is known, and the search for thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import BACKGROUND, INTERIOR
from napari_cellseg_ssl.core.instances.clean_up import fill_holes, relabel_sequential, remove_small
from napari_cellseg_ssl.core.instances.watershed import seeded_watershed
from napari_cellseg_ssl.core.methods.actis.held_out import Judged
from napari_cellseg_ssl.core.metrics import pooled_f1, sparse_score

SEED_THRESHOLD, FOREGROUND_THRESHOLD, MIN_SIZE = 0.8, 0.7, 0.1
SEED_GRID = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
FOREGROUND_GRID = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
LIKELY_SEED, LIKELY_FOREGROUND, COST_OF_DISTANCE = 0.9, 0.8, 0.05
CLOSE_IOU = 0.05
QUICK_SEED_GRID, QUICK_FOREGROUND_GRID = (0.8, 0.95), (0.5, 0.7, 0.9, 0.97)


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well known cells were found.

    Parameters
    ----------
    f1 : float
        Pooled F1 at IoU 0.5, judged on known pixels only.
    iou : float
        Mean over the known cells; a missed one counts 0.
    n_cells : int
    """

    f1: float
    iou: float
    n_cells: int


def instances(
    probabilities: Array,
    diameter: float,
    *,
    seed: float = SEED_THRESHOLD,
    foreground: float = FOREGROUND_THRESHOLD,
    min_size: float = MIN_SIZE,
) -> Array:
    """Grow seeds over the foreground (ACTIS, section 3.3) and tidy up.

    Parameters
    ----------
    probabilities : (3, Y, X) float
        Background, interior, boundary.
    diameter : float, px
        Of a typical object.
    min_size : float
        Smallest object as a share of a typical one's area.

    Returns
    -------
    (Y, X) int32
    """
    labels = seeded_watershed(
        probabilities[INTERIOR],
        1 - probabilities[BACKGROUND],
        seed_threshold=seed,
        foreground_threshold=foreground,
    )
    # The watershed gives whole pieces, so that part of a clean-up is not needed.
    return relabel_sequential(remove_small(fill_holes(labels), min_size * np.pi / 4 * diameter**2))


def score(probabilities: Sequence[Array], judged: Sequence[Judged], diameter: float, **thresholds: float) -> Score:
    """Score probabilities (3, Y, X) against what is known of each image."""
    matches = [
        sparse_score(one.cells, one.known, instances(p, diameter, **thresholds))
        for p, one in zip(probabilities, judged, strict=True)
    ]
    n_cells = sum(m.n_truth for m in matches)
    return Score(
        f1=pooled_f1(matches),
        iou=sum(float(m.iou.sum()) for m in matches) / max(1, n_cells),
        n_cells=n_cells,
    )


def best_candidate(scores: Mapping[str, Score]) -> str:
    """Name the best network: of those within one cell of the best F1 and close to the best IoU among them, the first.

    With a dozen held-out cells, one cell more or less is chance; so the order in which networks are given, that of
    trust, decides among near equals. Cross-entropy has no say: it favours the timid ones.
    """
    best = max(one.f1 for one in scores.values())
    close = {name: one for name, one in scores.items() if one.f1 >= best - 1 / max(1, one.n_cells)}
    best_iou = max(one.iou for one in close.values())
    return next(name for name, one in close.items() if one.iou >= best_iou - CLOSE_IOU)


def search_thresholds(
    probabilities: Sequence[Array],
    judged: Sequence[Judged],
    diameter: float,
    *,
    quick: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[float, float, Score]:
    """Find seed and foreground thresholds on a joint grid.

    Each pair is rated by the mean of itself and its neighbours on the grid: with few cells a single peak is chance,
    a plateau is not. What was learned from is found with many thresholds, so near ties go to the pair next to that
    which is usually best in unseen images. `quick` tries eight pairs only; after a stop the best
    of those tried so far is taken.

    Returns
    -------
    seed, foreground : float
    score : Score
        With these thresholds.
    """
    seeds, foregrounds = (QUICK_SEED_GRID, QUICK_FOREGROUND_GRID) if quick else (SEED_GRID, FOREGROUND_GRID)
    s, f = np.meshgrid(seeds, foregrounds, indexing="ij")
    far = abs(s - LIKELY_SEED) + abs(f - LIKELY_FOREGROUND)
    found: dict[tuple[int, int], Score] = {}
    rating = np.zeros(s.shape)
    for flat in np.argsort(far.ravel(), kind="stable"):
        i, j = divmod(int(flat), len(foregrounds))
        found[i, j] = one = score(probabilities, judged, diameter, seed=seeds[i], foreground=foregrounds[j])
        rating[i, j] = one.f1 + 0.5 * one.iou
        if should_stop():
            break
    smooth = _smooth(rating) - COST_OF_DISTANCE * far
    best = max(found, key=lambda pair: float(smooth[pair]))
    return seeds[best[0]], foregrounds[best[1]], found[best]


def _smooth(table: Array) -> Array:
    from scipy.ndimage import uniform_filter

    smooth: Array = uniform_filter(table, 3, mode="nearest")
    return smooth
