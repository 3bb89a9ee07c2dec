"""Threshold and distance watershed of one frame: arrays in, labels out, 2D and 3D."""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.clean_up import clean_up
from napari_cellseg_ssl.core.instances.watershed import distance_watershed, label_components
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.spots import closed_regions

LOCAL_WINDOW = 10.0
"""Side, in diameters, of the box whose mean is the background of a local threshold: wide enough for clusters."""


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
        )
    else:
        labels = label_components(foreground)
    typical = np.pi / 4 * diameter**2 if intensity.ndim == 2 else np.pi / 6 * diameter**3
    return clean_up(labels, min_size=options.min_size * typical)


def find_foreground(intensity: Array, diameter: float, options: ClassicalSegmentOptions) -> Array:
    """Separate objects from background, (*S) bool; holes are filled."""
    smooth = ndimage.gaussian_filter(intensity, options.smoothing * diameter)
    if options.polarity != "auto":
        return _threshold(smooth if options.polarity == "bright" else -smooth, diameter, options)
    bright, dark = (_threshold(one, diameter, options) for one in (smooth, -smooth))
    return dark if _likeness(dark, diameter) > _likeness(bright, diameter) else bright


def _threshold(heights: Array, diameter: float, options: ClassicalSegmentOptions) -> Array:
    """Return what rises above the background, holes filled."""
    if options.threshold == "local":
        surroundings = ndimage.uniform_filter(heights, max(3, round(LOCAL_WINDOW * diameter)))
        heights = np.maximum(heights - surroundings, 0.0)
    else:
        heights = heights - heights.min()
    if not heights.any():
        return np.zeros(heights.shape, dtype=bool)
    if options.threshold == "otsu":
        level = float(threshold_otsu(heights))
    else:
        level = float(threshold_otsu(np.sqrt(heights))) ** 2
    filled: Array = ndimage.binary_fill_holes(heights > options.threshold_factor * level)
    return filled


def _likeness(mask: Array, diameter: float) -> float:
    """Say how much of a mask looks like objects: round components of about the right size."""
    level = np.zeros(mask.shape, dtype=np.float32)
    _, table = closed_regions(mask, level, smallest=diameter / 2, largest=diameter * 2)
    size, roundness, _ = table.T
    return float((roundness**8 * size**mask.ndim).sum())
