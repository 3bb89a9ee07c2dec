"""Features of boxes: averages over bilinear samples, the same number for every box.

He et al., "Mask R-CNN", ICCV 2017, section 3 (RoIAlign); Lin et al., CVPR 2017, equation 1 (level of a box).

Each bin is a weighted sum of a few pixels, which is what `embedding_bag` computes: on a CPU that is several times as
fast as `grid_sample` and an average of its samples, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from napari_cellseg_ssl.core.nets.detector.boxes import areas

SAMPLES = 2
"""Along each side of a bin."""
CANONICAL_SIDE, CANONICAL_LEVEL = 224.0, 2
"""px of a box, and the level (of P2, P3, …) that it is on."""


def roi_align(
    features: Tensor, boxes: Tensor, image: Tensor, size: int, *, stride: float, aligned: bool = True
) -> Tensor:
    """Pool the features of boxes.

    Parameters
    ----------
    features : (B, C, Y, X)
    boxes : (N, 4), px of the image
        Inside of the image; samples beyond the features are taken from their outermost pixels.
    image : (N,) integer
        Which of the B images each box is of.
    size : int
        Bins along a side.
    stride : float
        px of the image per pixel of the features.
    aligned : bool
        Whether the middle of the first pixel is at half a pixel, as it is, or at 0, as networks of torchvision learned.

    Returns
    -------
    (N, C, size, size)
    """
    channels, height, width = features.shape[1:]
    offset = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = ((boxes.detach() / stride) - offset).unbind(1)
    if not aligned:
        x2, y2 = torch.maximum(x2, x1 + 1), torch.maximum(y2, y1 + 1)
    columns, across = taps(x1, x2, size, width)
    rows, down = taps(y1, y2, size, height)
    index = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
    weight = down[:, :, None, :, None] * across[:, None, :, None, :]
    index = index + (image.to(index.dtype) * height * width)[:, None, None, None, None]
    bins = (len(boxes) * size * size, (2 * SAMPLES) ** 2)
    table = features.permute(0, 2, 3, 1).reshape(-1, channels).contiguous()  # else a slow path is taken
    pooled = functional.embedding_bag(
        index.reshape(bins), table, per_sample_weights=weight.reshape(bins).to(table.dtype), mode="sum"
    )
    return pooled.view(len(boxes), size, size, channels).permute(0, 3, 1, 2)


def roi_align_pyramid(
    pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor, size: int, *, strides: Sequence[int], aligned: bool = True
) -> Tensor:
    """Pool each box from the level that fits its size -> (N, C, size, size)."""
    level = levels_of(boxes, len(pyramid))
    parts, order = [], []
    for index, (features, stride) in enumerate(zip(pyramid, strides, strict=True)):
        here = (level == index).nonzero()[:, 0]
        if len(here):
            parts.append(roi_align(features, boxes[here], image[here], size, stride=stride, aligned=aligned))
            order.append(here)
    if not parts:
        return pyramid[0].new_zeros(0, pyramid[0].shape[1], size, size)
    return torch.cat(parts)[torch.cat(order).argsort()] if len(parts) > 1 else parts[0]


def levels_of(boxes: Tensor, n_levels: int) -> Tensor:
    """Return the level of each box (N,), 0 for P2: one more for each doubling of its side."""
    sides = areas(boxes).clamp(min=1).sqrt()
    level = CANONICAL_LEVEL + torch.log2(sides / CANONICAL_SIDE + 1e-6)
    return level.floor().clamp(0, n_levels - 1).long()


def taps(start: Tensor, stop: Tensor, size: int, n_pixels: int) -> tuple[Tensor, Tensor]:
    """Return the pixels that bins take from along one axis, and their weights.

    Parameters
    ----------
    start, stop : (N,)
        Where boxes begin and end, counted from the middle of the first pixel.
    size : int
        Bins.
    n_pixels : int
        Along the axis.

    Returns
    -------
    pixels, weights : (N, size, 2 * SAMPLES)
        The weights of a bin add up to 1.
    """
    steps = (torch.arange(size * SAMPLES, device=start.device, dtype=start.dtype) + 0.5) / (size * SAMPLES)
    places = (start[:, None] + steps * (stop - start)[:, None]).clamp(0, n_pixels - 1)
    first = places.floor().clamp(max=max(0, n_pixels - 2))
    part = places - first
    pixels = torch.stack([first, (first + 1).clamp(max=n_pixels - 1)], dim=-1).long()
    weights = torch.stack([1 - part, part], dim=-1) / SAMPLES
    shape = (len(start), size, 2 * SAMPLES)
    return pixels.reshape(shape), weights.reshape(shape)
