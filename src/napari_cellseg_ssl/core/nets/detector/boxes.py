"""Boxes (N, 4) as x1, y1, x2, y2 in px: overlap, clipping, and the deltas between two of them.

Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1.2 (deltas).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Weights = tuple[float, float, float, float]
"""By which deltas of x, y, log width and log height are multiplied, so that their spread is about 1."""
UNWEIGHTED: Weights = (1.0, 1.0, 1.0, 1.0)
LARGEST_GROWTH = math.log(1000 / 16)
"""Of a side, as a logarithm: keeps a wild network from overflowing."""
SMALLEST = 1e-3
"""px; a side is not taken for less where it is divided by."""


def areas(boxes: Tensor) -> Tensor:
    """Return (N,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of every pair, (N, M)."""
    corner = torch.maximum(first[:, None, :2], second[None, :, :2])
    sides = (torch.minimum(first[:, None, 2:], second[None, :, 2:]) - corner).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    union = areas(first)[:, None] + areas(second)[None] - shared
    return shared / union.clamp(min=SMALLEST**2)


def clip(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Cut boxes at the sides of an image of shape (Y, X)."""
    limits = boxes.new_tensor([shape[1], shape[0], shape[1], shape[0]])
    return torch.minimum(boxes.clamp(min=0), limits)


def encode(boxes: Tensor, targets: Tensor, weights: Weights = UNWEIGHTED) -> Tensor:
    """Return the deltas (N, 4) that lead from boxes to targets."""
    middle, size = _middle_and_size(boxes)
    wanted, wanted_size = _middle_and_size(targets)
    deltas = torch.cat([(wanted - middle) / size, (wanted_size / size).log()], dim=1)
    return deltas * deltas.new_tensor(weights)


def decode(deltas: Tensor, boxes: Tensor, weights: Weights = UNWEIGHTED) -> Tensor:
    """Return the boxes (N, 4) to which deltas lead."""
    middle, size = _middle_and_size(boxes)
    deltas = deltas / deltas.new_tensor(weights)
    middle = middle + deltas[:, :2] * size
    half = size * deltas[:, 2:].clamp(max=LARGEST_GROWTH).exp() / 2
    return torch.cat([middle - half, middle + half], dim=1)


def _middle_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, size
