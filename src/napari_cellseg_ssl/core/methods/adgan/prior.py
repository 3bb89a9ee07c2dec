"""What the masks of a training look like: as large as the objects, as dense as the images."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import resize_image, resize_labels, working_shape
from napari_cellseg_ssl.core.data.synthetic_masks import MaskExample, MaskPrior, draw_mask
from napari_cellseg_ssl.core.methods.adgan.greys import greys_for
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions
from napari_cellseg_ssl.core.segmentation.otsu import otsu

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


def example_mask(image: ImageStack, diameter: float, options: AdganOptions, *, seed: int = 0) -> MaskExample:
    """Draw a mask as training would, on the grid of an image, to be looked at beside it.

    Parameters
    ----------
    image : ImageStack
        Its first frame counts; a part of an image that is looked at will do.
    diameter : float, px
        Of its objects, in the plane.
    """
    working = working_shape(image.spatial_shape, options.working_diameter / diameter, image.aspect)
    normalised = Intensity().normalise(image.frames[0])
    crops = np.stack([resize_image(channel, working) for channel in normalised])[np.newaxis]
    greys = greys_for(crops, polarity=options.polarity, gamma=options.gamma)
    prior = replace(mask_prior(options, greys(crops)), diameter=diameter)
    isotropic = working_shape(image.spatial_shape, 1.0, image.aspect)
    mask = draw_mask(prior, isotropic, np.random.default_rng(seed)).image
    smallest, largest = diameter / (1 + prior.spread), diameter * (1 + prior.spread)
    sizes = f"Objects are {smallest:.0f} to {largest:.0f} px wide"
    covered = f"cover {np.mean(prior.coverage):.0%}" + ("" if options.coverage else " (estimated)")
    return MaskExample(resize_labels(mask, image.spatial_shape), f"{sizes} and {covered}.")
