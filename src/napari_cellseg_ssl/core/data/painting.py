"""Painting by whole cells, on one frame: which proposed cells may be taken, and where background can be painted."""

import numpy as np

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.matching import compact_ids
from napari_cellseg_ssl.core.segmentation.corrections import Window, window_of

LONGEST_TABLE = 1_000_000
"""Ids that are looked up as they are; higher ones are renumbered first, which takes longer."""


def acceptable_cells(proposed: Array, painted: Array, window: Window) -> tuple[Array, Array, Array]:
    """Find the proposed cells that lie wholly in a window and that the painting says nothing against.

    Those with a pixel on a painted cell, and those with more than half of their pixels on background, are left out.

    Parameters
    ----------
    proposed, painted : (Y, X) integer
        Instances; 0 unknown, 1 background, cells from 2.

    Returns
    -------
    rows, columns, numbers : integer arrays
        Their pixels, and which cell each belongs to, counted from 0.
    """
    if proposed.max(initial=0) > LONGEST_TABLE:
        proposed = compact_ids(proposed)[0].reshape(proposed.shape)
    inside, known = proposed[window], painted[window]
    length = int(proposed.max(initial=0)) + 1

    def areas(pixels: Array) -> Array:
        return np.bincount(pixels.ravel(), minlength=length)

    in_sight = areas(inside)
    is_whole = (in_sight > 0) & (in_sight == areas(proposed))
    is_painted = areas(inside[known > BACKGROUND_ID]) > 0
    is_rejected = 2 * areas(inside[known == BACKGROUND_ID]) > in_sight
    wanted = is_whole & ~is_painted & ~is_rejected
    wanted[0] = False
    taken = wanted[inside]
    rows, columns = np.nonzero(taken)
    numbers = (np.cumsum(wanted, dtype=np.int32) - 1)[inside[taken]]
    rows += window[0].start or 0
    columns += window[1].start or 0
    return rows, columns, numbers


def ring_around(painted: Array, cell: int, width: int, proposed: Array | None = None) -> tuple[Array, Array]:
    """Find the unpainted pixels within `width` px of a cell, those of other proposed instances left out.

    Parameters
    ----------
    painted : (Y, X) integer
    proposed : (Y, X) integer, optional
        Instances: what they cover beside the cell is most likely another cell, so it is not called background.

    Returns
    -------
    rows, columns : integer arrays
    """
    from scipy.ndimage import distance_transform_edt

    window = window_of(painted, [cell], margin=width + 1)
    inside = painted[window] == cell
    ring = (distance_transform_edt(~inside) <= width) & (painted[window] == 0)
    if proposed is not None:
        own = np.bincount(proposed[window][inside]).argmax()
        ring &= (proposed[window] == 0) | (proposed[window] == own)
    rows, columns = np.nonzero(ring)
    return rows + window[0].start, columns + window[1].start
