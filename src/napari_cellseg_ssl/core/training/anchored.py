"""A penalty that keeps weights near where they were: L2-SP.

Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", 2018; CUPre (Liao et al., 2023)
uses it in equation 7, Ω = α‖w − w⁰‖² + (1 − α)‖w‖², on the same weights, while the original decays only new layers.
Its gradient is 2(w − α·w⁰), so left alone the weights end at α·w⁰. Neither α nor the factor of Ω is published.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from napari_cellseg_ssl.core.data.images import Array


class Anchor:
    """The weights of a network's convolutions and linear layers as they are now, and the pull towards them.

    Weights of normalisation layers and all biases are free. Where the penalty acts, weight decay has to be off: it
    decays already.

    Parameters
    ----------
    net : nn.Module
    alpha : float, 0 to 1
        Pull towards the anchor; the rest is towards zero.
    strength : float
        The factor λ of Ω.
    """

    def __init__(self, net: nn.Module, *, alpha: float = 0.9, strength: float = 1e-3) -> None:
        self.alpha, self.strength = alpha, strength
        self._weights = anchored_weights(net)
        self._start = {name: weight.detach().clone() for name, weight in self._weights.items()}

    def penalty(self) -> Tensor:
        """Return λ·Ω, to be added to a loss; for plain SGD."""
        terms = [
            self.alpha * (weight - self._start[name]).square().sum() + (1 - self.alpha) * weight.square().sum()
            for name, weight in self._weights.items()
        ]
        return self.strength * torch.stack(terms).sum()

    @torch.no_grad()
    def pull(self, rate: float) -> None:
        """Make the penalty's own step, w ← w − rate·2λ(w − α·w⁰), after that of an optimiser.

        For Adam and its family, which would divide the penalty's gradient by the size of the loss's.
        """
        for name, weight in self._weights.items():
            weight.sub_(2 * rate * self.strength * (weight - self.alpha * self._start[name]))

    @torch.no_grad()
    def drift(self) -> float:
        """Return how far the weights have gone, ‖w − w⁰‖ / ‖w⁰‖."""
        moved = sum(float((weight - self._start[name]).square().sum()) for name, weight in self._weights.items())
        size = sum(float(start.square().sum()) for start in self._start.values())
        return float((moved / size) ** 0.5) if size else 0.0

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Copy where the weights were."""
        return {prefix + name: start.cpu().numpy().copy() for name, start in self._start.items()}

    def restore(self, arrays: Mapping[str, Array], prefix: str) -> None:
        """Take from `arrays` where the weights were."""
        for name, start in self._start.items():
            start.copy_(torch.from_numpy(np.array(arrays[prefix + name])))


def anchored_weights(net: nn.Module) -> Mapping[str, nn.Parameter]:
    """List what L2-SP acts on: weights with more than one axis, which those of normalisation layers do not have."""
    return {name: weight for name, weight in net.named_parameters() if weight.ndim > 1}
