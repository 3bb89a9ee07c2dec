"""Corrections of instances on one frame: split along a line, merge, grow, shrink, delete.

Each returns a `Change` and leaves the labels alone; whoever writes it can undo it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

SPECK_PX = 4
"""Parts below this size are what a line shaves off an uneven edge, not cells."""
SEAM_RADIUS = 2
"""Half the width in px of the widest gap between merged cells that is filled."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Change:
    """New labels, (Y, X) integer, of a window of a frame."""

    window: Window
    labels: Array


def window_of(labels: Array, ids: Sequence[int], margin: int = 0) -> Window:
    """Find the smallest window with all pixels of some ids, which must exist, widened by a margin in px.

    Parameters
    ----------
    labels : (Y, X) integer
    """
    inside = _is_any(labels, ids)
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )


def areas_of(labels: Array, ids: Array) -> Array:
    """Count the pixels of each of some ids, (n,) sorted, in labels of any shape -> (n,) integer, px."""
    found, counts = np.unique(labels[np.isin(labels, ids)], return_counts=True)
    areas = np.zeros(len(ids), dtype=np.int64)
    areas[np.searchsorted(ids, found)] = counts
    return areas


def crossed(labels: Array, start: Array, end: Array, first_id: int = 1) -> dict[int, int]:
    """Find the cells that a line crosses.

    Parameters
    ----------
    labels : (Y, X) integer
    start, end : (2,) px
    first_id : int
        Lowest id that is a cell.

    Returns
    -------
    {id: px of the line}, in the order in which the line meets them
    """
    on_line = labels[_line(labels.shape, start, end)]
    ids, first, counts = np.unique(on_line, return_index=True, return_counts=True)
    return {int(ids[i]): int(counts[i]) for i in np.argsort(first) if ids[i] >= first_id}


def split(labels: Array, cell: int, start: Array, end: Array, new_id: int) -> Change | None:
    """Cut a cell along a line; ends inside it are prolonged to its edge.

    Every part that no longer hangs together with the rest becomes a cell: the largest keeps its id, the others get
    `new_id` and the following. No pixel is lost: the cut goes to the nearest part, and so do specks.

    Parameters
    ----------
    labels : (Y, X) integer
    start, end : (2,) px
        Two different points.

    Returns
    -------
    Change, or None if the line leaves the cell in one piece
    """
    from scipy import ndimage

    window = window_of(labels, [cell], margin=1)
    inside = labels[window] == cell
    corner = np.array([part.start for part in window])
    cut = np.zeros_like(inside)
    rows, columns = _line(inside.shape, *_prolonged(inside, start - corner, end - corner))
    cut[rows, columns] = True
    cut[rows, np.minimum(columns + 1, cut.shape[1] - 1)] = True  # nothing slips through diagonally
    parts = ndimage.label(inside & ~cut, structure=np.ones((3, 3)))[0]
    sizes = np.bincount(parts.ravel())[1:]
    order = [part for part in np.argsort(-sizes, kind="stable") + 1 if sizes[part - 1] >= SPECK_PX]
    if len(order) < 2:
        return None
    ids = np.zeros(len(sizes) + 1, dtype=labels.dtype)
    ids[order] = [cell, *range(new_id, new_id + len(order) - 1)]
    parts = ids[parts]
    nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    return Change(window, np.where(inside, parts[tuple(nearest)], labels[window]))


def merge(labels: Array, ids: Sequence[int], first_id: int = 1) -> Change:
    """Make one cell, with the first id, of several.

    The seam between them is filled where it is at most 2 `SEAM_RADIUS` px wide. Cells further apart get the same id and
    stay pieces. Other cells keep their pixels.

    Parameters
    ----------
    labels : (Y, X) integer
    first_id : int
        Lowest id that is a cell; pixels below it are free.
    """
    window = window_of(labels, ids, margin=SEAM_RADIUS + 1)
    before = labels[window]
    joined = _is_any(before, ids)
    closed_each = np.logical_or.reduce([_closed(before == number) for number in ids])
    seam = _closed(joined) & ~closed_each & (before < first_id)
    return Change(window, np.where(joined | seam, before.dtype.type(ids[0]), before))


def grow(labels: Array, cell: int, first_id: int = 1) -> Change:
    """Widen a cell by 1 px where no other cell is.

    Parameters
    ----------
    labels : (Y, X) integer
    first_id : int
        Lowest id that is a cell; pixels below it are free.
    """
    from scipy.ndimage import binary_dilation

    window = window_of(labels, [cell], margin=1)
    before = labels[window]
    wider = binary_dilation(before == cell) & (before < first_id)
    return Change(window, np.where(wider, before.dtype.type(cell), before))


def shrink(labels: Array, cell: int) -> Change | None:
    """Take 1 px off the edge of a cell, (Y, X) integer; None if nothing would be left."""
    from scipy.ndimage import binary_erosion

    window = window_of(labels, [cell], margin=1)
    before = labels[window]
    inside = before == cell
    narrower = binary_erosion(inside, border_value=1)  # the border of the image is no edge of the cell
    if not narrower.any():
        return None
    return Change(window, np.where(inside & ~narrower, before.dtype.type(0), before))


def delete(labels: Array, cell: int) -> Change:
    """Set the pixels of a cell, (Y, X) integer, to 0."""
    window = window_of(labels, [cell])
    before = labels[window]
    return Change(window, np.where(before == cell, before.dtype.type(0), before))


def _is_any(labels: Array, ids: Sequence[int]) -> Array:
    return labels == ids[0] if len(ids) == 1 else np.isin(labels, ids)


def _line(shape: tuple[int, ...], start: Array, end: Array) -> tuple[Array, Array]:
    """Pixels of a line, in order, those outside of the frame left out."""
    from skimage.draw import line

    rows, columns = line(*(int(value) for value in np.rint([*start, *end])))
    is_in = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[is_in], columns[is_in]


def _prolonged(inside: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Move the ends of a line outwards until they have left the cell."""
    step = (end - start) / np.linalg.norm(end - start)

    def leave(point: Array, step: Array) -> Array:
        while _holds(inside, point):
            point = point + step
        return point

    return leave(start, -step), leave(end, step)


def _holds(inside: Array, point: Array) -> bool:
    row, column = (int(value) for value in np.rint(point))
    return 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and bool(inside[row, column])


def _closed(mask: Array) -> Array:
    from scipy.ndimage import binary_closing
    from skimage.morphology import disk

    padded = np.pad(mask, SEAM_RADIUS)
    around = slice(SEAM_RADIUS, -SEAM_RADIUS)
    closed: Array = binary_closing(padded, disk(SEAM_RADIUS))[around, around]
    return closed
