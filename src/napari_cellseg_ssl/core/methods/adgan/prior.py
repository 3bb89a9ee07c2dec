"""What the masks of a training look like: as large as the objects, as dense as the images."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.otsu import otsu
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.adgan.greys import greys_for
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions
from napari_cellseg_ssl.core.scaling import resize_linear, working_shape
from napari_cellseg_ssl.core.synthetic_masks import MaskPrior, SyntheticMask, draw_mask

LEAST, MOST = 0.03, 0.6
"""Coverages that an estimate can have."""
LOOKED_AT = {2: 48, 3: 12}
"""Crops from which the coverage is estimated, by the number of spatial axes."""


def mask_prior(options: AdganOptions, greys: Array | None = None) -> MaskPrior:
    """Say what masks to draw.

    Parameters
    ----------
    greys : (B, 1, *S) float, optional
        Crops of the images, objects bright; their coverage is estimated where the options do not give it.
    """
    if options.coverage > 0 or greys is None:
        coverage: tuple[float, ...] = (options.coverage or 0.25,)
    else:
        coverage = estimate_coverage(greys)
    return MaskPrior(
        diameter=options.working_diameter, spread=options.spread, coverage=coverage, rim=options.masks == "rim"
    )


def estimate_coverage(greys: Array) -> tuple[float, ...]:
    """Estimate which share of each crop (B, 1, *S) objects cover, by one threshold for all."""
    smooth = np.stack([ndimage.gaussian_filter(crop, 1.0) for crop in greys[:, 0]])
    threshold, _ = otsu(smooth)
    shares = (smooth > threshold).reshape(len(smooth), -1).mean(axis=1)
    return tuple(np.clip(shares, LEAST, MOST).round(3).tolist())


def preview_masks(
    image: Array, diameter: float, options: AdganOptions, *, count: int = 1, seed: int = 0
) -> tuple[SyntheticMask, ...]:
    """Draw masks as training would, on the grid of an image, to be looked at beside it.

    Parameters
    ----------
    image : (C, *S)
        A frame, or the part of it that is looked at, in its own dtype.
    diameter : float, px
        Of its objects.
    """
    shape = image.shape[1:]
    working = working_shape(shape, options.working_diameter / diameter)
    normalised = Intensity().normalise(image)
    crops = np.stack([resize_linear(channel, working) for channel in normalised])[np.newaxis]
    greys = greys_for(crops, polarity=options.polarity, gamma=options.gamma)
    prior = replace(mask_prior(options, greys(crops)), diameter=diameter)
    rng = np.random.default_rng(seed)
    return tuple(draw_mask(prior, shape, rng) for _ in range(count))
