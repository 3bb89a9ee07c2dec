"""Mean and variance of features over a whole field, so that a tile is normalised as its image is.

See decision 15: a tile's own statistics would depend on how many objects it happens to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.nets.adaptive_autoencoder import Moments

PLACES = tuple(product((0.25, 0.75), repeat=2))
"""Where the middles of these parts lie along Y and X."""

Found = list[tuple[Tensor, Tensor]]
"""Mean and variance of every normalisation of a network, in turn."""


def measure(found: Found) -> Moments:
    """Measure each channel over all samples, and note down what is found."""

    def moments(features: Tensor) -> tuple[Tensor, Tensor]:
        dims = (0, *range(2, features.ndim))
        variance, mean = torch.var_mean(features.float(), dims, correction=0, keepdim=True)
        found.append((mean, variance))
        return mean, variance

    return moments


def replay(found: Sequence[tuple[Tensor, Tensor]]) -> Moments:
    """Give what was measured before, in the same order."""
    known = iter(found)
    return lambda _: next(known)


def representative_parts(field: Array, pixels: int) -> Array:
    """Return a field (C, *S) whole, (1, C, *S), or of more than so many `pixels` evenly spread parts, (B, C, *s)."""
    shape = np.array(field.shape[1:])
    if shape.prod() <= pixels:
        return field[np.newaxis]
    sides = np.maximum(1, shape * (pixels / len(PLACES) / shape.prod()) ** (1 / len(shape))).astype(int)
    parts = []
    for place in PLACES:
        middle = np.array([0.5] * (len(shape) - 2) + list(place)) * shape
        starts = np.maximum(0, middle - sides / 2).astype(int)
        parts.append(field[(slice(None), *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))])
    return np.stack(parts)
