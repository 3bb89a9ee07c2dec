"""Detect in windows of a large image, so that every object is found once, also where windows meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.box_suppression import suppress_across

MARGIN = 2.0
"""px; a box that ends so near the side of a window may be cut by it."""


@dataclass(frozen=True)
class Window:
    """A rectangle of an image: first pixels and those after the last, along Y and X."""

    start: tuple[int, int]
    stop: tuple[int, int]

    @property
    def slices(self) -> tuple[slice, slice]:
        """The pixels."""
        return slice(self.start[0], self.stop[0]), slice(self.start[1], self.stop[1])


def plan_windows(shape: tuple[int, int], side: int, overlap: int, multiple_of: int = 1) -> tuple[Window, ...]:
    """Cover an image of `shape` px with windows.

    Parameters
    ----------
    side : int
        Of a window, px; the image's own where that is smaller.
    overlap : int
        Least overlap of neighbours, px: twice the largest object, so that one of them sees each object whole.
    multiple_of : int
        Windows begin at multiples of so many px, where the network has a pixel of its own, so that an object looks the
        same from all windows that see it whole. `side` is rounded up to one.
    """
    side += -side % multiple_of
    rows, columns = (_starts(size, side, overlap, multiple_of) for size in shape)
    return tuple(Window((y, x), (min(y + side, shape[0]), min(x + side, shape[1]))) for y in rows for x in columns)


def _starts(size: int, side: int, overlap: int, multiple_of: int) -> list[int]:
    """Return where windows begin; the last may reach beyond the image, to a multiple."""
    if size <= side:
        return [0]
    longest, way = max(1, (side - overlap) // multiple_of), -(-(size - side) // multiple_of)
    return [round(value) * multiple_of for value in np.linspace(0, way, 1 + -(-way // longest))]


def join_windows(windows: Sequence[Window], found: Sequence[Detections]) -> Detections:
    """Put the detections of windows together.

    One that the side of its window may have cut is left out where a neighbour sees all that was seen of it, and more.
    Of what then is left of the same object in several windows, the best stays; see `suppress_across`.

    Parameters
    ----------
    windows : sequence of Window
        Of one `plan_windows`.
    found : sequence of Detections
        One for each, in px of the window.
    """
    moved = []
    for window, seen in zip(windows, found, strict=True):
        there = seen.moved(*window.start)
        moved.append(there[~_cut(there.boxes, window, windows)])
    together = Detections.joined(moved)
    order = np.argsort(-np.concatenate([part.scores for part in moved]), kind="stable")
    parts = np.repeat(np.arange(len(moved)), [len(part) for part in moved])[order]
    return together[suppress_across(together.boxes, together.scores, parts, kinds=together.classes)]


def _cut(boxes: Array, window: Window, windows: Sequence[Window]) -> Array:
    """Whether a side of the window may have cut each box (N, 4), while a neighbour sees more of it."""
    cut = np.zeros(len(boxes), bool)
    for axis in (0, 1):
        low, high = boxes[:, 1 - axis], boxes[:, 3 - axis]
        starts = sorted({other.start[axis] for other in windows})
        stops = sorted({other.stop[axis] for other in windows})
        place = starts.index(window.start[axis])
        if place > 0:
            cut |= (low < window.start[axis] + MARGIN) & (high < stops[place - 1] - MARGIN)
        if place < len(starts) - 1:
            cut |= (high > window.stop[axis] - MARGIN) & (low > starts[place + 1] + MARGIN)
    return cut
