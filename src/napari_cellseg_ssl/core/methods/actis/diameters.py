"""How large objects are in each training image, where an estimate from one small image is not enough.

A whole image is sized by its own estimate, as it will be when the model is used. An image with room for few cells,
such as a tile, can be wrong by a factor of four; it is sized by its annotated cells, or kept near the others.
"""

from __future__ import annotations

import numpy as np

from napari_cellseg_ssl.core.diameter import diameters_of_cells
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.training_set import TrainingItem, TrainingSet

FEW_CELLS = 10.0
"""Images narrower than this many diameters are small."""
FEWEST_CELLS = 3
LARGEST_BIAS, LARGEST_DEVIATION = 0.5, 1.0
"""Octaves: of estimates against annotated cells, and of a small image against the others."""


def steady_diameters(data: TrainingSet) -> list[float]:
    """Diameters in source px of the items of a set.

    Annotated cells are measured in units of the estimates: by how much these exceed cells is learned from all images
    that have both, since images to come will be sized by estimates.
    """
    estimates = np.log2([item.diameter for item in data.items])
    if np.ptp(estimates) == 0:  # somebody said how large objects are
        return [item.diameter for item in data.items]
    middle = float(np.median(estimates))
    measured = np.array([_of_cells(item) for item in data.items])
    has_cells = ~np.isnan(measured)
    bias = float(np.median((estimates - measured)[has_cells])) if has_cells.any() else 0.0
    measured = measured + np.clip(bias, -LARGEST_BIAS, LARGEST_BIAS)
    near = np.clip(estimates, middle - LARGEST_DEVIATION, middle + LARGEST_DEVIATION)
    is_small = np.array([min(item.image.spatial_shape) < FEW_CELLS * 2**middle for item in data.items])
    steady: Array = np.where(is_small, np.where(has_cells, measured, near), estimates)
    return [float(2**one) for one in steady]


def _of_cells(item: TrainingItem) -> float:
    """Return log2 of the median diameter of annotated cells, NaN when there are too few."""
    if item.annotation is None:
        return float("nan")
    found = [
        diameters_of_cells(np.where(k, c, 0)) for c, k in zip(item.annotation.cells, item.annotation.known, strict=True)
    ]
    sizes = np.concatenate(found)
    return float(np.log2(np.median(sizes))) if len(sizes) >= FEWEST_CELLS else float("nan")
