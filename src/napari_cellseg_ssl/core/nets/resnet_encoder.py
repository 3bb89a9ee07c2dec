"""Residual encoders whose tensors are named as torchvision names them, so that released weights fit by name.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Zagoruyko and Komodakis, "Wide Residual
Networks", BMVC 2016. Without the classifier; the last stages can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.norms import Norm

DEEPEST = {"wide_resnet50_2": 3}
"""Stages of an encoder in a U-Net, where fewer than four: the wide one's last has as many weights as all others."""
LARGEST_HALO = 128
"""px; what lies farther away hardly matters to a U-Net on such an encoder, though it can in deep ones."""
FEWEST_CROPS = 8
"""Per step; with fewer, a pre-trained encoder keeps the statistics it was trained with."""


@dataclass(frozen=True)
class Design:
    """What distinguishes one member of the family.

    Parameters
    ----------
    blocks : tuple of int
        Residual blocks of each of the four stages.
    expansion : int
        Channels out of a block per unit of its width; above 1 its middle convolution is narrower (a bottleneck).
    base_width : int
        Channels of the bottleneck of the first stage, where `width` is 64.
    width : int
        Channels of the stem and of the first stage, before their expansion; doubled at every stage.
    """

    blocks: tuple[int, int, int, int]
    expansion: int = 1
    base_width: int = 64
    width: int = 64


DESIGNS = {
    "resnet18": Design((2, 2, 2, 2)),
    "resnet34": Design((3, 4, 6, 3)),
    "resnet50": Design((3, 4, 6, 3), expansion=4),
    "wide_resnet50_2": Design((3, 4, 6, 3), expansion=4, base_width=128),
}


class StagedEncoder(nn.Module):
    """A stem, and stages after it that each halve the image, the first by pooling."""

    depth: int
    conv1: nn.Module
    bn1: nn.Module

    @property
    def stages(self) -> Sequence[nn.Module]:
        """The stages that are kept."""
        return [self.get_submodule(f"layer{stage}") for stage in range(1, self.depth + 1)]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        features = functional.relu(self.bn1(self.conv1(images)), inplace=True)
        taps = [features]
        features = functional.max_pool2d(features, 3, stride=2, padding=1)
        for stage in self.stages:
            features = stage(features)
            taps.append(features)
        return taps


class ResNetEncoder(StagedEncoder):
    """Map (B, C, Y, X) images to features at 1/2, 1/4, ... of their size, one per stage and one of the stem.

    Parameters
    ----------
    design : str or Design
        A key of `DESIGNS`, or a network of one's own.
    in_channels : int
    depth : int, 1 to 4
        How many stages are kept.
    norm : number of channels -> layer
        What follows each convolution. Released weights were learned with batch normalisation.

    Attributes
    ----------
    widths : tuple of int
        Channels of the features, finest first.
    multiple_of : int
        Sides of images are multiples of this.
    reaches : tuple of int
        How far away, in px of the image, a pixel can matter for each of the features.
    """

    def __init__(
        self, design: str | Design, in_channels: int = 3, *, depth: int = 4, norm: Norm = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        design = DESIGNS[design] if isinstance(design, str) else design
        self.depth = depth
        self.conv1 = nn.Conv2d(in_channels, design.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(design.width)
        incoming, widths = design.width, [design.width]
        for stage, count in enumerate(design.blocks[:depth], start=1):
            width = design.width * 2 ** (stage - 1)
            layer = _stage(design, incoming, width, count, stride=1 if stage == 1 else 2, norm=norm)
            self.add_module(f"layer{stage}", layer)
            incoming = width * design.expansion
            widths.append(incoming)
        self.widths = tuple(widths)
        self.multiple_of = 2 ** (depth + 1)
        self.reaches = _reaches(design, depth)
        self.apply(_initialise)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, incoming: int, width: int, stride: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, width, 3, stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = norm(width)
        self.downsample = _shortcut(incoming, width, stride, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, width, Y, X), Y and X divided by the stride."""
        inner = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        return functional.relu(self.bn2(self.conv2(inner)) + _passed(self.downsample, features), inplace=True)


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two 1 x 1, beside a shortcut; the 3 x 3 one has the stride, as in torchvision."""

    def __init__(self, incoming: int, middle: int, outgoing: int, stride: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, middle, 1, bias=False)
        self.bn1 = norm(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, padding=1, bias=False)
        self.bn2 = norm(middle)
        self.conv3 = nn.Conv2d(middle, outgoing, 1, bias=False)
        self.bn3 = norm(outgoing)
        self.downsample = _shortcut(incoming, outgoing, stride, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outgoing, Y, X), Y and X divided by the stride."""
        inner = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        inner = functional.relu(self.bn2(self.conv2(inner)), inplace=True)
        return functional.relu(self.bn3(self.conv3(inner)) + _passed(self.downsample, features), inplace=True)


def freeze_statistics(net: nn.Module) -> None:
    """Normalise by the running averages that the weights were trained with: batches of a few crops say too little."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _stage(design: Design, incoming: int, width: int, count: int, stride: int, norm: Norm) -> nn.Sequential:
    outgoing = width * design.expansion
    blocks: list[nn.Module] = []
    for place in range(count):
        before, step = (incoming, stride) if place == 0 else (outgoing, 1)
        if design.expansion == 1:
            blocks.append(BasicBlock(before, width, step, norm))
        else:
            blocks.append(Bottleneck(before, width * design.base_width // 64, outgoing, step, norm))
    return nn.Sequential(*blocks)


def _shortcut(incoming: int, outgoing: int, stride: int, norm: Norm) -> nn.Sequential | None:
    if stride == 1 and incoming == outgoing:
        return None
    return nn.Sequential(nn.Conv2d(incoming, outgoing, 1, stride, bias=False), norm(outgoing))


def _passed(shortcut: nn.Sequential | None, features: Tensor) -> Tensor:
    return features if shortcut is None else shortcut(features)


def _reaches(design: Design, depth: int) -> tuple[int, ...]:
    """Add up half the widths of the kernels, each in px of the image at its place."""
    wide_kernels = 2 if design.expansion == 1 else 1
    reach, found = 3, [3]  # 7 x 7
    reach += 2  # pooling over 3 x 3 features at half the size
    for stage, count in enumerate(design.blocks[:depth]):
        pixel = 4 * 2**stage
        reach += pixel * (wide_kernels * count - 1) + (pixel if stage == 0 else pixel // 2)
        found.append(reach)
    return tuple(found)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
