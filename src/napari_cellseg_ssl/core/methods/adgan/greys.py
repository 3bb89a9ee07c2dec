"""What the network sees of an image: one channel of greys from -1 to 1, objects bright."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.training.channels import main_mixture

CHANNEL_WEIGHTS = "intensity.channel_weights"


@dataclass(frozen=True, kw_only=True)
class Greys:
    """Mixture of the channels, (C,) float; whether objects are dark; and the power that lifts dim ones."""

    weights: Array
    is_dark: bool
    gamma: float

    def __call__(self, crops: Array) -> Array:
        """Turn normalised crops (B, C, *S) into (B, 1, *S) float32 between -1 and 1."""
        mixed = np.tensordot(crops, self.weights, axes=([1], [0]))[:, np.newaxis]
        bright = np.clip(1 - mixed if self.is_dark else mixed, 0, 1)
        greys: Array = (2 * bright**self.gamma - 1).astype(np.float32)
        return greys

    def brightness(self, greys: Array) -> Array:
        """Turn greys back into brightness from 0 to 1, as it was before objects were made bright and lifted."""
        bright = ((greys.astype(np.float32) + 1) / 2) ** (1 / self.gamma)
        return 1 - bright if self.is_dark else bright


def greys_for(crops: Array, *, polarity: str, gamma: float) -> Greys:
    """Choose channels and polarity by looking at normalised crops (B, C, *S).

    What is rarer, the bright or the dark, is taken for the objects.
    """
    weights = main_mixture(crops).astype(np.float32)
    mixed = np.clip(np.tensordot(crops, weights, axes=([1], [0])), 0, 1)
    is_dark = polarity == "dark" or (polarity == "auto" and float(np.mean((mixed - mixed.mean()) ** 3)) < 0)
    return Greys(weights=weights, is_dark=is_dark, gamma=gamma)


def greys_of(architecture: Mapping[str, Any], weights: Mapping[str, Array]) -> Greys:
    """Read the greys of a trained model.

    Raises
    ------
    WrongRun
        If the run lacks them.
    """
    try:
        return Greys(
            weights=weights[CHANNEL_WEIGHTS],
            is_dark=bool(architecture["objects_are_dark"]),
            gamma=float(architecture["gamma"]),
        )
    except KeyError as missing:
        raise shared.run_lacks(missing) from missing
