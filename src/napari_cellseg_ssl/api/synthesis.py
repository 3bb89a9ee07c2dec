"""What a model draws, in two calls for notebooks and scripts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.api.inputs import Picture, predict_request
from napari_cellseg_ssl.api.models import opened
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.data.volumes import ZMeaning
from napari_cellseg_ssl.core.methods.events import last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.interpolation import InterpolationReady
from napari_cellseg_ssl.tasks.interpolation import interpolate as interpolate_events
from napari_cellseg_ssl.tasks.predict import bundle_ndims
from napari_cellseg_ssl.tasks.requests import Diameter, InterpolationRequest
from napari_cellseg_ssl.tasks.synthesis import draw_pairs


def synthesise(
    model: str | Path | ModelBundle, shape: Sequence[int], *, count: int = 1, seed: int = 0, device: str = "auto"
) -> list[tuple[Array, Array]]:
    """Draw images of invented objects, and these objects: pairs from which a method with labels can learn.

    Objects are as wide as at the model's working scale: on average `model.train_options.working_diameter` px.

    Parameters
    ----------
    model : path or ModelBundle
        Of AD-GAN.
    shape : (Y, X) or (Z, Y, X), px
        With as many axes as the images that the model was trained on; voxels are cubes.
    count, seed : int
        Number of pairs; the same seed draws the same pairs.

    Returns
    -------
    list of (image, labels)
        (*S) float32 from 0 to 1, however many channels the model was trained on, and (*S) int32, 0 = background.

    Raises
    ------
    WrongRun
        If the model cannot draw, or is damaged.
    WrongImage
        If `shape` has other axes than the model's images.

    References
    ----------
    Yao et al., "AD-GAN" (arXiv 2107.11022), section 3.4 for the masks, table 10 for learning from such pairs.

    Examples
    --------
    >>> import napari_cellseg_ssl as cs  # doctest: +SKIP
    >>> model = cs.train("adgan", images="my_images/", time_budget=180)  # doctest: +SKIP
    >>> images, labels = zip(*cs.synthesise(model, (256, 256), count=50))  # doctest: +SKIP
    >>> size = model.train_options.working_diameter  # doctest: +SKIP
    >>> actis = cs.train(  # doctest: +SKIP
    ...     "actis", images=images, labels=labels, labels_mode="dense", object_diameter=size
    ... )
    """
    drawn = draw_pairs(opened(model), tuple(shape), count=count, seed=seed, device=device)
    return [(pair.image, pair.labels) for pair in drawn if isinstance(pair, SyntheticPair)]


def interpolate(
    model: str | Path | ModelBundle,
    image: Picture,
    *,
    steps: int = 11,
    object_diameter: Diameter | None = None,
    device: str = "auto",
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    z: ZMeaning | None = None,
    spacing: Sequence[float] | None = None,
) -> Array:
    """Turn an image into its mask by degrees: what the decoder draws when it is told (1 − τ) image + τ mask.

    Parameters
    ----------
    model : path or ModelBundle
        Of AD-GAN.
    image : path, array or ImageStack
        Scaled and normalised as in `predict`.
    steps : int
        Values of τ from 0 to 1, evenly apart; at least 2.
    object_diameter : float or "auto", optional, px
        Absent, what the model says.
    z, spacing : optional
        As in `train`.

    Returns
    -------
    (steps, *S) or (steps, N, *S) float32
        From -1 to 1, on the image's own grid, objects bright: the image as the network sees it first, its translated
        mask last. With a sample axis where the image has one.

    Raises
    ------
    WrongRun
        If the model has nothing between image and mask, or is damaged.
    WrongImage
        If the image does not fit the model.
    WrongOption
        If there are fewer than 2 steps.

    References
    ----------
    Yao et al., "AD-GAN" (arXiv 2107.11022), section 5.5; ten intervals of τ there.
    """
    bundle = opened(model)
    reading = Reading(axes=axes, channels=channels, z=z, spacing=spacing, spatial_ndims=bundle_ndims(bundle))
    asked = predict_request(bundle, image, reading, object_diameter, device)
    requests = [InterpolationRequest(**vars(asked), frame=n, steps=steps) for n in range(len(asked.image.frames))]
    stacks = [last_of(interpolate_events(request), InterpolationReady).stack for request in requests]
    return np.stack([asked.image.to_source(step) for step in np.stack(stacks, axis=1)])
