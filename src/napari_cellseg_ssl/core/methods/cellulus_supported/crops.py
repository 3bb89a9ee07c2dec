"""Crops around cells and known background, with what StarDist learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.star_polygons import object_probability, reaches_edge, star_distances
from napari_cellseg_ssl.core.methods.actis.frames import Frame
from napari_cellseg_ssl.core.methods.cellulus_supported.options import RAYS

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.torch_tools.star_loss import StarTargets

STEP = 2
"""Distances are learnt on every other pixel along each axis: its neighbours' are alike, and to make them takes time."""
CELL_SHARE = 0.8
"""Crops around a cell; the others are around known background."""
ZOOM = 0.4
ENOUGH_PLACES = 20_000
"""Of a frame's background."""


@dataclass(frozen=True)
class Batch:
    """Crops (B, C, Y, X) and their targets."""

    images: Tensor
    targets: StarTargets


class Crops:
    """Draw square crops, turned, magnified and bent by chance.

    Frames are drawn by the square root of their cells' number: crowded ones more often, but not alone.

    Parameters
    ----------
    frames : sequence of Frame
        Any without known pixels are passed over.
    side : int, px
    """

    def __init__(self, frames: Sequence[Frame], side: int) -> None:
        self._frames = [frame for frame in frames if frame.has_labels]
        self._side = side
        self._cells = [_centres(frame) for frame in self._frames]
        self._grounds = [_background(frame) for frame in self._frames]
        weights = np.sqrt([max(1, len(cells)) for cells in self._cells])
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw `count` crops."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.augment import interpolate, look_up
        from napari_cellseg_ssl.core.torch_tools.star_loss import StarTargets

        images, targets = [], []
        for _ in range(count):
            frame, positions = self._place(rng)
            known = look_up(frame.known, positions, False)
            images.append(interpolate(frame.pixels, positions))
            targets.append(star_targets(np.where(known, look_up(frame.cells, positions), 0), known))
        probability, known, distances, usable = (
            torch.from_numpy(np.stack(arrays)) for arrays in zip(*targets, strict=True)
        )
        return Batch(torch.stack(images), StarTargets(probability, known, distances, usable, STEP))

    def _place(self, rng: np.random.Generator) -> tuple[Frame, Array]:
        """Choose a frame and where in it the pixels of a crop come from, (2, side, side)."""
        from napari_cellseg_ssl.core.torch_tools.augment import random_positions

        index = int(rng.choice(len(self._frames), p=self._weights))
        frame, cells, ground = self._frames[index], self._cells[index], self._grounds[index]
        places = cells if len(cells) and (rng.random() < CELL_SHARE or not len(ground)) else ground
        centre = places[rng.integers(len(places))] + rng.uniform(-0.25, 0.25, 2) * self._side
        room = np.array(frame.known.shape)
        half = np.minimum(self._side, room) / 2
        return frame, random_positions(rng, np.clip(centre, half, room - half), self._side, zoom=ZOOM)


def star_targets(cells: Array, known: Array) -> tuple[Array, Array, Array, Array]:
    """Compute probability (Y, X), known (Y, X), distances and usable (RAYS, Y', X') of one crop; see `StarTargets`.

    A cell's border is known even where what lies beyond is not, since cells are painted whole. Rays that end at the
    crop's edge are not usable: the cell may go on.
    """
    distances = star_distances(cells, RAYS, STEP)
    usable = ~reaches_edge(distances, cells.shape, STEP) & (cells[::STEP, ::STEP] > 0)
    return object_probability(cells), known, distances, usable


def _centres(frame: Frame) -> Array:
    return np.array(ndimage.center_of_mass(frame.cells > 0, frame.cells, frame.cell_ids)).reshape(-1, 2)


def _background(frame: Frame) -> Array:
    places = np.flatnonzero(frame.known & (frame.cells == 0))
    places = places[:: max(1, len(places) // ENOUGH_PLACES)]
    return np.stack(np.unravel_index(places, frame.known.shape), axis=1)
