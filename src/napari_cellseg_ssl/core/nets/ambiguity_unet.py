"""The network of MAUNet: one residual encoder, two decoders that share their skip blocks, and two heads.

One decoder tells background, interior and boundary apart, with a fourth output, the proxy, that no label ever names:
it can only take up what the other three contradict each other about. The other decoder says how close a pixel is to
the core of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.adaptive_autoencoder import EPSILON, Moments
from napari_cellseg_ssl.core.nets.expects_inputs import OnResNet
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

N_CLASSES = 3
SLOPE = 0.01


class Prediction(NamedTuple):
    """Logits (B, 4 or 3, Y, X) and, unless there is no decoder for it, the distance field (B, 1, Y, X)."""

    logits: Tensor
    distance: Tensor | None


class AmbiguityUNet(OnResNet):
    """Map (B, C, Y, X) images to class logits and a distance field.

    Parameters
    ----------
    encoder : ResNetEncoder
    in_channels : int
    width : int
        Feature maps at full resolution (f in the paper, 24); doubled per level from 1/4 of the size on.
    has_proxy, has_distance : bool
        Without them it is the paper's ablations.

    Attributes
    ----------
    multiple_of : int
        Sides of images are multiples of this.
    reach : int
        How far away a pixel can matter, px; statistics apart.
    """

    def __init__(
        self,
        encoder: ResNetEncoder,
        in_channels: int = 3,
        *,
        width: int = 24,
        has_proxy: bool = True,
        has_distance: bool = True,
    ) -> None:
        super().__init__(encoder, in_channels)
        widths = [width, *(width * 2**level for level in range(encoder.depth + 1))]
        incoming = (in_channels, *encoder.widths)
        self.skips = nn.ModuleList(ResidualBlock(a, b) for a, b in zip(incoming, widths, strict=True))
        self.class_decoder = Decoder(widths)
        self.class_head = nn.Conv2d(width, N_CLASSES + has_proxy, 1)
        self.distance_decoder = Decoder(widths) if has_distance else None
        self.distance_head = nn.Conv2d(width, 1, 1) if has_distance else None
        self.multiple_of = encoder.multiple_of
        self.reach = _reach(encoder)
        self.to(memory_format=torch.channels_last)  # faster on processors

    def forward(self, images: Tensor, moments: Moments | None = None) -> Prediction:
        """Predict; both axes of the images must be multiples of `multiple_of`.

        Parameters
        ----------
        images : (B, C, Y, X)
        moments : optional
            Where the mean and variance of each normalisation come from; by default from each image's own features.
        """
        images = self.expected(images).contiguous(memory_format=torch.channels_last)
        features = [images, *self.encoder(images)]
        skips = [block(tap, moments) for block, tap in zip(self.skips, features, strict=True)]
        logits = self.class_head(self.class_decoder(skips, moments)).float()
        if self.distance_decoder is None or self.distance_head is None:
            return Prediction(logits, None)
        return Prediction(logits, self.distance_head(self.distance_decoder(skips, moments)).float())


class Decoder(nn.Module):
    """From the features of all levels, finest first, to those at full size."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(below, here, 2, 2, bias=False) for below, here in pairs)
        self.merge = nn.ModuleList(ResidualBlock(2 * here, here) for _, here in pairs)

    def forward(self, skips: Sequence[Tensor], moments: Moments | None = None) -> Tensor:
        """Return (B, width, Y, X)."""
        features = skips[-1]
        for enlarge, merge, skip in zip(self.enlarge, self.merge, skips[-2::-1], strict=True):
            features = merge(torch.cat([enlarge(features), skip], dim=1), moments)
        return features


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut, which is normalised itself where widths differ."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(incoming, outgoing, 1, bias=False) if incoming != outgoing else None

    def forward(self, features: Tensor, moments: Moments | None = None) -> Tensor:
        """Return (B, outgoing, Y, X)."""
        passed = features if self.shortcut is None else instance_norm(self.shortcut(features), moments)
        inner = functional.leaky_relu(instance_norm(self.first(features), moments), SLOPE)
        inner = instance_norm(self.second(inner), moments)
        return functional.leaky_relu(inner + passed, SLOPE)


def instance_norm(features: Tensor, moments: Moments | None = None) -> Tensor:
    """Give each channel of (B, C, Y, X) mean 0 and variance 1, of each image by itself or by given moments."""
    if moments is None:
        if features.shape[2:].numel() == 1:  # one pixel has no spread
            return torch.zeros_like(features)
        # Image by image: torch's own function leaves the channels-last layout, which costs a quarter of a step.
        return torch.cat([_batch_norm(image) for image in features.split(1)])
    mean, variance = moments(features)
    return (features - mean) * torch.rsqrt(variance + EPSILON)


def _batch_norm(features: Tensor) -> Tensor:
    return functional.batch_norm(features, None, None, training=True, eps=EPSILON)


def _reach(encoder: ResNetEncoder) -> int:
    """Follow the decoder from the coarsest features to the finest, each block with two 3 x 3 convolutions."""
    taps = (0, *encoder.reaches)
    pixels = [2**level for level in range(len(taps))]
    reach = taps[-1] + 2 * pixels[-1]
    for tap, pixel in zip(taps[-2::-1], pixels[-2::-1], strict=True):
        reach = max(reach + pixel, tap + 2 * pixel) + 2 * pixel
    return reach
