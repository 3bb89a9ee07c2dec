"""Regions of an image that a level set closes off: the candidates for being an object, light or dark, 2D or 3D."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs

LEVELS = 12
MIN_ROUNDNESS = 0.8


def level_regions(frame: Array, span: float, *, smallest: float, largest: float) -> Iterator[tuple[Array, Array]]:
    """Yield, per level set, the regions that it closes off.

    Parameters
    ----------
    frame : (*S) float32
    span : float
        Contrast of the whole image, the unit of steepness.
    smallest, largest : float, px
        Range of equivalent diameters.

    Yields
    ------
    (*S) int
        Regions, 1..n.
    (n, 3) float
        As `closed_regions` returns them.
    """
    smooth = ndimage.gaussian_filter(frame, 1.0)
    low, high = intensity_limits(smooth)
    if high <= low:
        return
    slopes = [np.gradient(smooth, axis=axis) for axis, side in enumerate(smooth.shape) if side > 1]
    steepness = np.sqrt(sum(np.square(slope) for slope in slopes)) / span
    rising = (smooth - low) / (high - low)
    for heights in (rising, 1 - rising):
        # Squared, so that levels crowd towards the background, where the outlines of dim objects are.
        for level in (np.arange(1, LEVELS + 1) / (LEVELS + 1)) ** 2:
            regions, table = closed_regions(heights > level, steepness, smallest=smallest, largest=largest)
            if len(table):
                yield regions, table


def closed_regions(mask: Array, steepness: Array, *, smallest: float, largest: float) -> tuple[Array, Array]:
    """Measure the components of a mask that are round enough and do not touch the frame.

    Parameters
    ----------
    mask : (*S) bool
    steepness : (*S) float
        Of the image; a component's is the mean along its outline.
    smallest, largest : float, px
        Range of equivalent diameters.

    Returns
    -------
    (*S) int
        Components 1..n, 0 elsewhere.
    (n, 3) float
        Equivalent diameter in px, roundness (1 = an ellipse), mean steepness along the outline.
    """
    components, n = ndimage.label(mask)
    sizes = np.bincount(components.ravel(), minlength=n + 1)
    valid = (equivalent_diameter(sizes, mask.ndim) >= smallest) & (equivalent_diameter(sizes, mask.ndim) <= largest)
    valid[0] = False
    for axis in range(mask.ndim):
        for edge in (0, -1):
            valid[np.take(components, edge, axis=axis)] = False
    components, sizes = _only(components, valid), sizes[valid]
    roundness = _roundness(components, sizes)
    is_round = roundness > MIN_ROUNDNESS
    components, sizes = _only(components, np.concatenate([[False], is_round])), sizes[is_round]
    if len(sizes) == 0:
        return components, np.zeros((0, 3))
    outline = np.zeros(mask.shape, dtype=bool)
    for before, after in neighbour_pairs(mask.ndim):
        outline[before] |= ~mask[after]
        outline[after] |= ~mask[before]
    outline &= components > 0
    owner = components[outline]
    steep = np.bincount(owner, steepness[outline], minlength=len(sizes) + 1)[1:] / np.bincount(owner)[1:]
    return components, np.stack([equivalent_diameter(sizes, mask.ndim), roundness[is_round], steep], axis=1)


def _only(components: Array, chosen: Array) -> Array:
    """Keep the chosen components and number them 1..n again; `chosen` starts with the background's False."""
    kept: Array = (np.cumsum(chosen) * chosen)[components]
    return kept


def _roundness(components: Array, sizes: Array) -> Array:
    """Compare each component with the ellipse (ellipsoid) of the same second moments: 1 = equal in size, less = lobed.

    Parameters
    ----------
    components : (*S) int
        1..n without gaps.
    sizes : (n,) int, px
    """
    where = np.nonzero(components)
    owner = components[where]
    ndim, n = components.ndim, len(sizes)
    centred = []
    for axis in range(ndim):
        position = where[axis].astype(np.float64)
        mean = np.bincount(owner, position, minlength=n + 1)[1:] / sizes
        centred.append(position - mean[owner - 1])
    covariance = np.empty((n, ndim, ndim))
    for i in range(ndim):
        for j in range(i, ndim):
            moment = np.bincount(owner, centred[i] * centred[j], minlength=n + 1)[1:] / sizes
            covariance[:, i, j] = covariance[:, j, i] = moment + (i == j) / 12  # a pixel has an extent of its own
    determinant = np.maximum(np.linalg.det(covariance), 1e-12)
    # The semi-axes of an ellipsoid are sqrt((ndim + 2) * eigenvalue).
    ellipsoid = ball_volume(ndim) * (ndim + 2) ** (ndim / 2) * np.sqrt(determinant)
    return np.minimum(1.0, sizes / ellipsoid)


def intensity_limits(frame: Array) -> tuple[float, float]:
    """Darkest and brightest value, a few odd pixels left aside."""
    low, high = np.percentile(frame if frame.size < 200_000 else frame[..., ::2, ::2], (1.0, 99.8))
    return float(low), float(high)


def equivalent_diameter(sizes: Array, ndim: int) -> Array:
    """Diameter of the disc or ball of this area or volume."""
    diameters: Array = 2 * (np.asarray(sizes) / ball_volume(ndim)) ** (1 / ndim)
    return diameters


def ball_volume(ndim: int) -> float:
    """Area of a disc or volume of a ball of radius 1."""
    return np.pi if ndim == 2 else 4 / 3 * np.pi
