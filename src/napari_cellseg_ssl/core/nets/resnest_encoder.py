"""Residual encoders with split attention, whose tensors are named as in the released weights.

Zhang et al., "ResNeSt: Split-Attention Networks", CVPR Workshops 2022 (arXiv 2004.08955), in the form of the released
networks: radix 2, cardinality 1, a deep stem, and averages instead of strides, both in blocks and in shortcuts. Without
the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.norms import Norm
from napari_cellseg_ssl.core.nets.resnet_encoder import StagedEncoder

RADIX = 2
EXPANSION = 4
WIDTHS = (64, 128, 256, 512)
REDUCTION, FEWEST_CHANNELS = 4, 32
"""How narrow attention is, between its two layers."""


@dataclass(frozen=True)
class SplitDesign:
    """What distinguishes one member of the family: blocks per stage, and half the channels of the stem."""

    blocks: tuple[int, int, int, int]
    stem: int


SPLIT_DESIGNS = {
    "resnest14d": SplitDesign((1, 1, 1, 1), stem=32),
    "resnest26d": SplitDesign((2, 2, 2, 2), stem=32),
    "resnest50d": SplitDesign((3, 4, 6, 3), stem=32),
    "resnest101e": SplitDesign((3, 4, 23, 3), stem=64),
    "resnest200e": SplitDesign((3, 24, 36, 3), stem=64),
}


class ResNeStEncoder(StagedEncoder):
    """Map (B, C, Y, X) images to features at 1/2, 1/4, 1/8, 1/16 and 1/32 of their size.

    Parameters
    ----------
    name : str
        A key of `SPLIT_DESIGNS`.
    in_channels : int
    norm : number of channels -> layer
        Attention has one value per image and channel: batch normalisation then needs two images at least.

    Attributes
    ----------
    widths : tuple of int
        Channels of the features, finest first.
    """

    def __init__(self, name: str, in_channels: int = 3, *, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        design = SPLIT_DESIGNS[name]
        self.depth = len(design.blocks)
        self.conv1 = _deep_stem(in_channels, design.stem, norm)
        incoming = 2 * design.stem
        self.bn1 = norm(incoming)
        self.widths = (incoming, *(width * EXPANSION for width in WIDTHS))
        for stage, (width, count) in enumerate(zip(WIDTHS, design.blocks, strict=True), start=1):
            self.add_module(f"layer{stage}", _stage(incoming, width, count, 1 if stage == 1 else 2, norm))
            incoming = width * EXPANSION
        self.apply(_initialise)


class SplitAttention(nn.Module):
    """Two 3 x 3 convolutions, of which attention takes more of one or the other, channel by channel (section 3.1)."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        middle = max(channels * RADIX // REDUCTION, FEWEST_CHANNELS)
        self.conv = nn.Conv2d(channels, channels * RADIX, 3, padding=1, groups=RADIX, bias=False)
        self.bn0 = norm(channels * RADIX)
        self.fc1 = nn.Conv2d(channels, middle, 1)
        self.bn1 = norm(middle)
        self.fc2 = nn.Conv2d(middle, channels * RADIX, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, Y, X), as large as the features."""
        splits = functional.relu(self.bn0(self.conv(features)), inplace=True).unflatten(1, (RADIX, -1))
        return (splits * self.attention(splits)).sum(1)

    def attention(self, splits: Tensor) -> Tensor:
        """Weigh splits (B, 2, C, Y, X) -> (B, 2, C, 1, 1), which add up to 1 over the two."""
        pooled = splits.sum(1).mean((2, 3), keepdim=True)
        hidden = functional.relu(self.bn1(self.fc1(pooled)), inplace=True)
        return self.fc2(hidden).unflatten(1, (RADIX, -1)).softmax(1)


class SplitBottleneck(nn.Module):
    """Split attention between two 1 x 1 convolutions, beside a shortcut; strides are averages over 3 x 3."""

    def __init__(self, incoming: int, middle: int, stride: int, norm: Norm) -> None:
        super().__init__()
        outgoing = middle * EXPANSION
        self.conv1 = nn.Conv2d(incoming, middle, 1, bias=False)
        self.bn1 = norm(middle)
        self.conv2 = SplitAttention(middle, norm)
        self.shrink = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(middle, outgoing, 1, bias=False)
        self.bn3 = norm(outgoing)
        self.downsample = None if stride == 1 and incoming == outgoing else _shortcut(incoming, outgoing, stride, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, 4 * middle, Y, X), Y and X divided by the stride."""
        inner = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        inner = self.bn3(self.conv3(self.shrink(self.conv2(inner))))
        passed = features if self.downsample is None else self.downsample(features)
        return functional.relu(inner + passed, inplace=True)


def _deep_stem(in_channels: int, width: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
        norm(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        norm(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
    )


def _stage(incoming: int, width: int, count: int, stride: int, norm: Norm) -> nn.Sequential:
    first = SplitBottleneck(incoming, width, stride, norm)
    return nn.Sequential(first, *(SplitBottleneck(width * EXPANSION, width, 1, norm) for _ in range(count - 1)))


def _shortcut(incoming: int, outgoing: int, stride: int, norm: Norm) -> nn.Sequential:
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, nn.Conv2d(incoming, outgoing, 1, bias=False), norm(outgoing))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
