"""Tiles of unlabelled images: the things that contrastive learning tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions
from napari_cellseg_ssl.core.training.frames import Frame

if TYPE_CHECKING:
    from torch import Tensor

NARROWEST_VIEW = 2.0
"""Objects across a view."""
EMPTY, BLANK = 0.4, 0.05
"""Spread of the middle of a tile, as a share of that of the fuller ones of its image and of its set, below which it
shows background alone: a view of it may miss what lies at its border."""
FULLER = 90
"""Percentile of the spread."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A square of a frame (C, Y, X), with the place (Y, X) of its corner in px."""

    frame: Array
    corner: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Views:
    """Two views (B, C, Y, X) of each of some tiles, and the numbers (B) of the tiles."""

    first: Tensor
    second: Tensor
    tiles: Tensor


class TileSampler:
    """Draw views of tiles: first a set of images, then one of its images, then one of its tiles.

    So a small set counts as much as a large one, and a small image as much as a large one.

    Parameters
    ----------
    sets : sequence of sequences of Frame
        The images of each set, at the working scale.
    options : ContrastOptions
    """

    def __init__(self, sets: Sequence[Sequence[Frame]], options: ContrastOptions) -> None:
        self._options = options
        self.tiles: list[Tile] = []
        self._numbers: list[list[Array]] = []
        for frames in sets:
            images = _without_background([_tiles_of(frame.pixels, options.tile) for frame in frames], options.tile)
            ends = len(self.tiles) + np.cumsum([0, *(len(image) for image in images)])
            self._numbers.append([np.arange(*pair) for pair in pairwise(ends)])
            self.tiles += [tile for image in images for tile in image]

    def views(self, rng: np.random.Generator, count: int) -> Views:
        """Draw `count` tiles and look at each twice."""
        import torch

        from napari_cellseg_ssl.core.training.contrast_views import random_appearance

        chosen = [self._draw(rng) for _ in range(count)]
        first, second = (random_appearance([self._view(rng, one) for one in chosen], rng) for _ in range(2))
        return Views(first=first, second=second, tiles=torch.tensor(chosen))

    def unchanged(self, rng: np.random.Generator, count: int) -> Tensor:
        """Draw `count` tiles and look at each once (count, C, Y, X), as bright as it is."""
        import torch

        return torch.from_numpy(np.stack([self._view(rng, self._draw(rng)) for _ in range(count)]))

    def _draw(self, rng: np.random.Generator) -> int:
        images = self._numbers[rng.integers(len(self._numbers))]
        numbers = images[rng.integers(len(images))]
        return int(rng.choice(numbers))

    def _view(self, rng: np.random.Generator, number: int) -> Array:
        from napari_cellseg_ssl.core.training.contrast_views import random_view

        tile, options = self.tiles[number], self._options
        narrowest = NARROWEST_VIEW * options.working_diameter
        return random_view(tile.frame, np.array(tile.corner), options.tile, options.view, rng, narrowest)


def _tiles_of(frame: Array, side: int) -> list[Tile]:
    """Spread as many tiles as fit evenly over a frame (C, Y, X); a smaller frame is one."""
    places = [np.linspace(0, max(0, size - side), max(1, size // side)).astype(int) for size in frame.shape[1:]]
    return [Tile(frame=frame, corner=(int(y), int(x))) for y in places[0] for x in places[1]]


def _without_background(images: Sequence[Sequence[Tile]], side: int) -> list[list[Tile]]:
    """Leave out tiles of one set that show next to nothing: nobody could tell them apart."""
    spreads = [np.array([_middle_of(tile, side).std() for tile in tiles]) for tiles in images]
    blank = BLANK * np.percentile(np.concatenate(spreads), FULLER)
    kept = [
        [tile for tile, spread in zip(tiles, found, strict=True) if spread >= max(blank, EMPTY * fuller)]
        for tiles, found in zip(images, spreads, strict=True)
        for fuller in [np.percentile(found, FULLER)]
    ]
    return [tiles for tiles in kept if tiles]


def _middle_of(tile: Tile, side: int) -> Array:
    """Half as wide as the tile, unless the frame is smaller."""
    y, x = tile.corner
    pixels: Array = tile.frame[:, y : y + side, x : x + side]
    rim = side // 4
    return pixels if min(pixels.shape[1:]) < side else pixels[:, rim : side - rim, rim : side - rim]
