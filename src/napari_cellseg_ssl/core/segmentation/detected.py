"""Detections to a label image: small masks are pasted into their boxes, the best object first.

Sources: He et al., "Mask R-CNN", ICCV 2017, section 3.1 (masks in boxes, threshold 0.5); what to do where masks overlap
is our choice, because a label image holds one object per pixel.
"""

from math import ceil

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array

TAKEN = 0.5
"""An object of which better ones have taken more than this is one of them."""


def paste(mask: Array, box: Array, shape: tuple[int, int], threshold: float = 0.5) -> tuple[tuple[slice, slice], Array]:
    """Draw a mask into its box.

    A pixel belongs to the object if its middle is in the box and the mask, interpolated there, reaches the threshold;
    beyond the middles of its outermost cells the mask goes on as it is there.

    Parameters
    ----------
    mask : (M, M) float
    box : (4,)
    shape : (Y, X)
        Of the image; what is outside is cut off.

    Returns
    -------
    window : (slice, slice)
        Pixels of the image.
    inside : (y, x) bool
        Which of them belong to the object.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    rows, across_rows = _axis(y1, y2, shape[0], len(mask))
    columns, across_columns = _axis(x1, x2, shape[1], len(mask))
    inside: Array = across_rows @ mask @ across_columns.T >= threshold
    return (rows, columns), inside


def _axis(start: float, stop: float, size: int, cells: int) -> tuple[slice, Array]:
    """Return the pixels whose middles are between start and stop, and their weights (pixels, cells)."""
    first = min(max(0, ceil(start - 0.5)), size)
    last = max(first, min(size, ceil(stop - 0.5)))
    middles = np.arange(last - first, dtype=np.float32) + np.float32(first + 0.5 - start)
    places = np.clip(middles * np.float32(cells / max(stop - start, 1e-6)) - np.float32(0.5), 0, cells - 1)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells, dtype=np.float32)))
    return slice(first, last), weights


def to_labels(
    found: Detections,
    shape: tuple[int, int],
    *,
    score: float = 0.5,
    threshold: float = 0.5,
    taken: float = TAKEN,
    smallest: int = 1,
) -> tuple[Array, Array]:
    """Draw detections as a label image.

    In the order of their scores, each takes those of its pixels that are still free: its largest piece, without holes.
    One that has lost more than `taken` of its pixels to better ones is left out.

    Parameters
    ----------
    found : Detections
    shape : (Y, X)
    score : float
        Least score.
    threshold : float
        Least probability of a pixel.
    taken : float
    smallest : int
        Least number of pixels.

    Returns
    -------
    labels : (Y, X) int32
        Ids 1 to K, the best object first.
    kept : (K,) int64
        Which detection each is.
    """
    labels = np.zeros(shape, np.int32)
    kept: list[int] = []
    for index in np.argsort(-found.scores, kind="stable"):
        if found.scores[index] < score:
            break
        window, inside = paste(found.masks[index], found.boxes[index], shape, threshold)
        free = labels[window] == 0
        left = inside & free
        count = np.count_nonzero(left)
        if count == 0 or count < (1 - taken) * np.count_nonzero(inside):
            continue
        whole = left if _is_in_one_piece(left) else ndimage.binary_fill_holes(_largest(left)) & free
        if np.count_nonzero(whole) >= smallest:
            kept.append(int(index))
            labels[window][whole] = len(kept)
    return labels, np.array(kept, np.int64)


def _is_in_one_piece(mask: Array) -> bool:
    """Whether every row is one run of pixels that touches that of the next row, as in nearly all objects.

    Then there is one piece without holes, and nothing has to be labelled, which takes several times as long.
    """
    runs = np.count_nonzero(mask[:, 1:] > mask[:, :-1], axis=1) + mask[:, 0]
    touching = (mask[1:] & mask[:-1]).any(axis=1)
    return bool(runs.max() == 1 and np.count_nonzero(touching) == np.count_nonzero(runs) - 1)


def _largest(mask: Array) -> Array:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: Array = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    return largest
