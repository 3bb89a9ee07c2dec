"""What networks on a residual encoder share: its weights may come from elsewhere, and expect images as there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class OnResNet(nn.Module):
    """A network that is built on an encoder, and can give it images as it knows them.

    Parameters
    ----------
    encoder : ResNetEncoder
    in_channels : int
    """

    def __init__(self, encoder: ResNetEncoder, in_channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("input_mean", torch.zeros(1, in_channels, 1, 1))
        self.register_buffer("input_std", torch.ones(1, in_channels, 1, 1))

    def expect(self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        """Shift and scale images as those that the encoder's weights were trained on.

        Where there are other channels than those, each is shifted and scaled by their mean.
        """
        for buffer, values in ((self.input_mean, mean), (self.input_std, std)):
            channels = torch.tensor(values, dtype=torch.float32)
            fitting = channels if buffer.shape[1] == len(channels) else channels.mean().expand(buffer.shape[1])
            buffer.copy_(fitting.reshape(buffer.shape))

    def expected(self, images: Tensor) -> Tensor:
        """Shift and scale (B, C, Y, X), and lay the channels last, in which processors are faster."""
        return ((images - self.input_mean) / self.input_std).contiguous(memory_format=torch.channels_last)
