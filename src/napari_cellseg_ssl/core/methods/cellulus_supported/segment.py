"""From probability and distances to instances: non-maximum suppression of star-convex polygons. No torch, no image."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedSegmentOptions
from napari_cellseg_ssl.core.segmentation.clean_up import clean_up
from napari_cellseg_ssl.core.segmentation.star_polygons import draw_polygons, find_polygons


def segment(maps: PredictionMaps, options: SupportedSegmentOptions) -> Array:
    """Make instances, (N, *S) int32 on the image's own grid."""
    frames = zip(maps.arrays["probability"][:, 0], maps.arrays["distance"], strict=True)
    return maps.labels_to_source(np.stack([instances(p, d, maps.working_diameter, options) for p, d in frames]))


def instances(probability: Array, distances: Array, diameter: float, options: SupportedSegmentOptions) -> Array:
    """Make the instances of one frame at the working scale.

    Parameters
    ----------
    probability : (Y, X) float32
    distances : (rays, Y, X) float32, px
    diameter : float, px

    Returns
    -------
    (Y, X) int32
    """
    points, _, lengths = find_polygons(probability, distances, threshold=options.threshold, overlap=options.overlap)[:3]
    labels = draw_polygons(points, lengths, probability.shape)
    return clean_up(labels, min_size=options.smallest * np.pi / 4 * diameter**2, fill=False)
