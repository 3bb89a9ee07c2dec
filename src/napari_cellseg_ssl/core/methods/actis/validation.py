"""Instances from class probabilities, their score where something is known, and the search for thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.segmentation.boundaries import BOUNDARY, INTERIOR
from napari_cellseg_ssl.core.segmentation.clean_up import fill_holes, ids_at_edge, relabel_sequential, remove_small
from napari_cellseg_ssl.core.segmentation.watershed import distance_watershed, seeded_watershed, within_equals
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.grid_search import best_pair
from napari_cellseg_ssl.core.training.held_out import Judged, Score, score_labels

DEFAULTS = ActisSegmentOptions()
SEED_GRID = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
FOREGROUND_GRID = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
LIKELY_SEED, LIKELY_FOREGROUND = 0.7, 0.6
CONTACTS = 0.25
"""Share of a boundary pixel that counts as foreground: boundaries are background, except where two cells touch."""
CUT_AT_NECKS = 0.95
"""Widest neck at which cells come apart where painted ones show that single cells have none."""
MOST_WITH_NECKS = 0.1
"""Share of the known cells that may be cut by their shape; beyond it, necks say nothing about where cells end."""
WHOLE = 0.8
"""A cell is cut when no piece has this share of it."""
QUICK_SEED_GRID, QUICK_FOREGROUND_GRID = (0.8, 0.95), (0.4, 0.6, 0.8, 0.95)


def instances(probabilities: Array, diameter: float, options: ActisSegmentOptions = DEFAULTS) -> Array:
    """Grow seeds over the foreground (ACTIS, section 3.3) and tidy up.

    The paper's foreground is all that is not background. It takes in the boundaries around cells, so that they come
    out a pixel or two too wide, half of a small cell's area.

    Parameters
    ----------
    probabilities : (3, Y, X) float
        Background, interior, boundary.
    diameter : float, px
        Of a typical object.
    options : ActisSegmentOptions

    Returns
    -------
    (Y, X) int32
    """
    labels = seeded_watershed(
        probabilities[INTERIOR],
        probabilities[INTERIOR] + CONTACTS * probabilities[BOUNDARY],
        seed_threshold=options.seed_threshold,
        foreground_threshold=options.foreground_threshold,
        diameter=diameter,
        widest_neck=options.widest_neck,
    )
    # The watershed gives whole pieces, so that part of a clean-up is not needed.
    return relabel_sequential(remove_small(fill_holes(labels), options.min_size * np.pi / 4 * diameter**2))


def widest_neck(frames: Sequence[Frame], diameter: float) -> float:
    """Decide from painted cells how wide necks may be at which cells are cut; 0 cuts at none.

    Few labels show few contacts, and a network that has seen none joins what touches. Shape then tells cells apart,
    unless single cells have necks too. Where no whole cell is painted nothing says so: then shape has no say either,
    since cells that are long or bent would all be cut.
    """
    n_cells, n_cut = _cut_by_shape(frames, diameter)
    return CUT_AT_NECKS if n_cells and n_cut <= MOST_WITH_NECKS * n_cells else 0.0


def _cut_by_shape(frames: Sequence[Frame], diameter: float) -> tuple[int, int]:
    """Count the known whole cells, and those of them that would be cut by their shape alone."""
    n_cells = n_cut = 0
    for frame in frames:
        pieces = distance_watershed(within_equals(frame.cells), diameter=diameter, widest_neck=CUT_AT_NECKS)
        for cell in np.setdiff1d(frame.cell_ids, ids_at_edge(frame.cells)):
            sizes = np.bincount(pieces[frame.cells == cell])[1:]
            if sizes.sum() >= DEFAULTS.min_size * np.pi / 4 * diameter**2:
                n_cells += 1
                n_cut += int(sizes.max() < WHOLE * sizes.sum())
    return n_cells, n_cut


def score(
    probabilities: Sequence[Array], judged: Sequence[Judged], diameter: float, options: ActisSegmentOptions = DEFAULTS
) -> Score:
    """Score probabilities (3, Y, X) against what is known of each image."""
    labels = [instances(one, diameter, options) for one in probabilities]
    return score_labels(labels, judged)


def search_thresholds(
    probabilities: Sequence[Array],
    judged: Sequence[Judged],
    diameter: float,
    options: ActisSegmentOptions = DEFAULTS,
    *,
    quick: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[ActisSegmentOptions, Score]:
    """Find seed and foreground thresholds on a joint grid, see `best_pair`; the other options stay.

    `quick` tries eight pairs only; after a stop the best of those tried so far is taken.

    Returns
    -------
    options : ActisSegmentOptions
    score : Score
        With these options.
    """
    seeds, foregrounds = (QUICK_SEED_GRID, QUICK_FOREGROUND_GRID) if quick else (SEED_GRID, FOREGROUND_GRID)

    def with_thresholds(seed: float, foreground: float) -> ActisSegmentOptions:
        return replace(options, seed_threshold=seed, foreground_threshold=foreground)

    seed, foreground, found = best_pair(
        seeds,
        foregrounds,
        lambda s, f: score(probabilities, judged, diameter, with_thresholds(s, f)),
        likely=(LIKELY_SEED, LIKELY_FOREGROUND),
        should_stop=should_stop,
    )
    return with_thresholds(seed, foreground), found
