"""The network while it learns: one step on a sparse and a pseudo half (Wolf et al., 2023, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.methods.cellulus_supported.crops import STEP, Crops
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.nets.star_unet import StarUNet

STUDENT, AVERAGE = "student.", "average."
SPARSE, PSEUDO = "sparse", "pseudo"


class Learner:
    """Everything that changes while the network learns, and so everything that a checkpoint holds.

    Parameters
    ----------
    net : StarUNet
    options : SupportedOptions
    """

    def __init__(self, net: StarUNet, options: SupportedOptions, *, device: str, seed: int) -> None:
        import torch

        from napari_cellseg_ssl.core.torch_tools.teacher import make_teacher

        self.options, self.device = options, device
        self.net = net.to(device).train()
        self.average = make_teacher(self.net)
        self.step = 0
        self.side = net.fitting_size(options.crop)
        """Of a training crop that the network can take, px."""
        self._rng = np.random.default_rng(seed)
        self._optimiser = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=options.weight_decay)

    def learn(self, parts: Mapping[str, Crops], alpha: float, rate: float, done: float) -> dict[str, float]:
        """Make one step.

        Parameters
        ----------
        parts : {"sparse", "pseudo": Crops}
            One or both.
        alpha : float, 0 to 1
            Share of the pseudo part in the batch and in the loss, where there are both.
        rate : float
            Learning rate.
        done : float, 0 to 1
            Share of the learning that is done.

        Returns
        -------
        {name: float}
            The losses of the parts that were seen, not weighted.
        """
        from napari_cellseg_ssl.core.torch_tools.teacher import decay_for, follow

        weights = {SPARSE: 1 - alpha, PSEUDO: alpha} if len(parts) > 1 else dict.fromkeys(parts, 1.0)
        losses = self._losses(parts, weights)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        sum(weights[name] * loss for name, loss in losses.items()).backward()
        self._optimiser.step()
        self.step += 1
        planned = self.step / max(done, 1e-6)
        follow(self.average, self.net, decay_for(self.options.average_half_life * planned, self.step))
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, parts: Mapping[str, Crops], weights: Mapping[str, float]) -> dict[str, Tensor]:
        import torch

        from napari_cellseg_ssl.core.torch_tools.augment import random_intensity
        from napari_cellseg_ssl.core.torch_tools.precision import half_precision
        from napari_cellseg_ssl.core.torch_tools.star_loss import star_loss

        options = self.options
        counts = {name: max(1, round(weights[name] * options.batch)) for name in parts if weights[name] > 0}
        batches = {name: parts[name].draw(self._rng, count) for name, count in counts.items()}
        images = torch.cat([batch.images for batch in batches.values()])
        with half_precision(self.device, options.mixed_precision):
            logits, distances = self.net(random_intensity(images, self._rng).to(self.device), STEP)
        losses, begin = {}, 0
        for name, batch in batches.items():
            own = slice(begin, begin := begin + counts[name])
            losses[name] = star_loss(
                logits[own],
                distances[own],
                batch.targets.within(self.net.margin).to(self.device),
                distance_weight=options.distance_weight,
                regularisation=options.regularisation,
            )
        return losses

    def arrays(self) -> dict[str, Array]:
        """Copy everything that `restore` needs, `state` apart."""
        from napari_cellseg_ssl.core.torch_tools.optimiser_state import optimiser_arrays

        return {
            **weights_of(self.net, STUDENT),
            **weights_of(self.average, AVERAGE),
            **optimiser_arrays(self._optimiser),
        }

    def state(self) -> dict[str, Json]:
        """Describe the random state."""
        return {"random": dict(self._rng.bit_generator.state)}

    def restore(self, step: int, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        from napari_cellseg_ssl.core.torch_tools.optimiser_state import restore_optimiser

        load_weights(self.net, arrays, STUDENT)
        load_weights(self.average, arrays, AVERAGE)
        restore_optimiser(self._optimiser, arrays)
        self._rng.bit_generator.state = state["random"]
        self.step = step
