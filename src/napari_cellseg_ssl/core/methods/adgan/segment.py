"""Instances from the translated mask: objects split at their necks, or by their grey rims."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_linear, working_shape
from napari_cellseg_ssl.core.data.spots import ball_volume
from napari_cellseg_ssl.core.methods.adgan.options import AdganSegmentOptions
from napari_cellseg_ssl.core.segmentation.clean_up import clean_up, fill_mask
from napari_cellseg_ssl.core.segmentation.watershed import distance_watershed, label_components

FINEST = 32.0
"""Diameter, px, up to which the own grid of a flat image is used."""
SMALLEST_CORE = 0.05
"""Cores smaller than this share of a typical object's size are no seeds."""
WITHOUT_CORE = 0.5
"""Foreground without a core that is as large as this share of an object is one all the same: dim ones have none."""


def segment(maps: PredictionMaps, options: AdganSegmentOptions) -> Array:
    """Make instances, (N, *S) int32 on the image's own grid.

    Flat images are segmented there too, or where objects are `FINEST` px wide: the masks are smooth, so outlines are
    finer than the working scale.
    """
    frames, diameter = maps.arrays["translated-mask"][:, 0], maps.working_diameter
    if frames.ndim == 3:
        scale = min(1.0, FINEST / maps.diameter)
        shape = working_shape(maps.source_shape, scale)
        frames, diameter = np.stack([resize_linear(frame, shape) for frame in frames]), scale * maps.diameter
    return maps.labels_to_source(np.stack([segment_frame(frame, diameter, options) for frame in frames]))


def segment_frame(mask: Array, diameter: float, options: AdganSegmentOptions) -> Array:
    """Make instances of one translated mask (*S) between -1 and 1, (*S) int32.

    Parameters
    ----------
    diameter : float, px
        Of a typical object.
    """
    smooth = ndimage.gaussian_filter(mask, options.smoothing * diameter, truncate=3.0)
    foreground = fill_mask(smooth > options.threshold)
    typical = ball_volume(mask.ndim) * (diameter / 2) ** mask.ndim
    if options.split == "rim":
        labels = split_by_rim(smooth, foreground, core_threshold=options.core_threshold, typical=typical)
    else:
        labels = distance_watershed(foreground, diameter=diameter, seed_distance=options.seed_distance)
    return clean_up(labels, min_size=options.smallest * typical)


def split_by_rim(smooth: Array, foreground: Array, *, core_threshold: float, typical: float) -> Array:
    """Grow cores over the foreground, (*S) int32; see section 3.5 of the paper.

    Parameters
    ----------
    smooth : (*S) float
        Translated mask: about 1 in cores, 0 in rims, -1 outside.
    foreground : (*S) bool
    typical : float, px
        Size of an object.
    """
    from skimage.segmentation import watershed

    cores = label_components(foreground & (smooth > core_threshold))
    sizes = np.bincount(cores.ravel())
    cores = np.where(sizes[cores] < SMALLEST_CORE * typical, 0, cores)
    components = label_components(foreground)
    has_core = np.zeros(int(components.max()) + 1, bool)
    has_core[components[cores > 0]] = True
    kept = ~has_core & (np.bincount(components.ravel()) >= WITHOUT_CORE * typical)
    kept[0] = False
    whole = kept[components]
    seeds = np.where(whole, components + int(cores.max(initial=0)), cores)
    return np.asarray(watershed(-smooth, seeds, mask=foreground), np.int32)
