"""Find objects in a field of any size, window by window, and join what the windows see."""

from collections.abc import Mapping, Sequence

import numpy as np

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.inference.detection_windows import Window, join_windows, plan_windows
from napari_cellseg_ssl.core.inference.predictor import Detects

OVERLAP = 4.0
"""Of windows, in object diameters: twice an object of twice the usual diameter."""


class Detecting:
    """The windows of one field, what was found in them, and its dense maps.

    In maps, windows fade into each other where they overlap, so that no seam shows although each knows something else
    of what surrounds a pixel.

    Parameters
    ----------
    field : (C, Y, X) float32
        Normalised, at the working scale.
    detector : Detects
    diameter : float, px
        Of the objects in the field.
    maps : {name: (c, Y, X) float32}
        Filled in place.
    """

    def __init__(self, field: Array, detector: Detects, diameter: float, maps: Mapping[str, Array]) -> None:
        self._field, self._detector, self._diameter, self._maps = field, detector, diameter, maps
        self._windows: list[Window] = []
        self._found: list[Detections] = []
        self._shares: tuple[Mapping[int, Array], ...] = ()

    def plan(self, side: int) -> tuple[Window, ...]:
        """Begin, or begin again with windows of another side, px; they are to be done one after the other."""
        shape = (self._field.shape[1], self._field.shape[2])
        overlap = min(round(OVERLAP * self._diameter), side // 2)
        windows = plan_windows(shape, side, overlap, self._detector.multiple_of)
        self._shares = tuple(_shares(windows, axis, size) for axis, size in enumerate(shape))
        self._windows, self._found = [], []
        for values in self._maps.values():
            values[...] = 0
        return windows

    def do(self, window: Window) -> None:
        """Find what one window shows."""
        found, maps = self._detector.look(self._field[(slice(None), *window.slices)])
        share = np.multiply.outer(*(of_axis[start] for of_axis, start in zip(self._shares, window.start, strict=True)))
        for name, values in self._maps.items():
            values[(slice(None), *window.slices)] += share * maps[name]
        self._windows.append(window)
        self._found.append(found)

    def detections(self) -> tuple[Detections, ...]:
        """Join what was found in all windows: one record, for one frame."""
        return (join_windows(self._windows, self._found),)


def _shares(windows: Sequence[Window], axis: int, size: int) -> Mapping[int, Array]:
    """Say how much windows count along an axis of `size` px, by where they begin; together they are 1 everywhere.

    A window counts the more the farther its nearer end is, unless that is the end of the image.
    """
    weights: dict[int, Array] = {}
    total = np.zeros(size, np.float32)
    for start, stop in sorted({(window.start[axis], window.stop[axis]) for window in windows}):
        middles = np.arange(start, stop, dtype=np.float32) + 0.5
        before = middles - start if start > 0 else np.full_like(middles, size)
        behind = stop - middles if stop < size else np.full_like(middles, size)
        weights[start] = np.minimum(before, behind)
        total[start:stop] += weights[start]
    return {start: own / total[start : start + len(own)] for start, own in weights.items()}
