"""Crops to learn from: around painted things, and anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import three_classes
from napari_cellseg_ssl.core.methods.actis.frames import Frame

if TYPE_CHECKING:
    from torch import Tensor

CELL_SHARE = 0.7
"""Crops around a painted cell; the others are around painted background."""
ZOOM = 0.4
BRIGHT, BRIGHT_SHARE, TRIES = 0.15, 0.02, 5
ENOUGH_PLACES = 100_000
"""Of a frame's background; more would only take memory."""


@dataclass(frozen=True)
class Batch:
    """Crops (B, C, Y, X) and the classes (B, Y, X) of their pixels, -1 where unknown."""

    images: Tensor
    classes: Tensor


class Sampler:
    """Draw square crops from frames of unequal sizes.

    Parameters
    ----------
    frames : sequence of Frame
    side : int, px
    """

    def __init__(self, frames: Sequence[Frame], side: int) -> None:
        self._side = side
        self._frames = tuple(frames)
        cells = [(i, centres) for i, frame in enumerate(frames) if len(centres := _cell_centres(frame))]
        grounds = [(i, ground) for i, frame in enumerate(frames) if len(ground := _background(frame))]
        self._cells, self._cell_weights = cells, _shares([len(centres) ** 0.5 for _, centres in cells])
        self._grounds = grounds
        self._areas = _shares([frame.known.size**0.5 for frame in frames])

    def labelled(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops around painted cells and painted background, deformed by chance."""
        return self._batch([self._labelled_one(rng) for _ in range(count)])

    def anywhere(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops from all frames in proportion to their width, in one of eight orientations.

        Nearly empty ones are drawn again a few times.
        """
        return self._batch([self._filled_one(rng) for _ in range(count)])

    def place(self, rng: np.random.Generator) -> tuple[Frame, Array]:
        """Choose a frame and the positions (2, side, side) of a crop around a painted cell or painted background."""
        index, positions = self._labelled_one(rng)
        return self._frames[index], positions

    def _labelled_one(self, rng: np.random.Generator) -> tuple[int, Array]:
        on_cell = self._cells and (not self._grounds or rng.random() < CELL_SHARE)
        if on_cell:
            index, places = self._cells[rng.choice(len(self._cells), p=self._cell_weights)]
        else:
            index, places = self._grounds[rng.integers(len(self._grounds))]
        from napari_cellseg_ssl.core.torch_tools.augment import random_positions

        centre = places[rng.integers(len(places))] + rng.uniform(-0.25, 0.25, 2) * self._side
        return index, random_positions(rng, self._within(index, centre), self._side, zoom=ZOOM)

    def _filled_one(self, rng: np.random.Generator) -> tuple[int, Array]:
        from napari_cellseg_ssl.core.torch_tools.augment import interpolate, random_positions

        for _ in range(TRIES):
            index = int(rng.choice(len(self._frames), p=self._areas))
            centre = self._within(index, rng.uniform(0, 1, 2) * self._frames[index].known.shape)
            positions = random_positions(rng, centre, self._side, affine=0, elastic=0)
            if (interpolate(self._frames[index].pixels, positions) > BRIGHT).float().mean() > BRIGHT_SHARE:
                break
        return index, positions

    def _within(self, index: int, centre: Array) -> Array:
        """Move a crop into its frame, as far as it fits."""
        room = np.array(self._frames[index].known.shape)
        half = np.minimum(self._side, room) / 2
        return np.clip(centre, half, room - half)

    def _batch(self, crops: Sequence[tuple[int, Array]]) -> Batch:
        import torch

        from napari_cellseg_ssl.core.torch_tools.augment import interpolate, look_up

        images = torch.stack([interpolate(self._frames[index].pixels, positions) for index, positions in crops])
        classes = [
            three_classes(
                look_up(self._frames[index].cells, positions), look_up(self._frames[index].known, positions, False)
            )
            for index, positions in crops
        ]
        return Batch(images, torch.from_numpy(np.stack(classes).astype(np.int64)))


def _cell_centres(frame: Frame) -> Array:
    ids = frame.cell_ids
    return np.array(ndimage.center_of_mass(frame.cells > 0, frame.cells, ids)).reshape(-1, 2)


def _background(frame: Frame) -> Array:
    places = np.flatnonzero(frame.known & (frame.cells == 0))
    places = places[:: max(1, len(places) // ENOUGH_PLACES)]
    return np.stack(np.unravel_index(places, frame.known.shape), axis=1)


def _shares(weights: Sequence[float]) -> Array:
    total = float(sum(weights))
    return np.array(weights, float) / total if total else np.zeros(0)
