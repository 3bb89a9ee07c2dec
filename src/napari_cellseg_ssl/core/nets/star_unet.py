"""A U-Net with the two heads of StarDist: the probability of an object, and the distances to its border."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
from napari_cellseg_ssl.core.nets.small_unet import SmallUNet


class StarUNet(nn.Module):
    """Map (B, C, Y, X) images to a logit and distances per pixel.

    Parameters
    ----------
    body : SmallUNet or CellulusUNet
        Makes the features for the heads. The deeper architecture of Cellulus is the paper's (appendix B).
    features, rays : int
        Outputs of the body; directions in which distances are predicted.
    radius : float, px
        Of a typical object: the unit in which distances are predicted, so that they are about 1.
    """

    def __init__(self, body: SmallUNet | CellulusUNet, features: int, rays: int, radius: float) -> None:
        super().__init__()
        self.body, self.radius = body, radius
        self.probability, self.distance = nn.Conv2d(features, 1, 1), nn.Conv2d(features, rays, 1)
        nn.init.ones_(self.distance.bias)
        self.margin = body.context // 2 if isinstance(body, CellulusUNet) else 0
        """Pixels that each side of an image loses."""
        self.halo: int = body.halo if isinstance(body, SmallUNet) else self.margin
        self.multiple_of = body.multiple_of

    def fitting_size(self, size: int) -> int:
        """Length of the shortest axis of at least `size` px that the network can take."""
        if isinstance(self.body, CellulusUNet):
            return self.body.smallest_input(max(1, size - self.body.context))
        return -(-size // self.multiple_of) * self.multiple_of

    def forward(self, image: Tensor, step: int = 1) -> tuple[Tensor, Tensor]:
        """Predict.

        Parameters
        ----------
        image : (B, C, Y, X)
        step : int
            Every how many pixels distances are wanted: 32 of them everywhere take a quarter of the time.

        Returns
        -------
        logits : (B, Y', X') float32, Y' = Y - 2 margin
        distances : (B, rays, Y'', X'') float32, px, Y'' = ceil(Y' / step)
        """
        features = functional.relu(self.body(image))
        distances = self.distance(features[..., ::step, ::step].contiguous(memory_format=torch.channels_last))
        return self.probability(features)[:, 0].float(), distances.float() * self.radius
