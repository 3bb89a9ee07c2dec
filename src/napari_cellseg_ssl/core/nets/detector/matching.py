"""Which boxes are which objects, and which of them a step learns from. Ren et al., NeurIPS 2015, section 3.1.2."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NOTHING, UNDECIDED = -1, -2


def match(overlaps: Tensor, *, low: float, high: float, keep_best: bool = False) -> Tensor:
    """Assign boxes to objects.

    Parameters
    ----------
    overlaps : (objects, N)
        IoU.
    low, high : float
        Below `low` a box is no object, from `high` on it is the one that it overlaps best, between them undecided.
    keep_best : bool
        Whether the boxes that overlap an object best are matched at any overlap; each to the object that it overlaps
        best itself.

    Returns
    -------
    (N,) long
        Index of the object, `NOTHING` or `UNDECIDED`.
    """
    if not len(overlaps):
        return torch.full((overlaps.shape[1],), NOTHING, device=overlaps.device)
    best, objects = overlaps.max(0)
    matched = objects.clone()
    matched[best < high] = UNDECIDED
    matched[best < low] = NOTHING
    if keep_best:
        highest = overlaps.max(1, keepdim=True).values
        is_best = ((overlaps == highest) & (highest > 0)).any(0)
        matched[is_best] = objects[is_best]
    return matched


def sample(
    positive: Tensor, negative: Tensor, count: int, share: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw boxes to learn from.

    Parameters
    ----------
    positive, negative : (N,) bool
    count : int
        Boxes to draw; fewer where there are not as many.
    share : float
        Of positive ones, at most; the others are negative.

    Returns
    -------
    positive, negative : (K,) long
        Indices.
    """
    chosen_positive = _draw(positive, int(count * share), rng)
    return chosen_positive, _draw(negative, count - len(chosen_positive), rng)


def _draw(mask: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    places = mask.nonzero()[:, 0]
    if len(places) <= count:
        return places
    chosen = rng.permutation(len(places))[:count]
    return places[torch.from_numpy(chosen).to(places.device)]
