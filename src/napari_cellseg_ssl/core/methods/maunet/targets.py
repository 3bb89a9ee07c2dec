"""What the two decoders should say: classes with a border as wide as its cell is large, and closeness to the core.

Deviations from the reference code, with reasons:

- Borders of all cells are drawn before any interior, so that nothing depends on the order of ids. The reference draws
  cell after cell, and a later interior covers the border of an earlier one.
- Small cells keep their interior. In the reference, interiors of less than 16 px become background.
- Targets come from rescaled labels. The reference rescales the targets, and interpolation invents low distances.
- Only what is known counts: see `targets`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.boundaries import BACKGROUND, BOUNDARY, INTERIOR, UNKNOWN, beside
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge, relabel_sequential
from napari_cellseg_ssl.core.segmentation.watershed import within_equals

WIDTH_SHARE = 40.0
"""The border reaches sqrt(area) / 40, rounded up, to both sides of a cell's outermost pixels."""
SMALLEST_INTERIOR = 16
"""px; cells that would have less keep all of their own pixels as interior."""
STEEPNESS = 1.0
"""How fast closeness falls with the distance from the core (beta in the paper)."""


class Targets(NamedTuple):
    """What a network should say of some pixels.

    Parameters
    ----------
    classes : (Y, X) int8
        0 background, 1 interior, 2 boundary, -1 unknown.
    closeness : (Y, X) float32
        1 in the core of a cell, less towards its rim, 0 outside of cells, -1 unknown.
    """

    classes: Array
    closeness: Array


def targets(cells: Array, known: Array | None = None) -> Targets:
    """Turn instances into classes and closeness to the core.

    A painted cell is a whole cell, so its border is known even where what lies beyond is not; its outermost pixels
    there are unknown all the same, since nobody paints to the pixel. Cells that the edge cuts have no border there, and
    an unknown closeness, for their cores may lie beyond it.

    Closeness is 1 / (1 + (D_max - D) / sqrt(area)), with D the distance to the nearest pixel that is no interior, and
    D_max the greatest of the cell: the reference code's ridge, which follows bent cells, instead of the paper's centre.
    It does not change when an image is magnified; at the rim of a disk it is 1 / (1 + 1 / sqrt(pi)) = 0.64.

    Parameters
    ----------
    cells : (Y, X) integer
        One id per cell, 0 = no cell.
    known : (Y, X) bool, optional
        Where `cells` may be believed; everywhere when absent.

    References
    ----------
    MAUNet, sections 2.2.2 (distance field) and 2.2.3 (border as wide as the cell is large).
    """
    cells = relabel_sequential(cells if known is None else np.where(known, cells, 0))
    areas = np.bincount(cells.ravel())
    areas[0] = 0
    classes = _classes(cells, areas)
    closeness = _closeness(cells, areas, classes == INTERIOR)
    at_edge = np.isin(cells, np.setdiff1d(ids_at_edge(cells), 0))
    closeness[at_edge] = UNKNOWN
    if known is not None:
        unknown = ~known | ((cells > 0) & beside(~known))
        classes[unknown] = UNKNOWN
        closeness[unknown] = UNKNOWN
    return Targets(classes, closeness)


def _classes(cells: Array, areas: Array) -> Array:
    """Draw a border around each of the cells 1..n, then fill in those interiors that are left."""
    reach = np.ceil(np.sqrt(areas) / WIDTH_SHARE).astype(int)
    rims = (cells > 0) & ~within_equals(cells)
    border = np.zeros(cells.shape, bool)
    for width in np.unique(reach[1:]):
        border |= ndimage.binary_dilation(rims & (reach[cells] == width), _disk(int(width)))
    left = np.bincount(cells[~border], minlength=len(areas))
    is_small = left < SMALLEST_INTERIOR
    is_small[0] = False
    classes = np.where(cells > 0, INTERIOR, BACKGROUND).astype(np.int8)
    classes[border & ~is_small[cells]] = BOUNDARY
    return classes


def _closeness(cells: Array, areas: Array, interior: Array) -> Array:
    everywhere = interior.all()  # without a border anywhere, there is no distance to it
    depth = np.zeros(cells.shape) if everywhere else ndimage.distance_transform_edt(interior)
    deepest = np.zeros(len(areas))
    np.maximum.at(deepest, cells.ravel(), depth.ravel())
    roots = np.sqrt(np.maximum(areas, 1))
    closeness = 1 / (1 + STEEPNESS * (deepest[cells] - depth) / roots[cells])
    closeness[cells == 0] = 0
    return closeness.astype(np.float32)


def _disk(radius: int) -> Array:
    steps = np.arange(-radius, radius + 1)
    return steps[:, None] ** 2 + steps**2 <= radius**2
