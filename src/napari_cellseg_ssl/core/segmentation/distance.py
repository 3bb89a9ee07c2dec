"""Exact distances to the background, computed only where they are needed: on every pixel or on every other one."""

from collections.abc import Sequence

import numpy as np

from napari_cellseg_ssl.core.data.images import Array


def distance_to_background(mask: Array, *, spacing: Sequence[float], step: Sequence[int]) -> Array:
    """Measure how deep each pixel lies inside a mask.

    One axis after the other: along the last axis by running maxima, along each other one by comparing rows at growing
    offsets until none can be nearer. Cells are thin beside the image, so few offsets are needed.

    Parameters
    ----------
    mask : (*S) bool
        What lies beyond the image's edge is not background.
    spacing : sequence of float
        Size of a pixel along each axis.
    step : sequence of int
        Every how many pixels along each axis a distance is wanted. Distances are to the nearest pixel of the whole
        mask's background all the same.

    Returns
    -------
    mask[::step] float32
        In units of `spacing`; a mask without background is equally deep everywhere.

    References
    ----------
    Saito and Toriwaki, Pattern Recognition 27, 1551 (1994): the distance transform axis by axis.
    """
    far = 2 * sum(mask.shape)
    if mask.all():
        return np.full(tuple(-(-n // s) for n, s in zip(mask.shape, step, strict=True)), far, dtype=np.float32)
    index = np.arange(mask.shape[-1], dtype=np.int32)
    before = np.maximum.accumulate(np.where(mask, -far, index), axis=-1)
    after = np.minimum.accumulate(np.where(mask, far, index)[..., ::-1], axis=-1)[..., ::-1]
    nearest = np.minimum(index - before, after - index)[..., :: step[-1]]
    squared = np.square(nearest.astype(np.float32) * np.float32(spacing[-1]))
    for axis in range(mask.ndim - 1):
        rows = np.moveaxis(squared, axis, 0)
        squared = np.moveaxis(_nearest_row(rows, spacing[axis], step[axis]), 0, axis)
    distance: Array = np.sqrt(squared)
    return distance


def squared_distance_up_to(mask: Array, deepest: int) -> Array:
    """Measure how deep each pixel lies inside a mask, where that is less than `deepest`; a tenth of the usual time.

    Small integers, and only offsets that can matter.

    Parameters
    ----------
    mask : (*S) bool
        What lies beyond the image's edge is not background.
    deepest : int, px
        At most 255.

    Returns
    -------
    (*S) uint16, px²
        At most deepest².
    """
    squared = np.where(mask, np.uint16(deepest**2), np.uint16(0))
    for axis in range(mask.ndim):
        nearest, rows = np.moveaxis(squared, axis, 0), np.moveaxis(squared.copy(), axis, 0)
        for offset in range(1, min(deepest, len(rows))):
            raised = np.minimum(rows, np.uint16(deepest**2 - offset**2)) + np.uint16(offset**2)
            np.minimum(nearest[offset:], raised[:-offset], out=nearest[offset:])
            np.minimum(nearest[:-offset], raised[offset:], out=nearest[:-offset])
    return squared


def _nearest_row(squared: Array, spacing: float, step: int) -> Array:
    """Take, for every `step`-th row, the least of all rows' squared distances plus the squared offset to them."""
    nearest = squared[::step].copy()
    for offset in range(1, len(squared)):
        rise = np.float32((offset * spacing) ** 2)
        if rise >= nearest.max():
            break
        below = squared[offset::step]
        np.minimum(nearest[: len(below)], below + rise, out=nearest[: len(below)])
        first = -(-offset // step)
        above = squared[first * step - offset :: step][: len(nearest) - first]
        np.minimum(nearest[first:], above + rise, out=nearest[first:])
    return nearest
