"""How much of an image a model is uncertain about, beside that of the images it learned from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.model.bundle import ModelBundle

DOUBT = 0.5
"""From which a pixel counts as doubtful, of 1."""
TIMES, MORE = 1.5, 0.05
"""An image is unlike those of the training from so many times their doubtful share on, and at least so much more."""
SCORE = "doubtful"
"""Name of the share among the scores of a model."""
TINY = 1e-6


def doubtful_share(probabilities: Array, ambiguity: Array) -> float:
    """Share of pixels that are doubtful.

    The doubt of a pixel is the greater of the proxy's probability and the entropy of the three classes, divided by that
    of a die with three sides: the proxy takes up hardly any doubt between two classes.

    Parameters
    ----------
    probabilities : (3, Y, X) float
        Background, interior, boundary.
    ambiguity : (Y, X) float
        The proxy.
    """
    entropy = -(probabilities * np.log(np.maximum(probabilities, TINY))).sum(0) / np.log(len(probabilities))
    return float((np.maximum(entropy, ambiguity) > DOUBT).mean())


def remarks(bundle: ModelBundle, maps: PredictionMaps) -> Iterable[str]:
    """Say so where a model is uncertain about much more of an image than of those it learned from."""
    usual = bundle.provenance.scores.get(SCORE)
    if usual is None:  # trained before this was kept
        return
    pairs = zip(maps.arrays["probability"], maps.arrays["ambiguity"], strict=True)
    share = max(doubtful_share(probabilities, ambiguity[0]) for probabilities, ambiguity in pairs)
    if share > max(TIMES * usual, usual + MORE):
        yield (
            f"The model is uncertain about {share:.0%} of this image, of those it learned from about {usual:.0%}: it "
            "may be of another kind. Look at the ambiguity, and paint a few cells here."
        )
