"""Group pixels by the peaks of the density of their embeddings: fast enough to follow a slider.

Takes the place of the paper's mean-shift: both look for the modes of the same density, but here it is
smoothed once on a grid instead of being climbed anew from thousands of seeds.
"""

from collections.abc import Sequence

import numpy as np

from napari_cellseg_ssl.core.images import Array

SMOOTHING = 1 / 3
REACH = 2.0
FAINTEST = 0.02


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
    places = []
    for position, offset in zip(np.unravel_index(pixels, shape), embedding, strict=True):
        places.append(position + offset.ravel()[pixels])
    centre = [np.median(offset.ravel()[pixels]) for offset in embedding]
    grid = tuple(size + 2 * margin for size in shape)
    cell = [
        np.clip(np.rint(place - c).astype(np.int32) + margin, 0, size - 1)
        for place, c, size in zip(places, centre, grid, strict=True)
    ]
    return np.ravel_multi_index(tuple(cell), grid), grid


def _nearest_peak(counts: Array, bandwidth: float) -> Array:
    """Label each occupied grid cell with the number of the nearest density peak within reach."""
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree
    from skimage.feature import peak_local_max

    density = gaussian_filter(counts.astype(np.float32), SMOOTHING * bandwidth, mode="constant", truncate=3.0)
    peaks = peak_local_max(
        density, min_distance=max(1, round(bandwidth)), threshold_abs=FAINTEST * density.max(), exclude_border=False
    )
    labels = np.zeros(counts.shape, np.int32)
    if len(peaks) == 0:
        return labels
    peaks = peaks[np.lexsort(peaks.T[::-1])]
    occupied = np.nonzero(counts)
    distance, nearest = cKDTree(peaks).query(np.stack(occupied, axis=1), distance_upper_bound=REACH * bandwidth)
    labels[occupied] = np.where(np.isfinite(distance), nearest + 1, 0)
    return labels
