"""Threshold and distance watershed of one frame: arrays in, labels out, 2D and 3D."""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_cellseg_ssl.core.diameter import WINDOW, closed_regions
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.clean_up import clean_up
from napari_cellseg_ssl.core.instances.watershed import distance_watershed, label_components
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions

LOCAL_WINDOW = 3.0
"""Side of the box of a local threshold, in diameters."""
LOCAL_FLOOR = 0.5
"""Share of Otsu's threshold that a locally bright pixel must reach, so that noise in empty regions stays empty."""


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
    return dark if _likeness(dark, smooth, diameter) > _likeness(bright, smooth, diameter) else bright


def _threshold(heights: Array, diameter: float, options: ClassicalSegmentOptions) -> Array:
    """Return what rises above the background, holes filled."""
    heights = heights - heights.min()
    if not heights.any():
        return np.zeros(heights.shape, dtype=bool)
    if options.threshold == "sqrt":
        level = float(threshold_otsu(np.sqrt(heights))) ** 2
    else:
        level = float(threshold_otsu(heights))
    level *= options.threshold_factor
    if options.threshold == "local":
        surroundings = ndimage.uniform_filter(heights, max(3, round(LOCAL_WINDOW * diameter)))
        mask = (heights > options.threshold_factor * surroundings) & (heights > LOCAL_FLOOR * level)
    else:
        mask = heights > level
    filled: Array = ndimage.binary_fill_holes(mask)
    return filled


def _likeness(mask: Array, smooth: Array, diameter: float) -> float:
    """Say how much of a mask looks like objects: round components with steep outlines, of about the right size."""
    regions = closed_regions(mask, np.ones_like(smooth), smallest=diameter / WINDOW, largest=diameter * WINDOW)
    size, weight = regions.T
    return float((weight * size**mask.ndim).sum())
