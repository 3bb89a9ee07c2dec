"""The backbone: an encoder, and a feature pyramid on it.

Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.norms import NORMS
from napari_cellseg_ssl.core.nets.resnest_encoder import SPLIT_DESIGNS, ResNeStEncoder
from napari_cellseg_ssl.core.nets.resnet_encoder import DESIGNS, Design, ResNetEncoder

TINY = Design((1, 1, 1, 1), width=16)
BODIES = ("tiny", *DESIGNS, *SPLIT_DESIGNS)
STRIDES = (4, 8, 16, 32, 64)
"""px of the image per pixel of P2 to P6."""


class PyramidBackbone(nn.Module):
    """Map (B, C, Y, X) images to P2 … P6, each (B, channels, Y', X') at 1/4 … 1/64 of their size."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.body = make_body(config.backbone, config.in_channels, config.norm)
        self.fpn = FeaturePyramid(self.body.widths[1:], config.channels, config.head_norm)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the pyramid, finest first."""
        return self.fpn(self.body(images)[1:])


class FeaturePyramid(nn.Module):
    """Bring features of all sizes to one width, and what the coarse ones know into the fine ones."""

    def __init__(self, widths: Sequence[int], channels: int, norm: str) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(convolution(width, channels, 1, norm) for width in widths)
        self.layer_blocks = nn.ModuleList(convolution(channels, channels, 3, norm) for _ in widths)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return one level per features (B, C, Y, X), finest first, and a coarser one."""
        merged = self.inner_blocks[-1](features[-1])
        levels = [self.layer_blocks[-1](merged)]
        for index in range(len(features) - 2, -1, -1):
            passed = self.inner_blocks[index](features[index])
            merged = passed + functional.interpolate(merged, size=passed.shape[-2:], mode="nearest")
            levels.insert(0, self.layer_blocks[index](merged))
        return [*levels, functional.max_pool2d(levels[-1], 1, stride=2)]


def make_body(name: str, in_channels: int, norm: str) -> ResNetEncoder | ResNeStEncoder:
    """Make the encoder that is called so; see `BODIES`."""
    if name in SPLIT_DESIGNS:
        return ResNeStEncoder(name, in_channels, norm=NORMS[norm])
    return ResNetEncoder(TINY if name == "tiny" else name, in_channels, norm=NORMS[norm])


def convolution(incoming: int, outgoing: int, side: int, norm: str, *, relu: bool = False) -> nn.Sequential:
    """Make a convolution, its normalisation, and a ReLU if wanted, as members 0, 1 and 2 (1 without normalisation)."""
    layers: list[nn.Module] = [nn.Conv2d(incoming, outgoing, side, padding=side // 2, bias=norm == "none")]
    if norm != "none":
        layers.append(NORMS[norm](outgoing))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
