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

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.spots import equivalent_diameter, intensity_limits, level_regions

FALLBACK_DIAMETER = 24.0
"""px; what is said of an image in which nothing can be found."""

SMALLEST, LARGEST = 5.0, 40.0
"""Range of candidates within one level of the pyramid, in its own pixels."""
MIN_SIDE = 24
MAX_PIXELS = 512 * 512
TILE_PIXELS = 256 * 256
ROUNDNESS_POWER, STEEPNESS_POWER, SIZE_POWER, FINAL_SIZE_POWER = 8.0, 0.5, 1.5, 1.0
WINDOW = 2.0
NEAR = 1.3
RELIABLE = 0.35
CLEAR = (0.5, 0.7)
FINE, MOSTLY, FEWEST = 12.0, 0.6, 3


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


def estimate_diameter(image: Array, *, spatial_ndim: int | None = None) -> DiameterEstimate:
    """Estimate the equivalent diameter of a typical object in an unlabelled image.

    Never fails: an image without information gives `FALLBACK_DIAMETER`, confidence 0 and the reason.

    Parameters
    ----------
    image : (*S) or (C, *S) real
    spatial_ndim : int, optional
        2 or 3: number of axes in S. When absent, three axes are (C, Y, X) where the first has four entries or fewer,
        else (Z, Y, X).
    """
    frames = _channels(np.asarray(image), spatial_ndim)
    if frames.size == 0 or max(frames.shape[1:]) < 2:
        return _fallback("The image is empty or a single pixel")
    frames = frames.astype(np.float32)
    if not np.isfinite(frames).all():
        frames = np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)
    frame = frames.mean(axis=0)  # for colours, and for stains of the same cells, the mean has the least noise
    votes = _all_votes(frame)
    if len(votes) == 0:
        is_constant = float(frames.min()) == float(frames.max())
        return _fallback("The image is constant" if is_constant else "No object stands out of the background")
    guess, confidence = _count(votes)
    diameter = _refined(frame, guess, confidence)
    agree = "agree on" if confidence >= RELIABLE else "differ; the best guess is"
    why = f"The image's light and dark spots {agree} about {diameter:.0f} px."
    return DiameterEstimate(diameter=diameter, confidence=confidence, why=why)


def estimate_set_diameter(images: Iterable[Array], *, spatial_ndim: int | None = None) -> DiameterEstimate:
    """Estimate one diameter for images of one acquisition: the median of their estimates, weighted by confidence.

    Parameters
    ----------
    images : iterable of (*S) or (C, *S) real
    spatial_ndim : int, optional
        As for `estimate_diameter`.
    """
    estimates = (estimate_diameter(image, spatial_ndim=spatial_ndim) for image in images)
    found = [one for one in estimates if one.confidence > 0]
    if not found:
        return _fallback("No object stands out in any image")
    diameters, weights = np.array([[one.diameter, one.confidence] for one in found]).T
    diameter = _weighted_median(diameters, weights)
    near = np.abs(np.log2(diameters / diameter)) < np.log2(NEAR)
    confidence = float(np.mean(weights * near))
    return DiameterEstimate(
        diameter=diameter, confidence=confidence, why=f"Median of {len(found)} images: about {diameter:.0f} px."
    )


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
    return equivalent_diameter(sizes, cells.ndim)


def _channels(image: Array, spatial_ndim: int | None) -> Array:
    """Return (C, *S) from an image with or without channels."""
    if spatial_ndim is None:
        spatial_ndim = 2 if image.ndim == 2 or (image.ndim == 3 and image.shape[0] <= 4) else 3
    return image[np.newaxis] if image.ndim == spatial_ndim else image


def _fallback(reason: str) -> DiameterEstimate:
    why = f"{reason}; {FALLBACK_DIAMETER:.0f} px is assumed. Draw a line across a cell instead."
    return DiameterEstimate(diameter=FALLBACK_DIAMETER, confidence=0.0, why=why)


def _all_votes(frame: Array) -> Array:
    """Collect candidates over the pyramid, (n, 2): diameter in px and weight."""
    votes = [np.zeros((0, 2))]
    span = _span(frame)
    factors = _factors(frame.shape) if span > 0 else []
    for factor in factors:
        largest = np.inf if factor == factors[-1] else LARGEST
        for tile in _richest_tiles(_reduce(frame, factor)):
            for _, table in level_regions(tile, span, smallest=SMALLEST, largest=largest):
                diameter, roundness, steepness = table.T
                weight = roundness**ROUNDNESS_POWER * steepness**STEEPNESS_POWER
                votes.append(np.stack([factor * diameter, weight], axis=1))
    table = np.concatenate(votes)
    return table[table[:, 0] <= 0.5 * frame.size ** (1 / frame.ndim)]


def _single_objects(frame: Array, guess: float) -> Array:
    """Choose among nested candidates of about the right size the best ones, each object once.

    Returns
    -------
    (n, 2) float
        Diameter in px and weight.
    """
    factor = max(f for f in _factors(frame.shape) if f == 1 or guess / f >= FINE)
    window = {"smallest": max(3.0, guess / factor / WINDOW), "largest": guess / factor * WINDOW}
    span, chosen = _span(frame), [np.zeros((0, 2))]
    for tile in _richest_tiles(_reduce(frame, factor)):
        found = list(level_regions(tile, span, **window))
        scores = [np.concatenate([[0.0], table[:, 1] ** ROUNDNESS_POWER * table[:, 2]]) for _, table in found]
        best = np.zeros(tile.shape)
        for (regions, _), score in zip(found, scores, strict=True):
            np.maximum(best, score[regions], out=best)
        for (regions, table), score in zip(found, scores, strict=True):
            inside = regions > 0
            owner = regions[inside]
            wins = np.bincount(owner, best[inside] <= score[owner])[1:] / np.bincount(owner)[1:]
            kept = wins > MOSTLY
            chosen.append(np.stack([factor * table[kept, 0], np.sqrt(score[1:][kept])], axis=1))
    return np.concatenate(chosen)


def _span(frame: Array) -> float:
    low, high = intensity_limits(ndimage.gaussian_filter(frame, 1.0))
    return high - low


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


def _count(votes: Array) -> tuple[float, float]:
    """Take the weighted median, and once more among the votes around it, where small ones may count for more.

    Returns the diameter, and the share of the votes that is near it.
    """
    diameters, weights = votes.T
    first = _weighted_median(diameters, weights * diameters**SIZE_POWER)
    around = np.abs(np.log2(diameters / first)) <= np.log2(WINDOW)
    diameter = _weighted_median(diameters[around], (weights * diameters**FINAL_SIZE_POWER)[around])
    near = np.abs(np.log2(diameters / diameter)) < np.log2(NEAR)
    weights = weights * diameters**SIZE_POWER
    return diameter, float(weights[near].sum() / weights.sum())


def _refined(frame: Array, guess: float, confidence: float) -> float:
    """Move the guess towards the median of single objects, the further the clearer the image.

    Votes favour large objects and outer contours, by some 25 % in clear images; in unclear ones that is what keeps
    noise from winning.
    """
    low, high = CLEAR
    share = min(1.0, max(0.0, (confidence - low) / (high - low)))
    objects = _single_objects(frame, guess) if share > 0 else np.zeros((0, 2))
    if len(objects) < FEWEST:
        return guess
    diameters, weights = objects.T
    return float(guess * (_weighted_median(diameters, weights * np.sqrt(diameters)) / guess) ** share)


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])
