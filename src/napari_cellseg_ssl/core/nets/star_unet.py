"""A U-Net with the two heads of StarDist: the probability of an object, and the distances to its border."""

from __future__ import annotations

from torch import Tensor, nn

from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
from napari_cellseg_ssl.core.nets.small_unet import SmallUNet


class StarUNet(nn.Module):
    """Map (B, C, Y, X) images to a logit and distances per pixel.

    Parameters
    ----------
    body : SmallUNet or CellulusUNet
        With 1 + `rays` outputs. Cellulus' architecture without padding is the paper's (Wolf et al., 2023, appendix B).
    radius : float, px
        Of a typical object: the unit in which distances are predicted, so that they are of the size of 1.
    """

    def __init__(self, body: SmallUNet | CellulusUNet, radius: float) -> None:
        super().__init__()
        self.body, self.radius = body, radius
        self.margin = body.context // 2 if isinstance(body, CellulusUNet) else 0
        """Pixels each side of an image loses."""
        self.halo = max(self.margin, getattr(body, "halo", 0))
        self.multiple_of = body.multiple_of

    def fitting_size(self, size: int) -> int:
        """Length of the shortest axis of at least `size` px that the network can take."""
        if isinstance(self.body, CellulusUNet):
            return self.body.smallest_input(max(1, size - self.body.context))
        return -(-size // self.multiple_of) * self.multiple_of

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Predict logits (B, Y', X') and distances (B, rays, Y', X') in px; Y' = Y - 2 margin."""
        found = self.body(image).float()
        return found[:, 0], found[:, 1:] * self.radius
