"""What else the one network can do: images for drawn masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, SyntheticPair, draw_mask
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK
from napari_cellseg_ssl.core.methods.adgan.greys import Greys, greys_of
from napari_cellseg_ssl.core.methods.adgan.network import AdganPredictor, load_predictor
from napari_cellseg_ssl.core.methods.adgan.prior import mask_prior

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

COVERAGE = "masks.coverage"
"""Where a model keeps how densely its masks were covered."""


def synthetic_pairs(
    bundle: ModelBundle, shape: Sequence[int], *, count: int, seed: int = 0, device: str = "cpu"
) -> Iterator[SyntheticPair]:
    """Draw masks as in training, and images for them: pairs from which a supervised method can learn.

    Objects are as wide as at the model's working scale.

    Parameters
    ----------
    shape : sequence of int
        (Y, X) or (Z, Y, X), px.

    Raises
    ------
    WrongRun
        If the bundle is not one of AD-GAN's, or is damaged.
    """
    if COVERAGE not in bundle.weights:
        raise shared.run_lacks(COVERAGE)
    predictor, greys = load_predictor(bundle, device), greys_of(bundle.architecture, bundle.weights)
    coverage = tuple(bundle.weights[COVERAGE].tolist())
    prior = replace(mask_prior(bundle.train_options), coverage=coverage)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield draw_pair(predictor, greys, prior, shape, rng)


def draw_pair(
    predictor: AdganPredictor, greys: Greys, prior: MaskPrior, shape: Sequence[int], rng: np.random.Generator
) -> SyntheticPair:
    """Draw a mask, and an image for it."""
    mask = draw_mask(prior, shape, rng)
    drawn = predictor.translate(mask.image[np.newaxis, np.newaxis], MASK, IMAGE)[0, 0]
    return SyntheticPair(greys.brightness(drawn), mask.labels, mask.image)
