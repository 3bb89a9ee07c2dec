"""From maps to instances: foreground, clusters, joined pieces, outlines. No torch, no image."""

from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.clean_up import clean_up
from napari_cellseg_ssl.core.instances.density_peaks import density_peaks
from napari_cellseg_ssl.core.instances.joining import join_pieces
from napari_cellseg_ssl.core.instances.mean_shift import mean_shift
from napari_cellseg_ssl.core.instances.otsu import otsu
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus.outline import (
    depth_in,
    expected_size,
    fitted_outline,
    learnt_outline,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEPARABLE = 0.5
CONTACT_DEPTH = 3.0
"""px; nearer to the background, two clusters meet in their halos and not in their objects."""


def segment(maps: PredictionMaps, options: CellulusSegmentOptions) -> Array:
    """Make instances, (N, *S) int32 on the image's own grid."""
    frames = zip(maps.arrays["embedding"], foreground(maps, options), maps.arrays["intensity"][:, 0], strict=True)
    return maps.labels_to_source(np.stack([segment_frame(*frame, options, maps.working_diameter) for frame in frames]))


def foreground(maps: PredictionMaps, options: CellulusSegmentOptions) -> Array:
    """Pixels whose embedding is stable, halo included, (N, *Sw) bool.

    Without a threshold of the user's, Otsu's splits each frame. Where the uncertainty does not fall into two groups,
    as in tissue without gaps, everything is foreground.
    """
    return np.stack([_stable(frame, options.threshold) for frame in maps.arrays["embedding-uncertainty"][:, 0]])


def _stable(uncertainty: Array, threshold: float) -> Array:
    if threshold == 0:
        threshold, separability = otsu(uncertainty)
        if separability < SEPARABLE:
            threshold = np.inf
    stable: Array = uncertainty < threshold
    return stable


def segment_frame(
    embedding: Array, stable: Array, intensity: Array, options: CellulusSegmentOptions, diameter: float
) -> Array:
    """Make the instances of one frame at the working scale.

    Parameters
    ----------
    embedding : (D, *Sw) float32, px
    stable : (*Sw) bool
        Foreground, halo included.
    intensity : (*Sw) float32
    diameter : float, px
        Of a typical object, at the working scale.

    Returns
    -------
    (*Sw) int32
    """
    cluster: Callable[..., Array] = mean_shift if options.clustering == "mean-shift" else density_peaks
    labels = cluster(embedding, stable, bandwidth=max(1.0, options.bandwidth * diameter))
    if labels.max(initial=0) == 0:
        return labels
    depth = depth_in(stable)
    if options.joining > 0:
        labels = join_pieces(labels, embedding, depth > CONTACT_DEPTH, diameter=diameter, smoothness=options.joining)
    outlined = np.where(_outline(labels, stable, depth, intensity, options, diameter), labels, 0)
    return clean_up(outlined, min_size=options.smallest * expected_size(diameter, labels.ndim))


def _outline(
    labels: Array, stable: Array, depth: Array, intensity: Array, options: CellulusSegmentOptions, diameter: float
) -> Array:
    from scipy.ndimage import distance_transform_edt

    match options.outline:
        case "auto":
            return learnt_outline(labels, depth, intensity, diameter=diameter, tightness=options.tightness)
        case "bright" | "dark":
            return fitted_outline(labels, intensity, sign=1 if options.outline == "bright" else -1)
        case "shrink" if not stable.all():
            shrunk: Array = distance_transform_edt(stable) > options.shrink
            return shrunk
    return stable
