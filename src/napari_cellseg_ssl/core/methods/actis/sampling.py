"""Crops to learn from: around painted things, with further painted cells pasted in, and anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import three_classes
from napari_cellseg_ssl.core.instances.clean_up import ids_at_edge
from napari_cellseg_ssl.core.learning.frames import Frame
from napari_cellseg_ssl.core.torch_tools.pasting import LabelledCrop, paste_cell

if TYPE_CHECKING:
    from torch import Tensor

CELL_SHARE = 0.7
"""Crops around a painted cell; the others are around painted background."""
ZOOM = 0.4
PASTED = 0.5
"""Probability that a cell is pasted into a crop, and after each one, that another is."""
BRIGHT, BRIGHT_SHARE, TRIES = 0.15, 0.02, 5


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
        groups = [_Places(frame.painted for frame in frames), _Places(frame.unpainted for frame in frames)]
        self._groups = [group for group in groups if group.cells or group.grounds]
        self._areas = _shares([frame.known.size**0.5 for frame in frames])
        self._whole = [np.setdiff1d(frame.cell_ids, ids_at_edge(frame.cells)) for frame in frames]

    def labelled(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops around known cells and background, deformed by chance, some with cells of the others.

        Where there are pseudo-labels, half of the crops are drawn around what is painted.
        """
        drawn = [self._labelled_one(rng) for _ in range(count)]
        crops = [self._crop(index, positions) for index, positions in drawn]
        for i in range(count):
            while rng.random() < PASTED:
                other = int(rng.integers(count))
                crops[i] = paste_cell(crops[i], crops[other], self._whole[drawn[other][0]], rng)
        return _batch(crops)

    def anywhere(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops from all frames in proportion to their width, in one of eight orientations.

        Nearly empty ones are drawn again a few times.
        """
        return _batch([self._filled_one(rng) for _ in range(count)])

    def _labelled_one(self, rng: np.random.Generator) -> tuple[int, Array]:
        from napari_cellseg_ssl.core.torch_tools.augment import random_positions

        index, place = self._groups[rng.integers(len(self._groups))].draw(rng)
        centre = place + rng.uniform(-0.25, 0.25, 2) * self._side
        return index, random_positions(rng, self._within(index, centre), self._side, zoom=ZOOM)

    def _filled_one(self, rng: np.random.Generator) -> LabelledCrop:
        from napari_cellseg_ssl.core.torch_tools.augment import random_positions

        for _ in range(TRIES):
            index = int(rng.choice(len(self._frames), p=self._areas))
            centre = self._within(index, rng.uniform(0, 1, 2) * self._frames[index].known.shape)
            crop = self._crop(index, random_positions(rng, centre, self._side, affine=0, elastic=0))
            if (crop.pixels > BRIGHT).mean() > BRIGHT_SHARE:
                break
        return crop

    def _within(self, index: int, centre: Array) -> Array:
        """Move a crop into its frame, as far as it fits."""
        room = np.array(self._frames[index].known.shape)
        half = np.minimum(self._side, room) / 2
        return np.clip(centre, half, room - half)

    def _crop(self, index: int, positions: Array) -> LabelledCrop:
        from napari_cellseg_ssl.core.torch_tools.augment import interpolate, look_up

        frame = self._frames[index]
        return LabelledCrop(
            pixels=interpolate(frame.pixels, positions).numpy(),
            cells=look_up(frame.cells, positions),
            known=look_up(frame.known, positions, False),
        )


class _Places:
    """Where crops may be drawn: around cells, in images with more of them more often, and in background."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self.cells: list[tuple[int, Array]] = []
        self.grounds: list[tuple[int, Array]] = []
        for i, frame in enumerate(frames):
            if len(centres := _cell_centres(frame)):
                self.cells.append((i, centres))
            if len(ground := _background(frame)):
                self.grounds.append((i, ground))
        self._weights = _shares([len(centres) ** 0.5 for _, centres in self.cells])

    def draw(self, rng: np.random.Generator) -> tuple[int, Array]:
        """Return the index of a frame and a position (2,) in it."""
        if self.cells and (not self.grounds or rng.random() < CELL_SHARE):
            index, places = self.cells[rng.choice(len(self.cells), p=self._weights)]
        else:
            index, places = self.grounds[rng.integers(len(self.grounds))]
        return index, places[rng.integers(len(places))]


def _batch(crops: Sequence[LabelledCrop]) -> Batch:
    import torch

    classes = np.stack([three_classes(crop.cells, crop.known) for crop in crops])
    return Batch(torch.from_numpy(np.stack([crop.pixels for crop in crops])), torch.from_numpy(classes).long())


def _cell_centres(frame: Frame) -> Array:
    ids = frame.cell_ids
    return np.array(ndimage.center_of_mass(frame.cells > 0, frame.cells, ids)).reshape(-1, 2)


def _background(frame: Frame) -> Array:
    return np.argwhere(frame.known & (frame.cells == 0))


def _shares(weights: Sequence[float]) -> Array:
    total = float(sum(weights))
    return np.array(weights, float) / total if total else np.zeros(0)
