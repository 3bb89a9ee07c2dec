"""What networks share whose weights may come from elsewhere: they expect images as there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ExpectsInputs(nn.Module):
    """A network that shifts and scales images as those that its weights were learned from."""

    input_mean: Tensor
    input_std: Tensor

    def __init__(self, in_channels: int) -> None:
        super().__init__()
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
        """Shift and scale images (B, C, Y, X)."""
        return (images - self.input_mean) / self.input_std


class OnResNet(ExpectsInputs):
    """A network on a residual encoder.

    Parameters
    ----------
    encoder : ResNetEncoder
    in_channels : int
    """

    def __init__(self, encoder: ResNetEncoder, in_channels: int) -> None:
        super().__init__(in_channels)
        self.encoder = encoder
