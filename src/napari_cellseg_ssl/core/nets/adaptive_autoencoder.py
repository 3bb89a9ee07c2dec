"""The auto-encoder of AD-GAN: one network for images and masks, told by its normalisations which of them it sees.

Yao et al., "AD-GAN: End-to-end Unsupervised Nuclei Segmentation with Aligned Disentangling Training", 2021
(arXiv 2107.11022), tables 6 and 7; 2D and 3D alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 4
"""Sides of inputs are multiples of this many px: two strides of two."""
STYLE_WIDTH = 64
"""Of the layers between domain and style; the paper's 256 say no more about two domains."""
EPSILON = 1e-5

Moments = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Mean and variance of features (B, C, *S), each of a shape that broadcasts with them."""


def adaptive_norm(features: Tensor, style: Tensor, moments: Moments | None = None) -> Tensor:
    """Give each channel the mean and the spread that the style says.

    (1 + s) · (x − μ) / sqrt(σ² + ε) + m, with (m, s) the halves of the style: equations 6 and 7 of the paper, with the
    square put back and the roles of the two exchanged, and with a gain of 1 to begin with.

    Parameters
    ----------
    features : (B, C, *S)
    style : (B, 2C)
    moments : optional
        Where mean and variance come from; by default from each sample's own features.
    """
    shift, scale = style.chunk(2, dim=1)
    gain = 1 + scale
    if moments is None:
        # Each channel of each sample is a channel of its own, so that one kernel does them all.
        channels = features.reshape(1, gain.numel(), *features.shape[2:])
        weight, bias = gain.flatten(), shift.flatten()
        normed = functional.batch_norm(channels, None, None, weight, bias, training=True, eps=EPSILON)
        return normed.reshape(features.shape)
    mean, variance = moments(features)
    shape = (*gain.shape, *(1,) * (features.ndim - 2))
    return (features - mean) * (gain.reshape(shape) * torch.rsqrt(variance + EPSILON)) + shift.reshape(shape)


class StyleMLP(nn.Module):
    """Turn domains (B, 2), one-hot or mixed, into the style (B, size) of each normalisation in turn."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        inner = [nn.Linear(2, STYLE_WIDTH), nn.ReLU(), nn.Linear(STYLE_WIDTH, STYLE_WIDTH), nn.ReLU()]
        self.layers = nn.Sequential(*inner, nn.Linear(STYLE_WIDTH, sum(sizes)))

    def forward(self, domains: Tensor) -> Iterator[Tensor]:
        """Return an iterator over the styles, in the order of the normalisations."""
        with torch.autocast(domains.device.type, enabled=False):
            styles = self.layers(domains)
        return iter(styles.split(self.sizes, dim=1))


class AdaptiveConv(nn.Module):
    """Convolution, adaptive normalisation, ReLU.

    Parameters
    ----------
    resampling : str
        "none"; "down" halves the sides; "transposed" and "resize" double them, by a transposed convolution (the
        paper's, which leaves a chequered pattern in short trainings) or by repeating pixels before the convolution.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, *, ndim: int, resampling: str = "none") -> None:
        super().__init__()
        self._repeat = resampling == "resize"
        if resampling == "transposed":
            transposed = (nn.ConvTranspose2d, nn.ConvTranspose3d)[ndim - 2]
            self.conv = transposed(n_in, n_out, kernel, 2, padding=1, output_padding=1)
        else:
            mode = "reflect" if resampling == "none" else "zeros"
            self.conv = conv_of(ndim)(
                n_in, n_out, kernel, 1 + (resampling == "down"), padding=kernel // 2, padding_mode=mode
            )

    def forward(self, features: Tensor, style: Tensor, moments: Moments | None) -> Tensor:
        """Return (B, n_out, *S), S resampled."""
        if self._repeat:
            features = functional.interpolate(features, scale_factor=2, mode="nearest")
        return functional.relu(adaptive_norm(self.conv(features), style, moments))


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut; nothing follows the sum."""

    def __init__(self, width: int, *, ndim: int) -> None:
        super().__init__()
        self.first = AdaptiveConv(width, width, 3, ndim=ndim)
        self.second = conv_of(ndim)(width, width, 3, padding=1, padding_mode="reflect")

    def forward(self, features: Tensor, styles: Iterator[Tensor], moments: Moments | None) -> Tensor:
        """Return as much as came in; takes two styles."""
        inner = self.first(features, next(styles), moments)
        return features + adaptive_norm(self.second(inner), next(styles), moments)


class Encoder(nn.Module):
    """From an image or a mask (B, 1, *S) to its contents, (B, 4 width, *S / 4)."""

    def __init__(self, *, ndim: int, width: int, blocks: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                AdaptiveConv(1, width, 7, ndim=ndim),
                AdaptiveConv(width, 2 * width, 3, ndim=ndim, resampling="down"),
                AdaptiveConv(2 * width, 4 * width, 3, ndim=ndim, resampling="down"),
            ]
        )
        self.blocks = nn.ModuleList([ResidualBlock(4 * width, ndim=ndim) for _ in range(blocks)])
        self.style = StyleMLP([2 * width, 4 * width, *[8 * width] * (1 + 2 * blocks)])
        self.apply(_initialise)

    def forward(self, images: Tensor, domains: Tensor, moments: Moments | None = None) -> Tensor:
        """Encode; `domains` (B, 2) say what the images are."""
        styles = self.style(domains)
        for conv in self.convs:
            images = conv(images, next(styles), moments)
        for block in self.blocks:
            images = block(images, styles, moments)
        return images


class Decoder(nn.Module):
    """From contents (B, 4 width, *S / 4) to an image or a mask (B, 1, *S) float32 between -1 and 1."""

    def __init__(self, *, ndim: int, width: int, blocks: int, upsampling: str) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ResidualBlock(4 * width, ndim=ndim) for _ in range(blocks)])
        self.convs = nn.ModuleList(
            [
                AdaptiveConv(4 * width, 2 * width, 3, ndim=ndim, resampling=upsampling),
                AdaptiveConv(2 * width, width, 3, ndim=ndim, resampling=upsampling),
            ]
        )
        self.last = conv_of(ndim)(width, 1, 7, padding=3, padding_mode="reflect")
        self.style = StyleMLP([*[8 * width] * (2 * blocks), 4 * width, 2 * width])
        self.apply(_initialise)

    def forward(self, contents: Tensor, domains: Tensor, moments: Moments | None = None) -> Tensor:
        """Decode; `domains` (B, 2) say what is wanted."""
        styles = self.style(domains)
        for block in self.blocks:
            contents = block(contents, styles, moments)
        for conv in self.convs:
            contents = conv(contents, next(styles), moments)
        return self.last(contents).float().tanh()


class AutoEncoder(nn.Module):
    """Encoder and decoder for the domains "image" and "mask".

    Parameters
    ----------
    ndim : int
        Spatial axes, 2 or 3.
    width : int
        Feature maps of the first layer; the paper has 64 in 2D and 32 in 3D.
    blocks : int
        Residual blocks in each half; the paper has 4.
    upsampling : str
        "transposed" (the paper's) or "resize".
    domain_in_encoder : bool
        Whether the encoder is told what it sees; without that it is the paper's ablation.
    """

    def __init__(
        self,
        *,
        ndim: int = 2,
        width: int = 64,
        blocks: int = 4,
        upsampling: str = "transposed",
        domain_in_encoder: bool = True,
    ) -> None:
        super().__init__()
        self.ndim, self._told = ndim, domain_in_encoder
        self.encoder = Encoder(ndim=ndim, width=width, blocks=blocks)
        self.decoder = Decoder(ndim=ndim, width=width, blocks=blocks, upsampling=upsampling)
        # 7-wide, then 3-wide at 1/2 and 1/4 of the size, 3-wide blocks at 1/4, and the same way back.
        self.reach = 3 + 1 + 2 + 16 * blocks + 4 + 2 + 3
        """How many px away a pixel can still matter for another, statistics apart."""

    def forward(self, images: Tensor, source: Tensor, target: Tensor, moments: Moments | None = None) -> Tensor:
        """Translate (B, 1, *S) from one mixture of domains (B, 2) to another; sides are multiples of 4."""
        return self.decoder(self.encode(images, source, moments), target, moments)

    def encode(self, images: Tensor, domains: Tensor, moments: Moments | None = None) -> Tensor:
        """Return the contents of images of these domains."""
        told = domains if self._told else torch.full_like(domains, 0.5)
        return self.encoder(images, told, moments)


def conv_of(ndim: int) -> type[nn.Module]:
    """Return the convolution for 2 or 3 spatial axes."""
    return (nn.Conv2d, nn.Conv3d)[ndim - 2]


def _initialise(module: nn.Module) -> None:
    if hasattr(module, "weight"):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)
