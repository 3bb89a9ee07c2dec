"""What numbers of a COCO file may be: `pycocotools` is C, and walks along every outline pixel by pixel, however long.

Without these bounds a corner at 10⁷ takes 2 GB, one at 10⁹ ends the process, and run lengths that end too early leave
pixels that are whatever was in memory before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

MOST_PIXELS = 2**32 - 1
"""Of an image: pixels are counted in 32 bits."""
LONGEST_OUTLINE = 5_000_000
"""Of one polygon, px; a pixel of it takes about 40 bytes."""
MOST_DIGITS = 7
"""Of a compressed run length, which has five bits in each."""
FIRST, LAST = 48, 48 + 63
"""Characters of compressed run lengths."""


def image_shape(height: Any, width: Any) -> tuple[int, int]:
    """Return the shape (Y, X) of an image, if it can be one.

    Raises
    ------
    ValueError
        If a side is below 1, or the image has more pixels than can be counted.
    """
    shape = int(height), int(width)
    if min(shape) < 1 or shape[0] * shape[1] > MOST_PIXELS:
        raise ValueError(f"height {height} and width {width} are none of an image of 1 to {MOST_PIXELS} px")
    return shape


def require_polygons(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> None:
    """Refuse outlines that lie far beyond an image of a shape (Y, X), or are endless.

    Objects at an edge may be outlined beyond it, by up to the size of the image.

    Raises
    ------
    ValueError
        If so, with the numbers.
    """
    for polygon in polygons:
        if _is_short_and_near(polygon, shape):
            continue
        corners = _numbers(polygon)
        for axis, coordinates, size in zip("xy", (corners[::2], corners[1::2]), shape[::-1], strict=True):
            lowest, highest = float(coordinates.min()), float(coordinates.max())
            if not (-size <= lowest and highest <= 2 * size):  # NaN fails too
                raise ValueError(f"it has corners from {axis} = {lowest:g} to {highest:g}")
        points = corners[: len(corners) // 2 * 2].reshape(-1, 2)
        steps = np.abs(np.diff(points, axis=0, append=points[:1])).max(1)
        if steps.sum() > LONGEST_OUTLINE:
            raise ValueError(f"its outline is {steps.sum():.3g} px long, of at most {LONGEST_OUTLINE}")


def require_run_lengths(segmentation: Mapping[str, Any], shape: tuple[int, int]) -> None:
    """Refuse run lengths that are not those of an image of a shape (Y, X), compressed or not.

    Raises
    ------
    ValueError, KeyError, TypeError
        If so.
    """
    counts = segmentation["counts"]
    runs = _numbers(counts) if isinstance(counts, list) else _decompressed(counts)
    pixels = shape[0] * shape[1]
    if (runs < 0).any() or runs.sum() != pixels:
        raise ValueError(f"its runs count {runs.sum():.12g} px, the image has {pixels}")


def _is_short_and_near(polygon: Sequence[float], shape: tuple[int, int]) -> bool:
    """Whether a glance says that an outline is right, as it is for nearly all of a million."""
    try:
        is_near = -min(shape) <= min(polygon) and max(polygon) <= 2 * min(shape)
        return is_near and sum(polygon) < np.inf and len(polygon) * 3 * max(shape) <= LONGEST_OUTLINE
    except TypeError:
        return False


def _numbers(values: Any) -> Array:
    """Return a list of numbers as float64 (n,)."""
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        raise ValueError("it holds something that is no list of numbers")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise ValueError("it holds numbers of hundreds of digits") from None


def _decompressed(text: str | bytes) -> Array:
    """Decode COCO's own code for run lengths: digits of five bits, the lowest first; from the fourth on, differences.

    Returns
    -------
    (n,) int64
    """
    codes = np.frombuffer(text.encode("latin-1") if isinstance(text, str) else text, np.uint8).astype(np.int64)
    if not len(codes) or codes.min() < FIRST or codes.max() > LAST:
        raise ValueError("its run lengths hold characters that COCO does not use")
    digits, is_last = (codes - FIRST) & 0x1F, ((codes - FIRST) & 0x20) == 0
    begins = np.flatnonzero(np.concatenate([[True], is_last[:-1]]))
    places = np.arange(len(codes)) - np.repeat(begins, np.diff(begins, append=len(codes)))
    if not is_last[-1] or places.max() >= MOST_DIGITS:
        raise ValueError("its run lengths are cut or too large")
    values = np.add.reduceat(digits << (5 * places), begins)
    ends = np.flatnonzero(is_last)
    values[(digits[ends] & 0x10) > 0] -= (np.int64(1) << (5 * (places[ends] + 1)))[(digits[ends] & 0x10) > 0]
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
