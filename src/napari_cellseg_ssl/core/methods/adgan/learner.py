"""One step of aligned disentangling training, and everything that moves in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK, domain
from napari_cellseg_ssl.core.methods.adgan.greys import Greys
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions
from napari_cellseg_ssl.core.methods.adgan.pool import ReplayPool
from napari_cellseg_ssl.core.training.precision import half_precision

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder
    from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator
    from napari_cellseg_ssl.core.training.crops import CropSampler

BETAS, WEIGHT_DECAY = (0.5, 0.99), 1e-4
REAL, FAKE = 1.0, 0.0


@dataclass(kw_only=True)
class Learner:
    """Both networks, and what they learn from in a step.

    Parameters
    ----------
    sampler : CropSampler
    greys : Greys
    prior : MaskPrior
    shape : tuple of int
        Sides of a training crop, px.
    """

    options: AdganOptions
    net: AutoEncoder
    discriminator: DomainDiscriminator
    sampler: CropSampler
    greys: Greys
    prior: MaskPrior
    shape: tuple[int, ...]
    device: str

    def __post_init__(self) -> None:
        import torch

        self.pools = (ReplayPool(), ReplayPool())
        self.optimiser, self.critic = (
            torch.optim.Adam(net.parameters(), lr=self.options.rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
            for net in (self.net, self.discriminator)
        )
        n = self.options.batch
        self._own = torch.cat([domain(IMAGE, n), domain(MASK, n)]).to(self.device)
        self._other = self._own.flip(1)

    def learn(self, rng: np.random.Generator) -> dict[str, float]:
        """Make one step; returns the losses."""
        reconstructed, translated, losses = self._teach_generator(self._draw(rng))
        losses["discriminator"] = self._teach_discriminator(reconstructed, translated, rng)
        return losses

    def _draw(self, rng: np.random.Generator) -> Tensor:
        """Draw images, then as many masks, (2B, 1, *S)."""
        import torch

        options = self.options
        images = within(self.greys(self.sampler.draw(rng, options.batch)), self.shape)
        masks = np.stack([draw_mask(self.prior, self.shape, rng).image for _ in range(options.batch)])[:, None]
        return torch.from_numpy(np.concatenate([images, masks])).to(self.device)

    def _teach_generator(self, drawn: Tensor) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Update the auto-encoder; returns reconstructions, translations and losses."""
        options, net = self.options, self.net
        with half_precision(self.device):
            contents = net.encode(drawn, self._own)
            reconstructed = net.decoder(contents, self._own)
            translated = net.decoder(contents, self._other)
            contents_again = net.encode(translated, self._other)
            cycled = net.decoder(contents_again, self._own)
            own = _far_from(self.discriminator(reconstructed, self._own), FAKE)
            fooled = _far_from(self.discriminator(translated, self._other), REAL)
        # Both domains count in full: twice the mean over both.
        reconstruction = 2 * (reconstructed - drawn).abs().mean()
        cycle = 2 * (cycled - drawn).abs().mean()
        content = 2 * (contents_again.float() - contents.float()).abs().mean()
        same = options.reconstruction * reconstruction
        rest = options.cycle * cycle + options.content * content + options.adversarial * (own + fooled)
        self.optimiser.zero_grad(set_to_none=True)
        if options.aligned:
            route(net, same, rest)
        else:
            (same + rest).backward()
        self.optimiser.step()
        losses = {"reconstruction": reconstruction, "cycle": cycle, "content": content, "adversarial": own + fooled}
        numbers = {name: float(loss.detach()) for name, loss in losses.items()}
        return reconstructed.detach(), translated.detach(), numbers

    def _teach_discriminator(self, reconstructed: Tensor, translated: Tensor, rng: np.random.Generator) -> float:
        """Show it reconstructions as real, translations of now and before as not."""
        import torch

        halves = translated.chunk(2)
        shown = torch.cat([pool.exchange(half, rng) for pool, half in zip(self.pools, halves, strict=True)])
        with half_precision(self.device):
            loss = _far_from(self.discriminator(reconstructed, self._own), REAL)
            loss = loss + _far_from(self.discriminator(shown, self._other), FAKE)
        self.critic.zero_grad(set_to_none=True)
        loss.backward()
        self.critic.step()
        return float(loss.detach())


def within(crops: Array, shape: tuple[int, ...]) -> Array:
    """Cut the middle of `shape` out of crops (B, 1, *S), which are drawn as cubes."""
    starts = [(have - wanted) // 2 for have, wanted in zip(crops.shape[2:], shape, strict=True)]
    return crops[(slice(None), slice(None), *(slice(a, a + n) for a, n in zip(starts, shape, strict=True)))]


def route(net: AutoEncoder, same: Tensor, rest: Tensor) -> None:
    """Aligned disentangling training: what stays in its domain teaches both halves, all else the encoder alone.

    The gradient of `rest` still flows through the decoder, which only does not learn from it.
    """
    same.backward(retain_graph=True)
    rest.backward(inputs=list(net.encoder.parameters()))


def _far_from(judged: Tensor, wanted: float) -> Tensor:
    """Least-squares loss of the discriminator's maps."""
    return (judged - wanted).square().mean()
