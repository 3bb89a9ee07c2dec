"""A U-Net that learns in minutes on a processor: light decoder, additive skips, nearest upsampling.

Against the usual U-Net of the same width it takes half the time per step: each decoder level is one convolution on
the sum of skip and upsampled features instead of two on their concatenation, which is where most of the work was.

Normalisation is by batch statistics, and by their running averages in prediction: normalisation over the pixels of
one image (group, instance) would make a tile's result depend on what else is in the tile.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = {1: 8, 2: 20, 3: 44, 4: 92}
"""Depth -> px on each side of an output pixel that can influence it."""


class SmallUNet(nn.Module):
    """Map (B, C, Y, X) images to (B, K, Y, X) logits.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int
        Feature maps at full resolution; doubled at each level.
    depth : int, 1 to 4
        Number of 2x poolings. Depth 3 sees about 100 px.

    Raises
    ------
    ValueError
        If `depth` is out of range.
    """

    def __init__(self, in_channels: int, out_channels: int = 3, *, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        if depth not in CONTEXT:
            raise ValueError(f"depth must be 1 to 4, got {depth}.")
        self.multiple_of = 2**depth
        self.halo = -(-CONTEXT[depth] // self.multiple_of) * self.multiple_of
        widths = [width * 2**level for level in range(depth + 1)]
        incoming = [in_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(_layer(a, b), _layer(b, b)) for a, b in zip(incoming, widths, strict=True)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(2 * b, b, 1) for b in widths[:-1])
        self.up = nn.ModuleList(_layer(b, b) for b in widths[:-1])
        self.head = nn.Conv2d(width, out_channels, 1)
        self.apply(_initialise)
        self.to(memory_format=torch.channels_last)  # a quarter faster on processors

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits; both axes of the image must be multiples of `multiple_of`."""
        features = image.contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            features = block(functional.max_pool2d(features, 2) if level else features)
            skips.append(features)
        for level in reversed(range(len(self.up))):
            below = functional.interpolate(self.narrow[level](features), scale_factor=2.0, mode="nearest")
            features = self.up[level](skips[level] + below)
        logits: Tensor = self.head(features)
        return logits


def _layer(incoming: int, outgoing: int) -> nn.Sequential:
    convolution = nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outgoing), nn.ReLU(inplace=True))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
