"""The part of an image that a search for options has to segment: frames and places where something is painted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps

LARGEST = 2_000_000
"""Pixels of a frame, at the working scale, that are segmented whole; of larger ones only a window."""
MARGIN, LEAST_MARGIN = 6.0, 400
"""How far a window reaches beyond what is painted, so that cells there are segmented as in the whole image: diameters,
and at least so many px at the working scale."""


@dataclass(frozen=True)
class PaintedPart:
    """Maps of an image or of a part of it, with its cells (N, *S) and where they may be believed."""

    maps: PredictionMaps
    cells: Array
    known: Array


def painted_part(maps: PredictionMaps, note: Annotation) -> PaintedPart:
    """Keep the frames on which something is painted; of large ones only a window around it.

    Methods look at whole frames to choose thresholds by themselves, so a window can differ from the whole in that.
    Frames of up to `LARGEST` pixels are therefore never cut.
    """
    part = _painted_frames(maps, note)
    return part if np.prod(maps.shape) <= LARGEST else _window(part)


def _painted_frames(maps: PredictionMaps, note: Annotation) -> PaintedPart:
    frames = np.flatnonzero(note.known.reshape(len(note.known), -1).any(axis=1))
    if len(frames) == len(note.known):
        return PaintedPart(maps, note.cells, note.known)
    return PaintedPart(maps.of_frames(frames), note.cells[frames], note.known[frames])


def _window(part: PaintedPart) -> PaintedPart:
    """Cut out what is painted and a margin around it; the same place at the scale of the image and at the maps' own."""
    places = np.nonzero(part.known.any(axis=0))
    margin = max(MARGIN * part.maps.diameter, LEAST_MARGIN / part.maps.scale)
    source: list[Any] = [...]
    working: list[slice] = []
    for along, length, size in zip(places, part.known.shape[1:], part.maps.shape, strict=True):
        start, stop = max(0.0, along.min() - margin), min(float(length), along.max() + 1 + margin)
        first, last = int(start * size / length), int(np.ceil(stop * size / length))
        working.append(slice(first, last))
        source.append(slice(round(first * length / size), round(last * length / size)))
    cells, known = part.cells[tuple(source)], part.known[tuple(source)]
    return PaintedPart(part.maps.within(tuple(working), cells.shape[1:]), cells, known)
