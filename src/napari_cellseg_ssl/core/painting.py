"""Painting by whole cells, on one frame: which proposed cells may be taken, and where background can be painted."""

import numpy as np

from napari_cellseg_ssl.core.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.corrections import Window, areas_of, window_of
from napari_cellseg_ssl.core.images import Array


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
    inside, known = proposed[window], painted[window]
    ids = np.unique(inside[inside > 0])
    areas = areas_of(inside, ids)
    is_whole = areas == areas_of(proposed, ids)
    is_painted = np.isin(ids, inside[known > BACKGROUND_ID])
    is_rejected = 2 * areas_of(inside[known == BACKGROUND_ID], ids) > areas
    wanted = ids[is_whole & ~is_painted & ~is_rejected]
    rows, columns = np.nonzero(np.isin(inside, wanted))
    numbers = np.searchsorted(wanted, inside[rows, columns])
    return rows + (window[0].start or 0), columns + (window[1].start or 0), numbers


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
