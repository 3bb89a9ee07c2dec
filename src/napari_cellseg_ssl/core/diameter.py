"""The size of a typical object, from an image without labels or from annotated cells.

Every bright or dark spot that a level set of the image closes off is a candidate object. Candidates vote for their
equivalent diameter, each with the weight that its shape, the steepness of its outline and its size give it. A
pyramid of smoothed, reduced copies makes large objects stand out of noise and lets small and large ones be found
at the same cost. No statistic is tuned to a kind of microscope: dark nuclei on a slide, bright nuclei on black and
cells between membranes are all regions closed off by a level set.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import neighbour_pairs

FALLBACK_DIAMETER = 24.0
"""px; what is said of an image in which nothing can be found."""

LEVELS = 12
SMALLEST, LARGEST = 5.0, 40.0
"""Range of candidates within one level of the pyramid, in its own pixels."""
MIN_SIDE = 24
MAX_PIXELS = 512 * 512
TILE_PIXELS = 256 * 256
MIN_ROUNDNESS = 0.8
ROUNDNESS_POWER, STEEPNESS_POWER, SIZE_POWER, FINAL_SIZE_POWER = 8.0, 0.5, 1.5, 1.0
WINDOW = 2.0
NEAR = 1.3
RELIABLE = 0.35


@dataclass(frozen=True, kw_only=True)
class DiameterEstimate:
    """A diameter and how far to trust it.

    Parameters
    ----------
    diameter : float, px
        Of a disc (ball) with the area (volume) of a typical object.
    confidence : float
        Share of the votes within 30 % of `diameter`; 0 when nothing was found.
    why : str
        One sentence for the user.
    """

    diameter: float
    confidence: float
    why: str

    @property
    def is_reliable(self) -> bool:
        """Whether the candidates agree."""
        return self.confidence >= RELIABLE


def estimate_diameter(image: Array) -> DiameterEstimate:
    """Estimate the equivalent diameter of a typical object in an unlabelled image.

    Never fails: an image without information gives `FALLBACK_DIAMETER`, confidence 0 and the reason.

    Parameters
    ----------
    image : (*S) or (C, *S) real
        Two axes are (Y, X); with three, the first is channels when it has four entries or fewer, else Z.
    """
    frames = _channels(np.asarray(image))
    if frames.size == 0 or max(frames.shape[1:]) < 2:
        return _fallback("The image is empty or a single pixel")
    frames = frames.astype(np.float32)
    if not np.isfinite(frames).all():
        frames = np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)
    votes = _all_votes(frames)
    if len(votes) == 0:
        constant = float(frames.min()) == float(frames.max())
        return _fallback("The image is constant" if constant else "No object stands out of the background")
    return _count(votes)


def estimate_set_diameter(images: Iterable[Array]) -> DiameterEstimate:
    """Estimate one diameter for images of one acquisition: the median of their estimates, weighted by confidence.

    Parameters
    ----------
    images : iterable of (*S) or (C, *S) real
    """
    found = [one for one in map(estimate_diameter, images) if one.confidence > 0]
    if not found:
        return _fallback("No object stands out in any image")
    diameters, weights = np.array([[one.diameter, one.confidence] for one in found]).T
    diameter = _weighted_median(diameters, weights)
    near = np.abs(np.log2(diameters / diameter)) < np.log2(NEAR)
    confidence = float(np.mean(weights * near))
    return DiameterEstimate(
        diameter=diameter, confidence=confidence, why=f"Median of {len(found)} images: about {diameter:.0f} px."
    )


def diameter_of_cells(cells: Array) -> float | None:
    """Return the median equivalent diameter of annotated cells in px, or None when there are none.

    Parameters
    ----------
    cells : (*S) or (N, *S) integer, S = (Y, X), or (*S) with S = (Z, Y, X)
        One id per cell, 0 = no cell. Frames of a stack must not share ids; see `diameters_of_cells`.
    """
    diameters = diameters_of_cells(cells)
    return float(np.median(diameters)) if len(diameters) else None


def diameters_of_cells(cells: Array) -> Array:
    """Return the equivalent diameter of every cell in px, (n,) float64, in order of id.

    Parameters
    ----------
    cells : (*S) integer
        0 = no cell. The number of axes says whether sizes are areas or volumes.
    """
    if cells.size == 0:
        return np.zeros(0)
    _, sizes = np.unique(cells[cells > 0], return_counts=True)
    return _equivalent_diameter(sizes, cells.ndim)


def _channels(image: Array) -> Array:
    """Return (C, *S) from an image with or without channels."""
    if image.ndim == 2 or (image.ndim == 3 and image.shape[0] > 4):
        return image[np.newaxis]
    return image


def _fallback(reason: str) -> DiameterEstimate:
    why = f"{reason}; {FALLBACK_DIAMETER:.0f} px is assumed. Draw a line across a cell instead."
    return DiameterEstimate(diameter=FALLBACK_DIAMETER, confidence=0.0, why=why)


def _all_votes(frames: Array) -> Array:
    """Collect candidates over channels and the pyramid: (n, 2) of diameter in px and weight."""
    votes = []
    largest = 0.5 * float(np.prod(frames.shape[1:])) ** (1 / (frames.ndim - 1))
    for frame in _distinct_channels(frames):
        span = float(np.ptp(_limits(ndimage.gaussian_filter(frame, 1.0))))
        if span <= 0:
            continue
        for factor in _factors(frame.shape):
            reduced = _reduce(frame, factor)
            is_coarsest = factor == _factors(frame.shape)[-1]
            for tile in _richest_tiles(reduced):
                for found in _candidates(tile, span, np.inf if is_coarsest else LARGEST):
                    votes.append(found * np.array([factor, 1.0]))
    table = np.concatenate(votes) if votes else np.zeros((0, 2))
    return table[table[:, 0] <= largest]


def _distinct_channels(frames: Array) -> list[Array]:
    """Use the mean of the channels: for colours and for stains of the same cells it has the least noise."""
    return [frames.mean(axis=0)]


def _factors(shape: Sequence[int]) -> list[int]:
    """Powers of two by which an image of this shape can be reduced."""
    longest = max(shape)
    return [f for f in (1, 2, 4, 8, 16, 32) if f == 1 or longest / f >= 2 * MIN_SIDE]


def _reduce(frame: Array, factor: int) -> Array:
    """Average blocks of pixels; an axis that would get shorter than `MIN_SIDE` is reduced less or not at all."""
    for axis, side in enumerate(frame.shape):
        step = factor
        while step > 1 and side / step < MIN_SIDE:
            step //= 2
        if step > 1:
            whole = frame.take(range(side // step * step), axis=axis)
            shape = (*frame.shape[:axis], side // step, step, *frame.shape[axis + 1 :])
            frame = whole.reshape(shape).mean(axis=axis + 1)
    return frame


def _richest_tiles(frame: Array) -> Iterator[Array]:
    """Yield the frame, or where it is large as many of its tiles as are enough, those with most contrast first."""
    if frame.size <= MAX_PIXELS:
        yield frame
        return
    side = round(TILE_PIXELS ** (1 / frame.ndim))
    starts = product(*(range(0, max(1, n - side // 2), side) for n in frame.shape))
    tiles = [frame[tuple(slice(s, s + side) for s in start)] for start in starts]
    tiles.sort(key=lambda tile: -float(tile[..., ::2].std()))
    yield from tiles[: MAX_PIXELS // TILE_PIXELS]


def _candidates(frame: Array, span: float, largest: float) -> Iterator[Array]:
    """Yield, per level set, the regions that it closes off: (n, 2) of diameter in px and weight.

    Parameters
    ----------
    frame : (*S) float32
    span : float
        Contrast of the whole image, the unit of steepness.
    largest : float, px
    """
    smooth = ndimage.gaussian_filter(frame, 1.0)
    low, high = _limits(smooth)
    if high <= low:
        return
    steepness = np.sqrt(sum(np.square(g) for g in np.gradient(smooth))) / span
    rising = (smooth - low) / (high - low)
    for heights in (rising, 1 - rising):
        # Squared, so that levels crowd towards the background, where the outlines of dim objects are.
        for level in (np.arange(1, LEVELS + 1) / (LEVELS + 1)) ** 2:
            yield closed_regions(heights > level, steepness, smallest=SMALLEST, largest=largest)


def closed_regions(mask: Array, steepness: Array, *, smallest: float, largest: float) -> Array:
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
    (n, 2) float
        Diameter in px and weight: high for round components with steep outlines.
    """
    components, n = ndimage.label(mask)
    sizes = np.bincount(components.ravel(), minlength=n + 1)
    diameters = _equivalent_diameter(sizes, mask.ndim)
    valid = (diameters >= smallest) & (diameters <= largest)
    valid[0] = False
    for axis in range(mask.ndim):
        for edge in (0, -1):
            valid[np.take(components, edge, axis=axis)] = False
    if not valid.any():
        return np.zeros((0, 2))
    components = (np.cumsum(valid) * valid)[components]
    roundness = _roundness(components, sizes[valid])
    outline = np.zeros(mask.shape, dtype=bool)
    for before, after in neighbour_pairs(mask.ndim):
        outline[before] |= ~mask[after]
        outline[after] |= ~mask[before]
    outline &= components > 0
    owner = components[outline]
    steep = np.bincount(owner, steepness[outline], minlength=len(roundness) + 1)[1:] / np.bincount(owner)[1:]
    d = diameters[valid]
    weight = roundness**ROUNDNESS_POWER * steep**STEEPNESS_POWER
    return np.stack([d, weight], axis=1)[roundness > MIN_ROUNDNESS]


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
    ellipsoid = _ball_volume(ndim) * (ndim + 2) ** (ndim / 2) * np.sqrt(determinant)
    return np.minimum(1.0, sizes / ellipsoid)


def _count(votes: Array) -> DiameterEstimate:
    """Take the weighted median, and once more among the votes around it, where small ones may count for more."""
    diameters, weights = votes.T
    first = _weighted_median(diameters, weights * diameters**SIZE_POWER)
    around = np.abs(np.log2(diameters / first)) <= np.log2(WINDOW)
    diameter = _weighted_median(diameters[around], (weights * diameters**FINAL_SIZE_POWER)[around])
    near = np.abs(np.log2(diameters / diameter)) < np.log2(NEAR)
    weights = weights * diameters**SIZE_POWER
    confidence = float(weights[near].sum() / weights.sum())
    agree = "agree on" if confidence >= RELIABLE else "differ; the best guess is"
    return DiameterEstimate(
        diameter=diameter, confidence=confidence, why=f"The image's light and dark spots {agree} about {diameter:.0f} px."
    )


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])


def _limits(frame: Array) -> tuple[float, float]:
    low, high = np.percentile(frame if frame.size < 200_000 else frame[..., ::2, ::2], (1.0, 99.8))
    return float(low), float(high)


def _equivalent_diameter(sizes: Array, ndim: int) -> Array:
    """Diameter of the disc or ball of this area or volume."""
    diameters: Array = 2 * (np.asarray(sizes) / _ball_volume(ndim)) ** (1 / ndim)
    return diameters


def _ball_volume(ndim: int) -> float:
    return np.pi if ndim == 2 else 4 / 3 * np.pi
