"""How good maps are where something is known, and which thresholds are best there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.learning.grid_search import best_pair
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, score_labels
from napari_cellseg_ssl.core.methods.maunet.options import MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.segmentation import DEFAULTS, instances

INTERIOR_GRID, BACKGROUND_GRID = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
QUICK_INTERIOR_GRID, QUICK_BACKGROUND_GRID = (0.5, 0.7), (0.15, 0.3, 0.5)


@dataclass(frozen=True)
class Maps:
    """Class probabilities (3, Y, X) and distance field (Y, X) of one image."""

    probabilities: Array
    distance: Array


def score(maps: Sequence[Maps], judged: Sequence[Judged], options: MaunetSegmentOptions = DEFAULTS) -> Score:
    """Score maps against what is known of each image."""
    return score_labels([instances(one.probabilities, one.distance, options) for one in maps], judged)


def search_thresholds(
    maps: Sequence[Maps],
    judged: Sequence[Judged],
    options: MaunetSegmentOptions = DEFAULTS,
    *,
    quick: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[MaunetSegmentOptions, Score]:
    """Find the thresholds of interior and background, see `best_pair`; the other options stay."""
    interiors, backgrounds = (QUICK_INTERIOR_GRID, QUICK_BACKGROUND_GRID) if quick else (INTERIOR_GRID, BACKGROUND_GRID)

    def with_thresholds(interior: float, background: float) -> MaunetSegmentOptions:
        return replace(options, interior_threshold=interior, background_threshold=background)

    interior, background, found = best_pair(
        interiors,
        backgrounds,
        lambda i, b: score(maps, judged, with_thresholds(i, b)),
        likely=(DEFAULTS.interior_threshold, DEFAULTS.background_threshold),
        should_stop=should_stop,
    )
    return with_thresholds(interior, background), found
