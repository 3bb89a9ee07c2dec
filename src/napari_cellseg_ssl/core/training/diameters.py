"""How large objects are in each training image, where an estimate from one small image is not enough.

A whole image is sized by its own estimate, as it will be when the model is used. In an image with room for few cells,
such as a tile, the estimate can be wrong by a factor of ten, since it takes noise for cells; so such an image is sized
by its annotated cells, and one without is kept near the others.
"""

from __future__ import annotations

import numpy as np

from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge

FEW_CELLS = 10.0
"""Images narrower than this many diameters are small."""
LARGEST_DEVIATION = 1.0
"""Octaves, of a small image without cells against the others."""
CRUMB = 0.5
"""Cells narrower than this share of the widest one do not count: they are debris or cut off."""


def steady_diameters(data: TrainingSet) -> list[float]:
    """Diameters in source px of the items of a set."""
    estimates = np.log2([item.diameter for item in data.items])
    if np.ptp(estimates) == 0:  # somebody said how large objects are
        return [item.diameter for item in data.items]
    middle = float(np.median(estimates))
    measured = np.log2([_of_cells(item) for item in data.items])
    near = np.clip(estimates, middle - LARGEST_DEVIATION, middle + LARGEST_DEVIATION)
    is_small = np.array([min(item.image.spatial_shape) < FEW_CELLS * 2**middle for item in data.items])
    steady: Array = np.where(is_small, np.where(np.isnan(measured), near, measured), estimates)
    return [float(2**one) for one in steady]


def _of_cells(item: TrainingItem) -> float:
    """Return the median diameter of painted whole cells, of all when each is cut by the edge, NaN without any."""
    if item.annotation is None:
        return float("nan")
    painted = item.annotation.painted
    frames = [np.where(k, c, 0) for c, k in zip(painted.cells, painted.known, strict=True)]
    whole = [np.where(np.isin(cells, ids_at_edge(cells)), 0, cells) for cells in frames]
    found = whole if any(cells.any() for cells in whole) else frames
    sizes = np.concatenate([diameters_of_cells(cells) for cells in found])
    return float(np.median(sizes[sizes >= CRUMB * sizes.max()])) if len(sizes) else float("nan")
