"""Anchors: boxes of every size and shape at every place of the pyramid. Ren et al., NeurIPS 2015, section 3.1.1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def make_anchors(
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    sizes: Sequence[float],
    ratios: Sequence[float],
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """Make the anchors of one or more levels.

    Parameters
    ----------
    shapes : sequence of (Y, X)
        Features of each level.
    strides : sequence of int, px
    sizes : sequence of float, px
        Square root of the area of the anchors of each level.
    ratios : sequence of float
        Height by width.

    Returns
    -------
    list of (Y * X * ratios, 4)
        Around multiples of the stride, which are the middles of what the features see; the ratio runs fastest.
    """
    return [
        _anchors_of_level(shape, stride, size, ratios, device)
        for shape, stride, size in zip(shapes, strides, sizes, strict=True)
    ]


def _anchors_of_level(
    shape: tuple[int, int], stride: int, size: float, ratios: Sequence[float], device: torch.device | str
) -> Tensor:
    height = size * torch.tensor(ratios, dtype=torch.float32, device=device).sqrt()
    width = size**2 / height
    around = torch.stack([-width, -height, width, height], dim=1) / 2
    y, x = (torch.arange(n, dtype=torch.float32, device=device) * stride for n in shape)
    middles = torch.stack([*torch.meshgrid(x, y, indexing="xy")] * 2, dim=-1)
    return (middles[:, :, None] + around).reshape(-1, 4)
