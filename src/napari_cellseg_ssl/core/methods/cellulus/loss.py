"""The loss of Cellulus: offsets between nearby pixels, reproduced by their embeddings.

Equation 5 and appendix A of the paper. Torch is imported by the callers; these functions only use tensor methods,
apart from the few lines that need the module itself.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Shift = tuple[int, ...]


def disc_shifts(radius: float, ndim: int) -> tuple[Shift, ...]:
    """All integer shifts of length 1 to `radius`, one of each opposite pair (its loss would be the same)."""
    reach = range(-int(radius), int(radius) + 1)
    origin = (0,) * ndim
    inside = (s for s in product(reach, repeat=ndim) if sum(x * x for x in s) <= radius * radius)
    return tuple(s for s in inside if s > origin)


def trivial_loss(shifts: tuple[Shift, ...], tau: float, sigma: str = "code") -> float:
    """Loss of a network that predicts the same offset everywhere: what training has to beat."""
    scaled = np.array([sum(x * x for x in shift) for shift in shifts]) / tau
    values = -np.expm1(-scaled) if sigma == "code" else 1 / (1 + np.exp(-scaled))
    return float(values.mean())


def distance_penalty(squared: Tensor, tau: float, sigma: str = "code") -> Tensor:
    """Penalty of a residual of squared length `squared` (px²), growing with it and saturating at 1.

    Parameters
    ----------
    squared : Tensor
    tau : float, px²
    sigma : {"code", "paper"}
        "code" is 1 - exp(-s), s = squared / tau: zero for a perfect offset, as in the authors' code.
        "paper" is 1 / (1 + exp(-s)), which starts at one half and is less steep.
    """
    scaled = squared / tau
    return scaled.sigmoid() if sigma == "paper" else -(-scaled).expm1()


def pair_loss(
    offsets: Tensor,
    shifts: tuple[Shift, ...],
    *,
    tau: float = 10.0,
    sigma: str = "code",
    weights: Tensor | None = None,
) -> Tensor:
    """Mean penalty over all pixel pairs that lie one of `shifts` apart (equation 5, first term).

    Each shift compares two shifted views of the whole map: no pixel is gathered or left out, and both ends of
    a pair receive the gradient.

    Parameters
    ----------
    offsets : (B, D, *S) Tensor, px
        Predicted offsets, components in array axis order.
    shifts : tuple of D-tuples, px
    weights : (B, 1, *S) Tensor, optional
        Of the pixels; a pair counts as much as the product of its two. All alike when absent.

    Raises
    ------
    ValueError
        If the map is smaller than every shift.
    """
    total, amount = offsets.new_zeros(()), 0.0
    for shift in shifts:
        near, far = _views(offsets, shift)
        count = near.shape[0] * prod(near.shape[2:])
        if count == 0:
            continue
        step = offsets.new_tensor(shift).reshape(1, -1, *(1,) * len(shift))
        squared = (far - near + step).square().sum(dim=1)
        penalty = distance_penalty(squared, tau, sigma)
        if weights is not None:
            first, second = _views(weights, shift)
            penalty, count = (first * second)[:, 0] * penalty, float((first * second).sum())
        total, amount = total + penalty.sum(), amount + count
    if amount == 0:
        raise ValueError(f"A map of {tuple(offsets.shape[2:])} px holds no pair of pixels {shifts} apart.")
    return total / amount


def lightness(pixels: Tensor, offsets: Tensor, dark: float) -> Tensor:
    """Weights (B, 1, *S) of the pixels of offsets (B, D, *S): from `dark` to 1, the brighter the more.

    Parameters
    ----------
    pixels : (B, C, *Sp) Tensor
        Normalised crops, as much larger than the offsets on every side.
    """
    found = pixels.mean(dim=1, keepdim=True)
    for axis, size in enumerate(offsets.shape[2:], start=2):
        found = found.narrow(axis, (pixels.shape[axis] - size) // 2, size)
    return dark + (1 - dark) * found.clamp(0, 1)


def offset_length(offsets: Tensor) -> Tensor:
    """Mean length of the offsets, px: the regulariser, finite-gradient at zero (equation 5, second term)."""
    return (offsets.square().sum(dim=1) + 1e-12).sqrt().mean()


def _views(offsets: Tensor, shift: Shift) -> tuple[Tensor, Tensor]:
    near, far = offsets, offsets
    for axis, step in enumerate(shift, start=2):
        length = max(offsets.shape[axis] - abs(step), 0)
        near = near.narrow(axis, min(max(-step, 0), offsets.shape[axis]), length)
        far = far.narrow(axis, min(max(step, 0), offsets.shape[axis]), length)
    return near, far
