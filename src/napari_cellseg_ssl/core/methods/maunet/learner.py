"""The networks that learn, and the steps by which they do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import UNKNOWN
from napari_cellseg_ssl.core.methods.maunet.options import REFERENCE, MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Batch, Sampler
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_cellseg_ssl.core.nets.ambiguity_unet import Prediction

NETS, AVERAGE = "learning.", "average."
PRETRAINED = "pretrained"
"""In the state: whether the encoders began with weights from elsewhere."""


class Learner:
    """Everything that changes while MAUNet learns, and so everything that a checkpoint holds.

    Parameters
    ----------
    nets : nn.ModuleList
        One network, or two that learn side by side.
    options : MaunetOptions
    is_pretrained : bool
        Whether the encoders begin with weights that were learned elsewhere.
    """

    def __init__(
        self, nets: nn.ModuleList, options: MaunetOptions, *, device: str, seed: int, is_pretrained: bool = False
    ) -> None:
        from napari_cellseg_ssl.core.nets.resnet_encoder import FEWEST_CROPS, freeze_statistics
        from napari_cellseg_ssl.core.torch_tools.teacher import make_teacher

        self.options, self.device, self._is_pretrained = options, device, is_pretrained
        self.nets = nets.to(device).train()
        self.average = make_teacher(self.nets)
        if is_pretrained and options.batch < FEWEST_CROPS:
            for net in self.nets:
                freeze_statistics(net.encoder)
        self.step = 0
        self._rng = np.random.default_rng(seed)
        self._optimiser = self._make_optimiser(options.encoder_rate if is_pretrained else 1.0)

    def learn(self, sampler: Sampler, rate: float, done: float) -> dict[str, float]:
        """Make one step.

        Parameters
        ----------
        rate : float
            Learning rate.
        done : float, 0 to 1
            Share of the work that is done.

        Returns
        -------
        {name: float}
            The losses, means over the networks.
        """
        from napari_cellseg_ssl.core.torch_tools.teacher import decay_for, follow

        losses = self._losses(sampler)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        self._optimiser.step()
        self.step += 1
        planned = self.step / max(done, 1e-6)
        half_life = self.options.average * planned
        follow(self.average, self.nets, decay_for(half_life, self.step) if self.options.average else 0.0)
        return {name: float(loss.detach()) / len(self.nets) for name, loss in losses.items()}

    def _losses(self, sampler: Sampler) -> dict[str, Tensor]:
        """Sum the losses of all networks; each depends on the weights of one of them."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.augment import random_intensity

        painted = sampler.labelled(self._rng, self.options.batch)
        images, n_painted = painted.images, len(painted.images)
        anywhere = sampler.anywhere(self._rng, self.options.unlabelled_batch) if self._is_consistent else None
        if anywhere is not None:
            images = torch.cat([images, anywhere.images])
        images = random_intensity(images, self._rng).to(self.device)
        with self._precision():
            predicted = [net(images) for net in self.nets]
        losses: dict[str, Tensor] = {}
        for prediction in predicted:
            for name, loss in self._supervised(_part(prediction, slice(n_painted)), painted).items():
                losses[name] = losses.get(name, 0.0) + loss
        if anywhere is not None:
            first, second = (_part(one, slice(n_painted, None)) for one in predicted)
            losses["consistency"] = self._consistency(first, second, anywhere)
        return losses

    @property
    def _is_consistent(self) -> bool:
        return self.options.consistency > 0 and len(self.nets) > 1

    def _supervised(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        from napari_cellseg_ssl.core.torch_tools.ambiguity_losses import distance_loss, masked_dice, masked_focal

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
        from napari_cellseg_ssl.core.torch_tools.ambiguity_losses import disagreement

        unknown = (anywhere.classes == UNKNOWN).to(self.device)
        both = disagreement(first, second, unknown) + disagreement(second, first, unknown)
        return self.options.consistency * both

    def _precision(self) -> AbstractContextManager[object]:
        from napari_cellseg_ssl.core.torch_tools.precision import half_precision

        return half_precision(self.device, self.options.mixed_precision)

    def _make_optimiser(self, encoder_share: float) -> Optimizer:
        import torch

        encoders = [p for net in self.nets for p in net.encoder.parameters()]
        taken = {id(p) for p in encoders}
        others = [p for p in self.nets.parameters() if id(p) not in taken]
        groups = [{"params": others, "share": 1.0}, {"params": encoders, "share": encoder_share}]
        return torch.optim.AdamW(groups, lr=1e-3, weight_decay=self.options.weight_decay)

    def arrays(self) -> dict[str, Array]:
        """Copy everything that `restore` needs, `state` apart."""
        from napari_cellseg_ssl.core.torch_tools.optimiser_state import optimiser_arrays

        return {
            **weights_of(self.nets, NETS),
            **weights_of(self.average, AVERAGE),
            **optimiser_arrays(self._optimiser),
        }

    def state(self) -> dict[str, Json]:
        """Describe what is no array: the random state, and how the encoders began."""
        return {"random": dict(self._rng.bit_generator.state), PRETRAINED: self._is_pretrained}

    def restore(self, step: int, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        from napari_cellseg_ssl.core.torch_tools.optimiser_state import restore_optimiser

        load_weights(self.nets, arrays, NETS)
        load_weights(self.average, arrays, AVERAGE)
        restore_optimiser(self._optimiser, arrays)
        self._rng.bit_generator.state = state["random"]
        self.step = step


def _part(prediction: Prediction, crops: slice) -> Prediction:
    distance = None if prediction.distance is None else prediction.distance[crops]
    return prediction._replace(logits=prediction.logits[crops], distance=distance)
