"""Of boxes that mean the same object, keep the best: greedy non-maximum suppression, also across windows."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array


def suppress(
    boxes: Array, scores: Array, threshold: float, *, groups: Array | None = None, limit: int | None = None
) -> Array:
    """Choose boxes that overlap no better chosen one by more than `threshold` of their union.

    A chosen box is compared only with those that lie near it along x, so that time grows with the number of boxes and
    their density, not with the square of their number.

    Parameters
    ----------
    boxes : (N, 4)
        x1, y1, x2, y2.
    scores : (N,)
        Of equal ones the first is better.
    groups : (N,) integer, optional
        Boxes of unlike groups do not suppress each other.
    limit : int, optional
        Most boxes to choose.

    Returns
    -------
    (K,) int64
        Indices of the chosen ones, best first.
    """
    boxes = np.asarray(boxes, np.float64)
    if groups is not None and len(boxes):
        boxes = boxes + (groups * (boxes.max() - boxes.min() + 1))[:, None]
    rivals = _Rivals(boxes, scores)
    chosen: list[int] = []
    for index in rivals.order.tolist():
        if limit is not None and len(chosen) == limit:
            break
        if rivals.alive[rivals.place[index]]:
            chosen.append(index)
            window, shared, areas = rivals.near(index)
            rivals.alive[window] &= shared <= threshold * (areas + rivals.area(index) - shared)
    return np.array(chosen, np.int64)


def suppress_across(
    boxes: Array, scores: Array, parts: Array, *, union: float = 0.5, smaller: float = 0.7, kinds: Array | None = None
) -> Array:
    """Choose one of those boxes that several parts of an image found of the same object.

    Boxes of the same part do not suppress each other, however much they overlap: there, it was decided already.

    Parameters
    ----------
    boxes : (N, 4)
    scores : (N,)
    parts : (N,) integer
        Which part found each.
    union, smaller : float
        Two are the same object when they share more than this of their union, or of the smaller one.
    kinds : (N,) integer, optional
        Classes; boxes of unlike ones are never the same object.

    Returns
    -------
    (K,) int64
        Indices of the chosen ones, best first.
    """
    boxes = np.asarray(boxes, np.float64)
    rivals = _Rivals(boxes, scores)
    parts_there = np.asarray(parts)[rivals.by_x]
    kinds = np.zeros(len(boxes), np.int64) if kinds is None else np.asarray(kinds)
    kinds_there = kinds[rivals.by_x]
    chosen: list[int] = []
    for index in rivals.order.tolist():
        if not rivals.alive[rivals.place[index]]:
            continue
        chosen.append(index)
        window, shared, areas = rivals.near(index)
        own = rivals.area(index)
        same = (shared > union * (areas + own - shared)) | (shared > smaller * np.minimum(areas, own))
        same &= (parts_there[window] != parts[index]) & (kinds_there[window] == kinds[index])
        rivals.alive[window] &= ~same
    return np.array(chosen, np.int64)


class _Rivals:
    """Boxes in the order of their left sides, so that those near a box are one slice."""

    def __init__(self, boxes: Array, scores: Array) -> None:
        self.order = np.argsort(-np.asarray(scores), kind="stable")
        self.by_x = np.argsort(boxes[:, 0], kind="stable")
        self.place = np.empty(len(boxes), np.int64)
        self.place[self.by_x] = np.arange(len(boxes))
        self.alive = np.ones(len(boxes), bool)
        self._x1, self._y1, self._x2, self._y2 = np.ascontiguousarray(boxes[self.by_x].T)
        self._areas = (self._x2 - self._x1) * (self._y2 - self._y1)
        widest = (self._x2 - self._x1).max(initial=0.0)
        self._first = np.searchsorted(self._x1, self._x1 - widest, side="left")
        self._last = np.searchsorted(self._x1, self._x2, side="right")

    def area(self, index: int) -> float:
        return float(self._areas[self.place[index]])

    def near(self, index: int) -> tuple[slice, Array, Array]:
        """Return where the boxes near one are, the areas that they share with it, and their own."""
        at = self.place[index]
        window = slice(int(self._first[at]), int(self._last[at]))
        wide = np.minimum(self._x2[window], self._x2[at]) - np.maximum(self._x1[window], self._x1[at])
        high = np.minimum(self._y2[window], self._y2[at]) - np.maximum(self._y1[window], self._y1[at])
        return window, np.maximum(wide, 0) * np.maximum(high, 0), self._areas[window]
