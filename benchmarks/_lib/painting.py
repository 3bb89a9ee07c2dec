"""Simulated annotation: what somebody would paint, made from complete truth.

Three protocols: a few densely labelled tiles among many unlabelled ones (as the ACTIS paper counts its labels),
whole cells with strokes of background, and whole cells with a ring of background around each. A seed and the order
of the files decide everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.draw import line
from skimage.measure import regionprops
from skimage.morphology import disk

SMALLEST_CELL, SMALLEST_IN_TILE = 12, 20
BACKGROUND_ID = 1


@dataclass(frozen=True, kw_only=True)
class Painted:
    """One training image: pixels (C, Y, X), the painting (Y, X) or None, the whole truth (Y, X) and its source."""

    name: str
    source: str
    pixels: np.ndarray
    truth: np.ndarray
    painting: np.ndarray | None = None


def tiles(images: Sequence[Painted], *, labelled: int = 10, side: int = 128, seed: int = 0) -> list[Painted]:
    """Cut images into tiles and label `labelled` of those with a cell, completely."""
    pieces = [tile for image in images for tile in _tiles_of(image, side)]
    candidates = [i for i, tile in enumerate(pieces) if _largest(tile.truth) >= SMALLEST_IN_TILE]
    order = np.random.default_rng(seed).permutation(len(candidates))
    chosen = {candidates[i] for i in order[:labelled]}
    return [_completely(tile) if i in chosen else tile for i, tile in enumerate(pieces)]


def sparse(
    images: Sequence[Painted], *, count: int = 4, cells: int = 5, strokes: int = 3, rings: bool = False, seed: int = 0
) -> list[Painted]:
    """Paint some neighbouring cells in `count` images, and background: strokes, or rings around the cells."""
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(len(images))[:count])
    painted = {i: _paint(images[i].truth, rng, cells, 0 if rings else strokes, rings) for i in chosen}
    return [
        Painted(
            name=image.name,
            source=image.source,
            pixels=image.pixels,
            truth=image.truth,
            painting=painted.get(i),
        )
        for i, image in enumerate(images)
    ]


def _tiles_of(image: Painted, side: int) -> Iterator[Painted]:
    height, width = image.truth.shape
    for y in range(0, height - side + 1, side):
        for x in range(0, width - side + 1, side):
            window = (slice(y, y + side), slice(x, x + side))
            yield Painted(
                name=f"{image.name}_y{y}x{x}",
                source=image.name,
                pixels=image.pixels[(slice(None), *window)],
                truth=image.truth[window],
            )


def _completely(tile: Painted) -> Painted:
    painting = np.where(tile.truth > 0, tile.truth + BACKGROUND_ID, BACKGROUND_ID)
    return Painted(name=tile.name, source=tile.source, pixels=tile.pixels, truth=tile.truth, painting=painting)


def _largest(truth: np.ndarray) -> int:
    return int(np.bincount(truth.ravel())[1:].max(initial=0))


def _paint(truth: np.ndarray, rng: np.random.Generator, cells: int, strokes: int, rings: bool) -> np.ndarray:
    painting = np.zeros(truth.shape, np.int32)
    regions = [region for region in regionprops(truth) if region.area >= SMALLEST_CELL]
    if not regions:
        return painting
    whole = [region for region in regions if not _is_cut(region.bbox, truth.shape)] or regions
    centre = np.array(whole[rng.integers(len(whole))].centroid)
    near = sorted(whole, key=lambda region: float(np.hypot(*(np.array(region.centroid) - centre))))[:cells]
    for new_id, region in enumerate(near, start=BACKGROUND_ID + 1):
        painting[truth == region.label] = new_id
    diameter = float(np.median([region.equivalent_diameter_area for region in regions]))
    if rings:
        ring = ndimage.distance_transform_edt(painting == 0) <= max(2.0, diameter / 4)
        painting[ring & (truth == 0)] = BACKGROUND_ID
    clear = ndimage.distance_transform_edt(truth == 0) >= 2
    around = clear & (ndimage.distance_transform_edt(painting == 0) < 2.5 * diameter)
    starts = np.argwhere(around if around.any() else clear)
    for _ in range(strokes if len(starts) else 0):
        start = starts[rng.integers(len(starts))]
        allowed = clear & (painting == 0)
        painting[_stroke(rng, start, allowed, 3 * diameter, max(1, int(diameter / 10)))] = BACKGROUND_ID
    return painting


def _is_cut(box: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return box[0] == 0 or box[1] == 0 or box[2] == shape[0] or box[3] == shape[1]


def _stroke(rng: np.random.Generator, start: np.ndarray, allowed: np.ndarray, length: float, width: int) -> np.ndarray:
    """Wander through allowed pixels in steps of 4 px, turning a little each time -> (Y, X) bool."""
    height, widest = allowed.shape
    (y, x), angle = start, rng.uniform(0, 2 * np.pi)
    path = np.zeros(allowed.shape, bool)
    for _ in range(max(2, int(length // 4))):
        angle += rng.normal(0, 0.5)
        to_y = int(np.clip(y + 4 * np.sin(angle), 0, height - 1))
        to_x = int(np.clip(x + 4 * np.cos(angle), 0, widest - 1))
        if allowed[to_y, to_x]:
            path[line(int(y), int(x), to_y, to_x)] = True
            y, x = to_y, to_x
        else:
            angle += np.pi / 2
    stroke: np.ndarray = ndimage.binary_dilation(path, disk(width)) & allowed
    return stroke
