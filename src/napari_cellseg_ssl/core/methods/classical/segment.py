"""Threshold and distance watershed of one frame: arrays in, labels out, 2D and 3D."""

from itertools import product

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.scaling import resize_labels
from napari_cellseg_ssl.core.data.spots import closed_regions
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.segmentation.clean_up import clean_up, fill_mask
from napari_cellseg_ssl.core.segmentation.watershed import distance_watershed, label_components

LOCAL_WINDOW = 10.0
"""Side, in diameters, of the box whose mean is the background of a local threshold: wide enough for clusters."""
CONTRAST_SIGMA = 0.2
"""Width, in diameters, of the neighbourhood whose standard deviation is the local contrast."""
COARSE_DIAMETER = 16.0
"""px; from here on every other pixel is enough to tell bright objects from dark ones."""
ENOUGH_FOR_POLARITY = 512 * 512
"""px; of larger images a part of about this size is looked at."""
DEEP_IN_NOISE = 0.7
"""A brightness that separates less than this many deviations of the noise separates nothing but noise."""


def segment_frame(intensity: Array, diameter: float, options: ClassicalSegmentOptions) -> Array:
    """Segment one frame.

    Parameters
    ----------
    intensity : (*S) float32
    diameter : float, px
        Typical object's.
    options : ClassicalSegmentOptions

    Returns
    -------
    (*S) int32
        0 = background, 1..n in order of first pixel. A constant frame has no object.
    """
    foreground = find_foreground(intensity, diameter, options)
    if options.declump:
        labels = distance_watershed(
            foreground,
            diameter=diameter,
            smoothing=options.distance_smoothing,
            seed_distance=options.seed_distance,
            widest_neck=options.widest_neck,
        )
    else:
        labels = label_components(foreground)
    typical = np.pi / 4 * diameter**2 if intensity.ndim == 2 else np.pi / 6 * diameter**3
    return clean_up(labels, min_size=options.min_size * typical)


def find_foreground(intensity: Array, diameter: float, options: ClassicalSegmentOptions) -> Array:
    """Separate objects from background, (*S) bool; holes are filled."""
    smooth = ndimage.gaussian_filter(intensity, options.smoothing * diameter, truncate=3.0)
    polarity = options.polarity if options.polarity != "auto" else _find_polarity(smooth, diameter, options)
    if polarity == "contrast":
        heights = _contrast(intensity, CONTRAST_SIGMA * diameter)
        return _above(heights, options.threshold_factor * float(threshold_otsu(heights)))
    heights, level = _threshold(smooth if polarity == "bright" else -smooth, diameter, options)
    return _above(heights, options.threshold_factor * level)


def _find_polarity(smooth: Array, diameter: float, options: ClassicalSegmentOptions) -> str:
    """Take bright or dark, whichever mask looks more like objects, or contrast where that mask is only noise."""
    if diameter >= COARSE_DIAMETER:
        smooth, diameter = smooth[(slice(None, None, 2),) * smooth.ndim], diameter / 2
    smooth = _richest_part(smooth)
    found = {}
    for polarity, sided in (("bright", smooth), ("dark", -smooth)):
        heights, level = _threshold(sided, diameter, options)
        found[polarity] = (_likeness(_above(heights, options.threshold_factor * level), diameter), level)
    polarity = "dark" if found["dark"][0] > found["bright"][0] else "bright"
    detail = smooth - ndimage.gaussian_filter(smooth, 3 * options.smoothing * diameter, truncate=3.0)
    noise = float(np.median(np.abs(detail))) / 0.6745  # the median of a Gaussian's absolute values
    return "contrast" if found[polarity][1] < DEEP_IN_NOISE * noise else polarity


def _richest_part(frame: Array) -> Array:
    """Return the frame, or where it is large the part of it with the most contrast."""
    side = round(ENOUGH_FOR_POLARITY ** (1 / frame.ndim))
    starts = product(*((*range(0, length - side, side), max(0, length - side)) for length in frame.shape))
    parts = (frame[tuple(slice(s, s + side) for s in start)] for start in starts)
    return max(parts, key=lambda part: float(part.std()))


def _threshold(heights: Array, diameter: float, options: ClassicalSegmentOptions) -> tuple[Array, float]:
    """Return heights above the background, (*S) not negative, and the one that divides objects from it."""
    above_all = heights - heights.min()
    if options.threshold == "local":
        above = heights - _surroundings(heights, diameter)
        # A mean that most pixels exceed lies within the objects, and is no background.
        heights = np.maximum(above, 0.0) if float((above * above * above).mean()) >= 0 else above_all
    else:
        heights = above_all
    if options.threshold == "otsu":
        return heights, float(threshold_otsu(heights))
    return heights, float(threshold_otsu(np.sqrt(heights))) ** 2


def _surroundings(heights: Array, diameter: float) -> Array:
    """Mean of the wide surroundings, (*S); so smooth that a few pixels per diameter are enough to know it."""
    step = max(1, int(diameter / 4))
    few = heights[(slice(None, None, step),) * heights.ndim]
    return resize_labels(ndimage.uniform_filter(few, max(3, round(LOCAL_WINDOW * diameter / step))), heights.shape)


def _contrast(intensity: Array, sigma: float) -> Array:
    """Local standard deviation: cells in phase contrast are bright and dark, their surroundings neither."""
    mean = ndimage.gaussian_filter(intensity, sigma, truncate=3.0)
    variance = ndimage.gaussian_filter(intensity * intensity, sigma, truncate=3.0) - mean * mean
    return np.sqrt(np.maximum(variance, 0.0))


def _above(heights: Array, level: float) -> Array:
    """Mask of what is higher than a level, holes filled."""
    return fill_mask(heights > level)


def _likeness(mask: Array, diameter: float) -> float:
    """Say how much of a mask looks like objects: round components of about the right size."""
    level = np.zeros(mask.shape, dtype=np.float32)
    _, table = closed_regions(mask, level, smallest=diameter / 2, largest=diameter * 2)
    size, roundness, _ = table.T
    return float((roundness**8 * size**mask.ndim).sum())
