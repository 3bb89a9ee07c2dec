"""Group pixels by the peaks of the density of their embeddings: fast enough to follow a slider.

Takes the place of the paper's mean-shift: both look for the modes of the same density, but here it is
smoothed once on a grid instead of being climbed anew from thousands of seeds.
"""

from collections.abc import Sequence

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

SMOOTHING = 1 / 3
REACH = 2.0
FAINTEST = 0.02
ENOUGH = 8
"""One pixel in so many tells which constant the offsets share."""


def density_peaks(embedding: Array, foreground: Array, *, bandwidth: float) -> Array:
    """Group pixels whose embeddings point at the same place.

    Parameters
    ----------
    embedding : (D, *S) float32, px
        Offset from each pixel to its object's reference point, in array axis order; D = len(S). A constant added
        to all offsets changes nothing.
    foreground : (*S) bool
    bandwidth : float, px
        Smallest distance between two peaks; about half a cell's diameter.

    Returns
    -------
    (*S) int32
        0 outside `foreground` and farther than two bandwidths from every peak, else 1..n.
    """
    labels = np.zeros(foreground.shape, np.int32)
    pixels = np.flatnonzero(foreground)
    if pixels.size == 0:
        return labels
    cells, shape = _grid_cells(embedding, pixels, foreground.shape, margin=int(np.ceil(REACH * bandwidth)) + 1)
    counts = np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)
    labels.ravel()[pixels] = _nearest_peak(counts, bandwidth).ravel()[cells]
    return labels


def _grid_cells(embedding: Array, pixels: Array, shape: Sequence[int], margin: int) -> tuple[Array, tuple[int, ...]]:
    """Flat index of the 1 px grid cell that each pixel's embedding falls into, and the grid's shape.

    Embeddings far outside the image are moved to the rim of the grid, where `margin` keeps them from real peaks.
    """
    grid = tuple(size + 2 * margin for size in shape)
    cells = np.zeros(pixels.size, np.intp)
    for position, offset, size in zip(np.unravel_index(pixels, shape), embedding, grid, strict=True):
        offsets = offset.ravel()[pixels]
        places = position.astype(np.float32) + (offsets - np.median(offsets[::ENOUGH]) + np.float32(margin))
        cells = cells * size + np.clip(np.rint(places, out=places), 0, size - 1, out=places).astype(np.intp)
    return cells, grid


def _nearest_peak(counts: Array, bandwidth: float) -> Array:
    """Label each occupied grid cell with the number of the nearest density peak within reach."""
    from scipy.spatial import cKDTree

    labels = np.zeros(counts.shape, np.int32)
    peaks = _peaks(counts, bandwidth)
    if len(peaks) == 0:
        return labels
    occupied = np.nonzero(counts)
    distance, nearest = cKDTree(peaks).query(np.stack(occupied, axis=1), distance_upper_bound=REACH * bandwidth)
    labels[occupied] = np.where(np.isfinite(distance), nearest + 1, 0)
    return labels


def _peaks(counts: Array, bandwidth: float) -> Array:
    """Places (n, D) of the peaks of the smoothed density, in grid order, none closer than `bandwidth` to a higher one.

    A peak is highest in a box of half-width `bandwidth`. A plateau is one peak, at its first cell; of equal ones in a
    box the first in grid order stays.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter
    from skimage.measure import label

    density = gaussian_filter(counts.astype(np.float32), SMOOTHING * bandwidth, mode="constant", truncate=3.0)
    reach = max(1, round(bandwidth))
    is_highest = density == maximum_filter(density, 2 * reach + 1, mode="constant")
    is_highest &= density > FAINTEST * density.max()
    highest = np.argwhere(is_highest)
    plateau = label(is_highest)[tuple(highest.T)]
    peaks = highest[np.sort(np.unique(plateau, return_index=True)[1])]
    return peaks[_first_of_equals(peaks, reach)]


def _first_of_equals(peaks: Array, reach: int) -> Array:
    """Tell which peaks to keep, (n,) bool: two in one box are equally high, and then the first stays."""
    from scipy.spatial import cKDTree

    kept = np.ones(len(peaks), bool)
    for first, second in sorted(cKDTree(peaks).query_pairs(reach, p=np.inf)) if len(peaks) else ():
        kept[second] &= not kept[first]
    return kept
