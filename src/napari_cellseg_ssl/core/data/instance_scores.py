"""How sure a detector is of each instance: an array per frame, in the order of the ids from 1, NaN where unknown."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array


def scores_of(ids: Array, scores: Array) -> Array:
    """Look up the scores (K,) of instances by their ids (n,), in any order -> (n,) float32; NaN where there is none."""
    known = (ids > 0) & (ids <= len(scores))
    found = np.full(len(ids), np.nan, np.float32)
    found[known] = scores[ids[known] - 1]
    return found


def by_label(scores: Array) -> dict[int, float]:
    """List the scores that are known, {id: score}."""
    return {index + 1: float(score) for index, score in enumerate(scores) if np.isfinite(score)}
