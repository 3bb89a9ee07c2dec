"""How probable any object is at every pixel of an image, from what the anchors of all levels say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def largest_of_levels(maps: Sequence[Tensor], strides: Sequence[int], shape: tuple[int, int]) -> Tensor:
    """Bring maps of several levels to the grid of the image, linearly, and take the largest -> (B, Y, X).

    Parameters
    ----------
    maps : sequence of (B, Y', X')
        Their pixels lie on every so many-th of the image, the first on its first, where the anchors are.
    strides : sequence of int
        px of the image per pixel of each.
    shape : (Y, X)
        What lies beyond the last pixel of a map is as that is.
    """
    largest = maps[0].new_zeros(len(maps[0]), *shape)
    for values, stride in zip(maps, strides, strict=True):
        rows, columns = (
            _weights(n, cells, stride).to(values) for n, cells in zip(shape, values.shape[1:], strict=True)
        )
        largest = torch.maximum(largest, rows @ values @ columns.T)
    return largest


def _weights(n_pixels: int, n_cells: int, stride: int) -> Tensor:
    """Return how much each cell counts in each pixel, (pixels, cells)."""
    places = (torch.arange(n_pixels) / stride).clamp(max=n_cells - 1)
    return functional.relu(1 - (places[:, None] - torch.arange(n_cells)).abs())
