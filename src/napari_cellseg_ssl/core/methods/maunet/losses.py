"""What the networks learn from in a step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.methods.maunet.options import REFERENCE, MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Batch, Sampler
from napari_cellseg_ssl.core.segmentation.boundaries import UNKNOWN

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_cellseg_ssl.core.nets.ambiguity_unet import Prediction


class Losses:
    """The losses of a step on crops of painted places, and with consistency on crops from anywhere.

    Parameters
    ----------
    sampler : Sampler
    options : MaunetOptions
    """

    def __init__(self, sampler: Sampler, options: MaunetOptions, device: str) -> None:
        self.sampler, self.options, self.device = sampler, options, device

    def __call__(self, nets: nn.ModuleList, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw crops, and sum the losses of all networks; each depends on the weights of one of them."""
        import torch

        from napari_cellseg_ssl.core.training.augment import random_intensity

        painted = self.sampler.labelled(rng, self.options.batch)
        images, n_painted = painted.images, len(painted.images)
        is_consistent = self.options.consistency > 0 and len(nets) > 1
        anywhere = self.sampler.anywhere(rng, self.options.unlabelled_batch) if is_consistent else None
        if anywhere is not None:
            images = torch.cat([images, anywhere.images])
        images = random_intensity(images, rng).to(self.device)
        with self._precision():
            predicted = [net(images) for net in nets]
        losses: dict[str, Tensor] = {}
        for prediction in predicted:
            for name, loss in self._supervised(_part(prediction, slice(n_painted)), painted).items():
                losses[name] = losses.get(name, 0.0) + loss
        if anywhere is not None:
            first, second = (_part(one, slice(n_painted, None)) for one in predicted)
            losses["consistency"] = self._consistency(first, second, anywhere)
        return losses

    def _supervised(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        from napari_cellseg_ssl.core.training.ambiguity_losses import distance_loss, masked_dice, masked_focal

        classes = batch.classes.to(self.device)
        losses = {
            "dice": masked_dice(prediction.logits, classes),
            "focal": masked_focal(prediction.logits, classes, as_published=self.options.focal == REFERENCE),
        }
        if prediction.distance is not None:
            closeness = batch.closeness.to(self.device)
            losses["distance"] = distance_loss(prediction.distance, closeness, balanced=self.options.balanced_distance)
        return losses

    def _consistency(self, first: Prediction, second: Prediction, anywhere: Batch) -> Tensor:
        from napari_cellseg_ssl.core.training.ambiguity_losses import disagreement

        unknown = (anywhere.classes == UNKNOWN).to(self.device)
        both = disagreement(first, second, unknown) + disagreement(second, first, unknown)
        return self.options.consistency * both

    def _precision(self) -> AbstractContextManager[object]:
        from napari_cellseg_ssl.core.training.precision import half_precision

        return half_precision(self.device, self.options.mixed_precision)


def _part(prediction: Prediction, crops: slice) -> Prediction:
    distance = None if prediction.distance is None else prediction.distance[crops]
    return prediction._replace(logits=prediction.logits[crops], distance=distance)
