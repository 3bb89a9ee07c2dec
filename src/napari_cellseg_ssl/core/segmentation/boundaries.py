"""Boundaries between cells and around them, where the annotation says enough to know them.

By shifted comparisons, because `skimage.segmentation.find_boundaries(mode="outer")` of 0.26 also marks inner edges
when the labels are int64, the type of napari's Labels layers. Here all integer types give the same result.
"""

from collections.abc import Iterator

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

BACKGROUND, INTERIOR, BOUNDARY, UNKNOWN = 0, 1, 2, -1

Slices = tuple[slice, ...]


def neighbour_pairs(ndim: int) -> Iterator[tuple[Slices, Slices]]:
    """Yield, per axis, the slices of all pixels that have a next one, and of these next ones."""
    for axis in range(ndim):
        before = tuple(slice(None, -1) if a == axis else slice(None) for a in range(ndim))
        after = tuple(slice(1, None) if a == axis else slice(None) for a in range(ndim))
        yield before, after


def boundaries(cells: Array, known: Array | None = None) -> Array:
    """Mark the background next to a cell, and both sides where two cells touch.

    Parameters
    ----------
    cells : (*S) integer
        One id per cell, 0 = no cell.
    known : (*S) bool, optional
        Where `cells` may be believed; everywhere when absent. Only pairs of known pixels make a boundary.

    Returns
    -------
    (*S) bool
        Pixels are neighbours through faces: 4 in 2D, 6 in 3D. Nothing is marked along the image's edge.
    """
    marked = np.zeros(cells.shape, dtype=bool)
    for before, after in neighbour_pairs(cells.ndim):
        a, b = cells[before], cells[after]
        differ = a != b
        if known is not None:
            differ &= known[before] & known[after]
        marked[before] |= differ & (b != 0)
        marked[after] |= differ & (a != 0)
    return marked


def three_classes(cells: Array, known: Array | None = None, *, exact: bool = True) -> Array:
    """Turn instances into the classes background, interior and boundary; boundary overrides the other two.

    A painted cell is a whole cell. So an unknown pixel beside it is boundary: background next to a cell, or the rim of
    another one. The cell's own pixel there is interior; it would be boundary beside another cell that nobody painted,
    which is rare, and at one pixel of a contact boundary remains. Painted background beside unknown pixels is believed:
    painters keep away from cells.

    Parameters
    ----------
    cells : (*S) integer
    known : (*S) bool, optional
    exact : bool
        Whether cells end where `cells` does; else both pixels at the border to what is unknown are unknown.

    Returns
    -------
    (*S) int8
        0 background, 1 interior, 2 boundary, -1 unknown.

    References
    ----------
    ACTIS, section 3 (three-class targets with outer boundaries).
    """
    classes = np.where(cells != 0, INTERIOR, BACKGROUND).astype(np.int8)
    if known is not None and not exact:
        classes[(cells != 0) & beside(~known)] = UNKNOWN
    classes[boundaries(cells, known)] = BOUNDARY
    if known is not None:
        classes[~known] = UNKNOWN
        if exact:
            classes[~known & beside((cells != 0) & known)] = BOUNDARY
    return classes


def beside(mask: Array) -> Array:
    """Return the pixels with a neighbour, through a face, in `mask`."""
    marked = np.zeros_like(mask)
    for before, after in neighbour_pairs(mask.ndim):
        marked[before] |= mask[after]
        marked[after] |= mask[before]
    return marked
