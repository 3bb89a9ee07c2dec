"""How good maps are where something is known, and which thresholds are best there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.maunet.options import MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.segment import DEFAULTS, instances
from napari_cellseg_ssl.core.training.grid_search import best_pair
from napari_cellseg_ssl.core.training.held_out import Judged, Score, score_labels

INTERIOR_GRID, BACKGROUND_GRID = (0.3, 0.5, 0.7, 0.9), (0.1, 0.2, 0.3, 0.5)
QUICK_INTERIOR_GRID, QUICK_BACKGROUND_GRID = (0.5, 0.7), (0.1, 0.3, 0.5)


@dataclass(frozen=True)
class Maps:
    """Class probabilities (3, Y, X), distance field (Y, X) and ambiguity (Y, X) of one image."""

    probabilities: Array
    distance: Array
    ambiguity: Array


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
    """Find the thresholds of interior and background together; see `best_pair`.

    `quick` tries six pairs only; after a stop the best of those tried so far is taken. The other options stay, the
    outline too: on what was learned from a narrow outline is best, on new images, where the field is lower, it is not.
    """

    def with_thresholds(interior: float, background: float) -> MaunetSegmentOptions:
        return replace(options, interior_threshold=interior, background_threshold=background)

    interior, background, found = best_pair(
        QUICK_INTERIOR_GRID if quick else INTERIOR_GRID,
        QUICK_BACKGROUND_GRID if quick else BACKGROUND_GRID,
        lambda i, b: score(maps, judged, with_thresholds(i, b)),
        likely=(DEFAULTS.interior_threshold, DEFAULTS.background_threshold),
        should_stop=should_stop,
    )
    return with_thresholds(interior, background), found
