"""Momentum contrast: features of a crop are to resemble those of the same tile seen otherwise, and of no other tile.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2020; its second version, Chen et al.,
"Improved Baselines with Momentum Contrastive Learning", 2020, has the projection of two layers. CUPre (Liao et al.,
"CUPre: Cross-domain Unsupervised Pre-training for Few-Shot Cell Segmentation", 2023, equations 4 to 6) trains its
backbone so. What differs:

- The positive is in the denominator, as in momentum contrast; equation 6 of CUPre has the negatives alone.
- The queue is as long as the data allow, and keys of the query's own tile are no negatives: of a few images, a queue of
  65,536 would hold little else.
- The keys of the batch's other tiles are negatives too. Keys in the queue are older than the query's own, and a network
  that only keeps changing tells new ones from old ones: its loss falls, and it recognises nothing. Nor can statistics
  of batches give a key away: all the keys of a batch share them.
"""

from __future__ import annotations

import copy
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

DIMENSIONS = 128
FEWEST_TILES = 64
"""From so many distinct tiles on there are enough negatives; the shortest queue."""
TILES_PER_KEY = 2
"""The queue never holds more than one key for every two tiles."""


class ContrastNet(nn.Module):
    """An encoder, its features averaged over the image, and a projection of two layers onto the unit sphere.

    Parameters
    ----------
    encoder : nn.Module
        Maps (B, C, Y, X) to features (B, width, y, x) or (B, width), or to a list of which the last are such.
    width : int
        Channels of these features.
    dimensions : int
        Of the projection.
    """

    def __init__(self, encoder: nn.Module, width: int, dimensions: int = DIMENSIONS) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, dimensions))

    def pooled(self, images: Tensor) -> Tensor:
        """Return the averaged features (B, width) of images (B, C, Y, X)."""
        features = self.encoder(images)
        last = features if isinstance(features, Tensor) else features[-1]
        return last.float().flatten(2).mean(2) if last.ndim > 2 else last.float()

    def forward(self, images: Tensor) -> Tensor:
        """Return unit vectors (B, dimensions) for images (B, C, Y, X)."""
        return functional.normalize(self.projection(self.pooled(images)).float(), dim=1)


def momentum_copy(net: nn.Module) -> nn.Module:
    """Copy a network to make keys with; it takes no gradients, and measures batch statistics of its own."""
    return copy.deepcopy(net).requires_grad_(False).train()


@torch.no_grad()
def trail(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Move the key network: θ_k ← m·θ_k + (1 − m)·θ_q (momentum contrast, equation 2); its buffers stay its own."""
    for key, query in zip(slow.parameters(), fast.parameters(), strict=True):
        key.lerp_(query, 1 - momentum)


def queue_size(n_tiles: int, batch: int, wanted: int) -> int:
    """Length of the queue: what is wanted, but at most half the tiles, a multiple of the batch; never below 64."""
    fitting = min(wanted, n_tiles // TILES_PER_KEY)
    return max(FEWEST_TILES, fitting - fitting % batch)


class KeyQueue(nn.Module):
    """The latest keys (K, D) and the tiles (K) they are from; at first random ones, of no tile.

    Buffers, so that they are part of the state that a checkpoint keeps.
    """

    NOBODY = -1

    def __init__(self, size: int, dimensions: int = DIMENSIONS) -> None:
        super().__init__()
        self.register_buffer("keys", functional.normalize(torch.randn(size, dimensions), dim=1))
        self.register_buffer("tiles", torch.full((size,), self.NOBODY))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def push(self, keys: Tensor, tiles: Tensor) -> None:
        """Put keys (B, D) of tiles (B) in the place of the oldest; of more than there is room for, the last."""
        keys, tiles = keys[-len(self) :], tiles[-len(self) :]
        places = (self.place + torch.arange(len(keys), device=keys.device)) % len(self)
        self.keys[places] = keys.to(self.keys.dtype)
        self.tiles[places] = tiles
        self.place.add_(len(keys)).remainder_(len(self))


def contrast_logits(queries: Tensor, keys: Tensor, tiles: Tensor, queue: KeyQueue, temperature: float) -> Tensor:
    """Similarity of each query to its own key, then to each of the batch, then to each of the queue.

    Parameters
    ----------
    queries, keys : (B, D), unit vectors
    tiles : (B) integer
        Keys of the same tile, its own among them, get −∞: they are no negatives.
    temperature : float

    Returns
    -------
    (B, 1 + B + K)
    """
    positive = (queries * keys).sum(1, keepdim=True)
    others, other_tiles = torch.cat([keys, queue.keys.to(keys.dtype)]), torch.cat([tiles, queue.tiles])
    negative = (queries @ others.T).masked_fill(tiles[:, None] == other_tiles, -torch.inf)
    return torch.cat([positive, negative], 1) / temperature


def contrast_loss(logits: Tensor) -> Tensor:
    """−log of the share of the own key (momentum contrast, equation 1), mean over the batch."""
    return -logits.log_softmax(1)[:, 0].mean()


def contrast_accuracy(logits: Tensor) -> float:
    """Share of queries that resemble their own key more than any other."""
    return float((logits.argmax(1) == 0).float().mean())


def chance_loss(queue: KeyQueue, batch: int) -> float:
    """Loss of a network that knows nothing: ln(B + K)."""
    return log(batch + len(queue))
