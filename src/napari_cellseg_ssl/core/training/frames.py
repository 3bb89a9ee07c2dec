"""The training images at the working scale, cut into blocks, with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import resize_labels, resize_linear, working_shape
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.training.diameters import steady_diameters

BLOCK = 2048
"""Source px; larger frames are cut, so that one huge image needs no memory beyond its blocks."""
MOST_PIXELS = 150_000_000
"""Working pixels kept; unlabelled blocks beyond are left out, those with labels never."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A block of an image at the working scale.

    Parameters
    ----------
    pixels : (C, Y, X) float32
        Normalised by the percentiles of its whole frame.
    cells : (Y, X) int32
    known : (Y, X) bool
    is_dense : bool
        Whether everything is known.
    pseudo : (Y, X) bool, optional
        Which of the known pixels nobody painted.
    """

    pixels: Array
    cells: Array
    known: Array
    is_dense: bool = False
    pseudo: Array | None = None

    @cached_property
    def cell_ids(self) -> Array:
        """Ids of the known cells."""
        ids = np.unique(self.cells[self.known])
        return ids[ids > 0]

    @property
    def has_labels(self) -> bool:
        """Whether anything is known."""
        return bool(self.known.any())

    @property
    def painted(self) -> Frame:
        """The frame with what a person painted, and no more."""
        return self if self.pseudo is None else self._knowing(self.known & ~self.pseudo)

    @property
    def unpainted(self) -> Frame:
        """The frame with its pseudo-labels, and no more."""
        return self._knowing(np.zeros_like(self.known) if self.pseudo is None else self.known & self.pseudo)

    def _knowing(self, known: Array) -> Frame:
        cells = np.where(known, self.cells, 0)
        return Frame(pixels=self.pixels, cells=cells, known=known, is_dense=bool(known.all()))


def load_frames(
    data: TrainingSet, intensity: Intensity, diameter: float, seed: int, most_pixels: int | None = None
) -> tuple[Frame, ...]:
    """Rescale the images of a set so that objects become `diameter` px wide.

    Images are visited in random order, those with labels first, until `most_pixels` (by default `MOST_PIXELS`) are
    loaded.
    """
    most_pixels = MOST_PIXELS if most_pixels is None else most_pixels
    rng = np.random.default_rng(seed)
    items = [replace(item, diameter=size) for item, size in zip(data.items, steady_diameters(data), strict=True)]
    items = [items[i] for i in rng.permutation(len(items))]
    items.sort(key=lambda item: item.annotation is None)
    frames: list[Frame] = []
    size = 0
    for item in items:
        for frame in blocks(item, intensity, diameter):
            if frame.has_labels or size < most_pixels:
                frames.append(frame)
                size += frame.known.size
        if size >= most_pixels and item.annotation is None:
            break
    return tuple(frames)


def blocks(item: TrainingItem, intensity: Intensity, diameter: float) -> Iterator[Frame]:
    """Cut the frames of an image into blocks, and rescale them so that objects become `diameter` px wide."""
    scale = diameter / item.diameter
    for index, source in enumerate(item.image.frames):
        limits = intensity.limits(source)
        height, width = source.shape[1:]
        for y in range(0, height, BLOCK):
            for x in range(0, width, BLOCK):
                window = (slice(y, y + BLOCK), slice(x, x + BLOCK))
                block = source[(slice(None), *window)]
                shape = working_shape(block.shape[1:], scale)
                pixels = intensity.normalise(np.stack([resize_linear(c, shape) for c in block]), limits)
                yield Frame(pixels=pixels, **_labels(item, index, window, shape))


def _labels(item: TrainingItem, index: int, window: tuple[slice, slice], shape: tuple[int, ...]) -> dict[str, Any]:
    note = item.annotation
    if note is None:
        return {"cells": np.zeros(shape, np.int32), "known": np.zeros(shape, bool)}
    known = note.known[index][window]
    cells = np.where(known, note.cells[index][window], 0)
    return {
        "cells": resize_labels(cells, shape),
        "known": resize_labels(known, shape),
        "is_dense": bool(known.all()),
        "pseudo": None if note.pseudo is None else resize_labels(note.pseudo[index][window], shape),
    }
