"""The mini U-Net of Cellulus: valid convolutions and a field of view smaller than a cell.

Wolf et al., "Unsupervised Learning of Object-Centric Embeddings for Cell Instance Segmentation in Microscopy
Images", ICCV 2023, appendix A. No convolution is padded, so an output pixel depends on real pixels only and tiles
fit together exactly; the price is the `context`, the pixels each axis loses between input and output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCK_LOSS = 4
"""Pixels an axis loses in one block: two 3-wide convolutions."""


class CellulusUNet(nn.Module):
    """Predict, for every pixel, an offset that points to its object's reference point.

    Parameters
    ----------
    in_channels : int
    ndim : int
        Spatial axes, 2 or 3; also the number of offset components, in array axis order.
    first, increase, last : int
        Feature maps of the first block, their growth per level, feature maps of the outermost decoder block.
    depth : int, 1 to 3
        Number of 2x poolings. The paper uses 1: a field of view of about 16 px.
    out_channels : int, optional
        Output components; one per spatial axis when absent.

    Raises
    ------
    ValueError
        If `ndim` or `depth` is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int = 2,
        first: int = 16,
        increase: int = 2,
        last: int = 16,
        depth: int = 1,
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        if ndim not in (2, 3) or not 1 <= depth <= 3:
            raise ValueError(f"ndim must be 2 or 3 and depth 1 to 3, got ndim={ndim}, depth={depth}.")
        self.ndim, self.depth = ndim, depth
        widths = [first * increase**level for level in range(depth + 1)]
        incoming = [in_channels, *widths[:-1]]
        outgoing = [last, *widths[1:-1]]
        self.down = nn.ModuleList(_block(ndim, a, b) for a, b in zip(incoming, widths, strict=True))
        below = [*outgoing[1:], widths[-1]]
        self.up = nn.ModuleList(
            _block(ndim, skip + deep, out) for skip, deep, out in zip(widths, below, outgoing, strict=False)
        )
        conv = _convolution(ndim)
        self.head = nn.Sequential(conv(last, last, 1), nn.ReLU(inplace=True), conv(last, out_channels or ndim, 1))
        self.pool = nn.MaxPool2d(2) if ndim == 2 else nn.MaxPool3d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.apply(_initialise)

    @property
    def multiple_of(self) -> int:
        """Shifts of the input by this many pixels shift the output exactly."""
        return 2**self.depth

    @property
    def context(self) -> int:
        """Pixels each axis loses: 16, 40 and 92 for depth 1, 2 and 3."""
        size = self.smallest_input(1)
        return size - self.output_size(size)

    def output_size(self, size: int) -> int:
        """Length of the output for an input axis of `size` px.

        Raises
        ------
        ValueError
            If the axis cannot be pooled evenly, or nothing would be left.
        """
        sizes = []
        for _ in range(self.depth):
            size -= BLOCK_LOSS
            sizes.append(size)
            if size <= 0 or size % 2:
                raise ValueError(f"An axis of this length cannot be pooled evenly {self.depth} times.")
            size //= 2
        size -= BLOCK_LOSS
        for level in reversed(range(self.depth)):
            size = _stackable(2 * size, self.depth - level) - BLOCK_LOSS
        if size <= 0:
            raise ValueError("The image is smaller than the network's field of view.")
        return size

    def smallest_input(self, wanted: int) -> int:
        """Length of the shortest valid input axis whose output has at least `wanted` px."""
        size = wanted
        while True:
            try:
                if self.output_size(size) >= wanted:
                    return size
            except ValueError:
                pass
            size += 1

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, *S) to offsets (B, ndim, *S - context) in px.

        Raises
        ------
        ValueError
            If an axis has a length the network cannot take (see `output_size`).
        """
        for size in image.shape[2:]:
            self.output_size(size)
        skips = []
        features = image
        for block in list(self.down)[:-1]:
            features = block(features)
            skips.append(features)
            features = self.pool(features)
        features = self.down[-1](features)
        for level in reversed(range(self.depth)):
            features = self.upsample(features)
            features = _centre(features, [_stackable(n, self.depth - level) for n in features.shape[2:]])
            features = self.up[level](torch.cat([_centre(skips[level], features.shape[2:]), features], dim=1))
        offsets: Tensor = self.head(features)
        return offsets


def _convolution(ndim: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    return nn.Conv2d if ndim == 2 else nn.Conv3d


def _block(ndim: int, incoming: int, outgoing: int) -> nn.Sequential:
    """3, 1, 1, 3 convolutions: the 1-wide ones add depth but no field of view, which must stay small."""
    layers: list[nn.Module] = []
    for kernel in (3, 1, 1, 3):
        layers += [_convolution(ndim)(incoming, outgoing, kernel), nn.ReLU(inplace=True)]
        incoming = outgoing
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Conv3d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _stackable(size: int, poolings: int) -> int:
    """Largest length n·2^poolings + 4 within `size`: crops of other lengths would not tile."""
    factor = 2**poolings
    return (size - BLOCK_LOSS) // factor * factor + BLOCK_LOSS


def _centre(features: Tensor, shape: torch.Size | list[int]) -> Tensor:
    for axis, (have, want) in enumerate(zip(features.shape[2:], shape, strict=True), start=2):
        features = features.narrow(axis, (have - want) // 2, want)
    return features
