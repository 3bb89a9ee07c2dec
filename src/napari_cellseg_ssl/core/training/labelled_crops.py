"""Crops of images with labels: around painted things, with further painted cells pasted in, and anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge
from napari_cellseg_ssl.core.training.augment import interpolate, look_up, look_up_cells, random_positions
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.pasting import LabelledCrop, paste_cell

CELL_SHARE = 0.7
"""Crops around a painted cell; the others are around painted background."""
ZOOM = (1 / 1.4, 1.4)
AFFINE = 0.5
PASTED = 0.5
BRIGHT, BRIGHT_SHARE, TRIES = 0.15, 0.02, 5


class LabelledSampler:
    """Draw square crops from frames of unequal sizes.

    Parameters
    ----------
    frames : sequence of Frame
    side : int, px
    zoom : (smallest, largest)
        Magnification of those crops that are turned and magnified.
    affine : float
        Probability that a crop is.
    pasted : float
        Probability that a cell is pasted into a crop, and after each one, that another is.
    mirrored : bool
        Whether labels go on beyond the edge of an image, mirrored like its pixels, see `look_up_cells`; else nothing is
        known there.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        side: int,
        *,
        zoom: tuple[float, float] = ZOOM,
        affine: float = AFFINE,
        pasted: float = PASTED,
        mirrored: bool = False,
    ) -> None:
        self._side, self._zoom, self._affine, self._pasted, self._mirrored = side, zoom, affine, pasted, mirrored
        self._frames = tuple(frames)
        groups = [_Places(frame.painted for frame in frames), _Places(frame.unpainted for frame in frames)]
        self._groups = [group for group in groups if group.cells or group.grounds]
        self._areas = _shares([frame.known.size**0.5 for frame in frames])
        self._whole = [np.setdiff1d(frame.cell_ids, ids_at_edge(frame.cells)) for frame in frames]

    def labelled(self, rng: np.random.Generator, count: int) -> list[LabelledCrop]:
        """Draw crops around known cells and background, deformed by chance, some with cells of the others.

        Where there are pseudo-labels, half of the crops are drawn around what is painted.
        """
        drawn = [self._labelled_one(rng) for _ in range(count)]
        crops = [self._crop(index, positions) for index, positions in drawn]
        sources = tuple(crops)  # before anything is pasted, since a cell that is partly covered is no whole one
        for i in range(count):
            while rng.random() < self._pasted:
                other = int(rng.integers(count))
                crops[i] = paste_cell(crops[i], sources[other], self._whole[drawn[other][0]], rng)
        return crops

    def anywhere(self, rng: np.random.Generator, count: int) -> list[LabelledCrop]:
        """Draw crops from all frames in proportion to their width, in one of eight orientations.

        Nearly empty ones are drawn again a few times.
        """
        return [self._filled_one(rng) for _ in range(count)]

    def _labelled_one(self, rng: np.random.Generator) -> tuple[int, Array]:
        index, place = self._groups[rng.integers(len(self._groups))].draw(rng)
        centre = self._within(index, place + rng.uniform(-0.25, 0.25, 2) * self._side)
        return index, random_positions(rng, centre, self._side, zoom=self._zoom, affine=self._affine)

    def _filled_one(self, rng: np.random.Generator) -> LabelledCrop:
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
        frame = self._frames[index]
        return LabelledCrop(
            pixels=interpolate(frame.pixels, positions).numpy(),
            cells=look_up_cells(frame.cells, positions) if self._mirrored else look_up(frame.cells, positions),
            known=look_up(frame.known, positions, None if self._mirrored else False),
            exact=frame.pseudo is None,
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


def _cell_centres(frame: Frame) -> Array:
    ids = frame.cell_ids
    return np.array(ndimage.center_of_mass(frame.cells > 0, frame.cells, ids)).reshape(-1, 2)


def _background(frame: Frame) -> Array:
    return np.argwhere(frame.known & (frame.cells == 0))


def _shares(weights: Sequence[float]) -> Array:
    total = float(sum(weights))
    return np.array(weights, float) / total if total else np.zeros(0)
