"""What a step learns from: a sparse and a pseudo half of a batch (Wolf et al., 2023, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.methods.cellulus_supported.crops import STEP, Crops
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.nets.star_unet import StarUNet

SPARSE, PSEUDO = "sparse", "pseudo"


def losses_of(
    net: StarUNet,
    parts: Mapping[str, Crops],
    weights: Mapping[str, float],
    options: SupportedOptions,
    *,
    device: str,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Draw a batch and compute the loss of each of its parts.

    Parameters
    ----------
    parts : {"sparse", "pseudo": Crops}
        One or both.
    weights : {name: float, 0 to 1}
        Share of each part in the batch.
    """
    import torch

    from napari_cellseg_ssl.core.training.augment import random_intensity
    from napari_cellseg_ssl.core.training.precision import half_precision
    from napari_cellseg_ssl.core.training.star_loss import star_loss

    counts = {name: max(1, round(weights[name] * options.batch)) for name in parts if weights[name] > 0}
    batches = {name: parts[name].draw(rng, count) for name, count in counts.items()}
    images = torch.cat([batch.images for batch in batches.values()])
    with half_precision(device, options.mixed_precision):
        logits, distances = net(random_intensity(images, rng).to(device), STEP)
    losses, begin = {}, 0
    for name, batch in batches.items():
        own = slice(begin, begin := begin + counts[name])
        losses[name] = star_loss(
            logits[own],
            distances[own],
            batch.targets.within(net.margin).to(device),
            distance_weight=options.distance_weight,
            regularisation=options.regularisation,
        )
    return losses
