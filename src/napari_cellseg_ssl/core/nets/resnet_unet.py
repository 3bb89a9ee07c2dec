"""A plain U-Net on a residual encoder, whose weights may come from elsewhere.

Normalisation is by batch statistics, and by their running averages in prediction, so that a tile's result does not
depend on what else is in the tile.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.expects_inputs import OnResNet
from napari_cellseg_ssl.core.nets.resnet_encoder import LARGEST_HALO, ResNetEncoder


class ResNetUNet(OnResNet):
    """Map (B, C, Y, X) images to (B, K, Y, X) logits.

    Parameters
    ----------
    encoder : ResNetEncoder
    in_channels, out_channels : int
    width : int
        Feature maps of the decoder at full and at half resolution; doubled at each further level.

    Attributes
    ----------
    multiple_of : int
        Sides of images are multiples of this.
    reach : int
        How far away a pixel can matter, px.
    halo : int
        The same, as a multiple of `multiple_of` and no more than `LARGEST_HALO`.
    """

    def __init__(self, encoder: ResNetEncoder, in_channels: int, out_channels: int = 3, *, width: int = 16) -> None:
        super().__init__(encoder, in_channels)
        widths = [width, *(width * 2**level for level in range(encoder.depth + 1))]
        self.skips = nn.ModuleList(_layer(a, b) for a, b in zip((in_channels, *encoder.widths), widths, strict=True))
        self.up = nn.ModuleList(
            nn.Sequential(_layer(below + here, here), _layer(here, here)) for here, below in pairwise(widths)
        )
        self.head = nn.Conv2d(width, out_channels, 1)
        self.multiple_of = encoder.multiple_of
        self.reach = _reach(encoder)
        self.halo = min(LARGEST_HALO, self.reach + -self.reach % self.multiple_of)
        self.to(memory_format=torch.channels_last)  # faster on processors

    def forward(self, images: Tensor) -> Tensor:
        """Predict logits; both axes of the images must be multiples of `multiple_of`."""
        images = self.expected(images).contiguous(memory_format=torch.channels_last)
        *skips, features = (layer(tap) for layer, tap in zip(self.skips, [images, *self.encoder(images)], strict=True))
        for merge, skip in zip(reversed(self.up), reversed(skips), strict=True):
            enlarged = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = merge(torch.cat([enlarged, skip], dim=1))
        logits: Tensor = self.head(features)
        return logits


def _layer(incoming: int, outgoing: int) -> nn.Sequential:
    convolution = nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outgoing), nn.ReLU(inplace=True))


def _reach(encoder: ResNetEncoder) -> int:
    """Follow the decoder from the coarsest features to the finest: a 3 x 3 convolution per skip, two per merge."""
    taps = (0, *encoder.reaches)
    pixels = [2**level for level in range(len(taps))]
    reach = taps[-1] + pixels[-1]
    for tap, pixel in zip(taps[-2::-1], pixels[-2::-1], strict=True):
        reach = max(reach + pixel, tap + pixel) + 2 * pixel
    return reach
