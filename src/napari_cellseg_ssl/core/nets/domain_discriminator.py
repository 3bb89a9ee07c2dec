"""The discriminator of AD-GAN: a PatchGAN with one output map for each domain.

Yao et al., "AD-GAN: End-to-end Unsupervised Nuclei Segmentation with Aligned Disentangling Training", 2021
(arXiv 2107.11022), table 8; 2D and 3D alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.nets.adaptive_autoencoder import conv_of

SMALLEST, THINNEST = 24, 8
"""px: the shortest sides that three halvings leave something of, and the thinnest volume that can do with one."""
HALVINGS = 3


class DomainDiscriminator(nn.Module):
    """Tell reconstructions from translations, patch by patch, separately for each domain.

    Parameters
    ----------
    width : int
        Feature maps of the first layer.
    patch : sequence of int, px
        Sides of what it will judge. Where Z is short, the first layers do not halve it.

    Raises
    ------
    WrongOption
        If the patch is too small to be judged.
    """

    def __init__(self, *, width: int, patch: Sequence[int]) -> None:
        super().__init__()
        check_patch(patch)
        ndim, flat = len(patch), _layers_that_keep_z(patch)
        widths = [1, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for index, (n_in, n_out) in enumerate(pairwise(widths)):
            layers.append(_conv(ndim, n_in, n_out, halves=index < HALVINGS, keeps_z=index < flat))
            if index > 0:
                layers.append((nn.InstanceNorm2d, nn.InstanceNorm3d)[ndim - 2](n_out))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(_conv(ndim, widths[-1], 2, halves=False, keeps_z=False))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, images: Tensor, domains: Tensor) -> Tensor:
        """Judge images (B, 1, *S) that claim to be of the one-hot domains (B, 2) -> (B, *S / 8 - 2)."""
        maps = self.layers(images).float()
        return (maps * domains.reshape(*domains.shape, *(1,) * (maps.ndim - 2))).sum(1)


def check_patch(patch: Sequence[int]) -> None:
    """Refuse patches that are too small to be judged.

    Raises
    ------
    WrongOption
        With the smallest sides there can be.
    """
    least = (SMALLEST,) * len(patch) if len(patch) == 2 else (THINNEST, SMALLEST, SMALLEST)
    if any(side < needed for side, needed in zip(patch, least, strict=True)):
        raise messages.crops_too_small(" x ".join(map(str, patch)), " x ".join(map(str, least)))


def _layers_that_keep_z(patch: Sequence[int]) -> int:
    """How many layers must not halve Z, so that two further ones find at least 4 px to work on."""
    flat = 0
    while len(patch) == 3 and flat < HALVINGS - 1 and patch[0] < 4 * 2 ** (HALVINGS - flat):
        flat += 1
    return flat


def _conv(ndim: int, n_in: int, n_out: int, *, halves: bool, keeps_z: bool) -> nn.Module:
    kernel, stride = [4] * ndim, [1 + halves] * ndim
    if keeps_z:
        kernel[0], stride[0] = 3, 1
    return conv_of(ndim)(n_in, n_out, kernel, stride, padding=1)


def _initialise(module: nn.Module) -> None:
    if hasattr(module, "weight") and module.weight is not None:
        nn.init.normal_(module.weight, 0.0, 0.02)
        nn.init.zeros_(module.bias)
