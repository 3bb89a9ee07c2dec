"""Tell fields that show nothing: scaled to their own percentiles, noise looks like an image full of dim objects."""

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array

OBJECT_SCALE = 1 / 6
"""Width of the blur, in diameters, that leaves objects and takes noise away."""
MORE_THAN_NOISE = 4.0
"""Contrast at the objects' scale, in units of what noise of the pixels alone would leave there."""
FLAT = 1e-6


def is_only_noise(field: Array, diameter: float) -> bool:
    """Say whether a field (C, *S) has no more contrast at the scale of objects than its noise explains."""
    return all(contrast_over_noise(channel, diameter) < MORE_THAN_NOISE for channel in field)


def contrast_over_noise(frame: Array, diameter: float) -> float:
    """Compare the contrast of a frame (*S) at the objects' scale with that of equally strong noise of its pixels."""
    if float(np.ptp(frame)) < FLAT:
        return 0.0
    sigma = max(1.0, OBJECT_SCALE * diameter)
    objects = ndimage.gaussian_filter(frame, sigma) - ndimage.gaussian_filter(frame, 6 * sigma)
    fine = frame - ndimage.gaussian_filter(frame, 1.0)
    noise = float(np.median(np.abs(fine))) / 0.6745  # the median of a Gaussian's absolute values
    left = (2 * sigma * np.sqrt(np.pi)) ** (-frame.ndim / 2) * max(noise, FLAT)
    return float(objects.std()) / left
