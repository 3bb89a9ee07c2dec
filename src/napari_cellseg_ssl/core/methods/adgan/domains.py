"""The two domains as the network is told them: one-hot vectors, or mixtures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

IMAGE, MASK = 0.0, 1.0


def domain(tau: float, n: int) -> Tensor:
    """Return (n, 2) float32: (1 − τ) image + τ mask."""
    import torch

    return torch.tensor([[1 - tau, tau]]).repeat(n, 1)
