"""A teacher network: the slow average of a student, asked from several sides.

Tarvainen and Valpola, "Mean teachers are better role models", 2017.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from napari_cellseg_ssl.core.training.augment import orient, orient_back


def make_teacher(student: nn.Module) -> nn.Module:
    """Copy a network; the copy is in prediction mode and takes no gradients."""
    return copy.deepcopy(student).eval().requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """Move the teacher towards the student, in place: θ_t ← decay·θ_t + (1 − decay)·θ_s.

    Running averages in buffers move likewise; integer buffers are copied.
    """
    for slow, fast in zip(_tensors(teacher), _tensors(student), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


def decay_for(half_life: float, step: int) -> float:
    """Decay per step whose memory halves in `half_life` steps, shorter at first so that the start is forgotten.

    min(1 − 1/(step + 1), 0.5^(1/half_life)): until the half-life is reached the teacher is a plain average.
    """
    return min(1 - 1 / (step + 1), 0.5 ** (1 / max(half_life, 1e-9)))


@torch.no_grad()
def averaged_probabilities(net: nn.Module, images: Tensor, views: int) -> Tensor:
    """Mean class probabilities over mirrored and turned views (ACTIS, equation 1).

    Parameters
    ----------
    images : (B, C, Y, X)
    views : int, 1 to 8
        How many of the eight orientations of the square.

    Returns
    -------
    (B, K, Y, X) float32
    """
    total = None
    for view in range(views):
        probabilities = orient_back(net(orient(images, view)).float().softmax(1), view)
        total = probabilities if total is None else total.add_(probabilities)
    if total is None:
        raise ValueError(f"views must be 1 to 8, got {views}.")
    return total / views


def _tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]
