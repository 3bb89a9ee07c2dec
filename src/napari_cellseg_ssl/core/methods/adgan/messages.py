"""Sentences for the user: what was assumed, what will probably go wrong, and what came out."""

from collections.abc import Mapping

import numpy as np

from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.methods.adgan.greys import Greys
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions, AdganSegmentOptions

FEWEST_OBJECTS = 20
NARROW = 3.0
"""Diameters that a training crop should be wide."""
SPARSE = 0.05
NOT_UNDERSTOOD = 0.3
"""Quality below which the objects that are found explain little of the images."""


def before(data: TrainingSet, options: AdganOptions, prior: MaskPrior, greys: Greys) -> tuple[str, ...]:
    """Say what the masks are like, and what will probably go wrong."""
    coverage = float(np.mean(prior.coverage))
    where = "estimated from the images" if options.coverage == 0 else "as given"
    kind = "darker" if greys.is_dark else "brighter"
    texts = [f"Objects are {kind} than what is around them and cover {coverage:.0%} of the crops, {where}."]
    room = sum(
        len(item.image.frames) * float(np.prod([size / item.diameter for size in item.image.spatial_shape]))
        for item in data.items
    )
    if room < FEWEST_OBJECTS:
        texts.append(f"The images have room for only {room:.0f} objects; AD-GAN learns better from more images.")
    if options.crop < NARROW * options.working_diameter:
        texts.append(
            f"A training crop is only {options.crop / options.working_diameter:.1f} diameters wide; "
            "choose larger crops or a smaller working diameter."
        )
    if len(data.items[0].image.spatial_shape) == 3:
        texts.append("In volumes it needs hundreds of steps of seconds each: eight minutes or more on a processor.")
    if coverage < SPARSE:
        texts.append("Objects are rare in the images; parts that show more of them teach more.")
    return tuple(texts)


def after(reading: AdganSegmentOptions, scores: Mapping[str, float]) -> tuple[str, ...]:
    """Say how well the objects that are found explain the images."""
    quality = scores["quality"]
    found = f"With the threshold {reading.threshold:g}, the objects found explain the images to {quality:.2f} of 1."
    if quality >= NOT_UNDERSTOOD:
        return (found,)
    return (
        found,
        "That is little. Is the object diameter right, and do all images look alike? If so, train with another seed.",
    )
