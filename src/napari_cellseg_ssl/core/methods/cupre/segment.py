"""From detections to label images, without the network: what sliders ask for again and again."""

from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.options import option
from napari_cellseg_ssl.core.segmentation.detected import to_labels


@dataclass(frozen=True, kw_only=True)
class CupreSegmentOptions:
    """How to make instances from detections."""

    score: float = option(
        0.5,
        label="Least score",
        help="How sure the detector has to be. Lower: more objects, also false ones",
        min=0.0,
        max=1.0,
        step=0.01,
        search=(0.1, 0.95),
    )
    overlap: float = option(
        0.5,
        label="Overlap",
        help="An object is left out if better ones took more than this share of it. Higher: more objects in crowds",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    mask_threshold: float = option(
        0.5,
        label="Outline",
        help="An object is where its mask is at least so probable. Higher: smaller objects",
        min=0.05,
        max=0.95,
        step=0.01,
    )
    smallest: float = option(
        16.0,
        label="Smallest object",
        help="Objects of fewer pixels are left out; pixels at the working scale, so that it does not depend on the "
        "magnification of an image",
        min=1.0,
        max=1000.0,
        step=1.0,
        unit="px",
    )


def segment(maps: PredictionMaps, options: CupreSegmentOptions) -> Array:
    """Draw the detections of all frames, (N, *S) int32."""
    return drawn(maps, options)[0]


def scored(maps: PredictionMaps, options: CupreSegmentOptions) -> tuple[Array, tuple[Array, ...]]:
    """Draw the detections of all frames, and return the scores (K,) of the ids 1 to K of each."""
    labels, kept = drawn(maps, options)
    return labels, tuple(found.scores for found in kept)


def drawn(maps: PredictionMaps, options: CupreSegmentOptions) -> tuple[Array, tuple[Detections, ...]]:
    """Draw the detections of all frames, and say which.

    Boxes are brought to the image's own grid and masks drawn there, so that outlines are as fine as the image.

    Returns
    -------
    labels : (N, *S) int32
        Ids 1 to K in each frame, the best object first.
    kept : tuple of Detections
        Of each frame, in the order of its ids, px of the image.
    """
    shape = (maps.source_shape[0], maps.source_shape[1])
    pixels = options.smallest * np.prod(shape) / np.prod(maps.shape)
    frames, kept = [], []
    for found in maps.detections_to_source():
        labels, chosen = to_labels(
            found,
            shape,
            score=options.score,
            threshold=options.mask_threshold,
            taken=options.overlap,
            smallest=max(1, round(float(pixels))),
        )
        frames.append(labels)
        kept.append(found[chosen])
    return np.stack(frames), tuple(kept)
