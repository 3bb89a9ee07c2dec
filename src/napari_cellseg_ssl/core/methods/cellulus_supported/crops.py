"""Crops around cells and known background, with what StarDist learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cellulus_supported.options import RAYS
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge
from napari_cellseg_ssl.core.segmentation.star_polygons import object_probability, reaches_edge, star_distances
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.pasting import LabelledCrop, paste_cell

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.training.star_loss import StarTargets

STEP = 2
"""Distances are learned on every other pixel along each axis: its neighbours' are alike, and making them takes time."""
CELL_SHARE = 0.8
"""Crops around a cell; the others are around known background."""
ZOOM = (1 / 1.4, 1.4)
ENOUGH_PLACES = 20_000
"""Of a frame's background."""


@dataclass(frozen=True)
class Batch:
    """Crops (B, C, Y, X) and their targets."""

    images: Tensor
    targets: StarTargets


class Crops:
    """Draw square crops, turned, magnified and bent by chance, some with cells of the others pasted in.

    Frames are drawn by the square root of their cells' number: crowded ones more often, but not alone.

    Parameters
    ----------
    frames : sequence of Frame
        Any without known pixels are passed over.
    side : int, px
    pasted : float
        Probability that a cell is pasted into a crop, and after each one, that another is.
    """

    def __init__(self, frames: Sequence[Frame], side: int, pasted: float = 0.0) -> None:
        self._frames = [frame for frame in frames if frame.has_labels]
        self._side, self._pasted = side, pasted
        self._whole = [np.setdiff1d(frame.cell_ids, ids_at_edge(frame.cells)) for frame in self._frames]
        self._cells = [_centres(frame) for frame in self._frames]
        self._grounds = [_background(frame) for frame in self._frames]
        weights = np.sqrt([max(1, len(cells)) for cells in self._cells])
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw `count` crops."""
        import torch

        from napari_cellseg_ssl.core.training.star_loss import StarTargets

        drawn = [self._crop(rng) for _ in range(count)]
        crops = [crop for _, crop in drawn]
        for i in range(count):
            while rng.random() < self._pasted:
                index, source = drawn[rng.integers(count)]
                crops[i] = paste_cell(crops[i], source, self._whole[index], rng)
        targets = [star_targets(np.where(crop.known, crop.cells, 0), crop.known) for crop in crops]
        probability, known, distances, usable = (
            torch.from_numpy(np.stack(arrays)) for arrays in zip(*targets, strict=True)
        )
        images = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
        return Batch(images, StarTargets(probability, known, distances, usable, STEP))

    def _crop(self, rng: np.random.Generator) -> tuple[int, LabelledCrop]:
        """Draw one crop, and say of which frame."""
        from napari_cellseg_ssl.core.training.augment import interpolate, look_up

        index, positions = self._place(rng)
        frame = self._frames[index]
        return index, LabelledCrop(
            pixels=interpolate(frame.pixels, positions).numpy(),
            cells=look_up(frame.cells, positions),
            known=look_up(frame.known, positions, False),
        )

    def _place(self, rng: np.random.Generator) -> tuple[int, Array]:
        """Choose a frame and where in it the pixels of a crop come from, (2, side, side)."""
        from napari_cellseg_ssl.core.training.augment import random_positions

        index = int(rng.choice(len(self._frames), p=self._weights))
        frame, cells, ground = self._frames[index], self._cells[index], self._grounds[index]
        places = cells if len(cells) and (rng.random() < CELL_SHARE or not len(ground)) else ground
        centre = places[rng.integers(len(places))] + rng.uniform(-0.25, 0.25, 2) * self._side
        room = np.array(frame.known.shape)
        half = np.minimum(self._side, room) / 2
        return index, random_positions(rng, np.clip(centre, half, room - half), self._side, zoom=ZOOM)


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
