"""Images of drawn objects with exact masks: a source where there is no other, for trying things out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.images import Array

COUNT, SIDE = 32, 8.0
"""Images, and their side in object diameters."""
COVERAGE = (0.15, 0.3, 0.45)
NARROWEST, MOST_CORNERS = 0.55, 7
"""Of an object: short by long axis, and waves of its outline."""


def draw_shapes(diameter: float, rng: np.random.Generator, count: int = COUNT) -> Iterator[tuple[Array, Array]]:
    """Draw images (Y, X) float32, 0 to 1, and their objects (Y, X) int32.

    Objects are lumpy ellipses that may touch, textured, brighter or darker than an uneven background, under blur and
    noise, all different from image to image.
    """
    side = round(SIDE * diameter)
    for _ in range(count):
        cells = _objects(diameter, side, float(rng.choice(COVERAGE)), rng)
        yield _light(cells, diameter, rng), cells


def _objects(diameter: float, side: int, coverage: float, rng: np.random.Generator) -> Array:
    cells = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    for number in range(1, round(coverage * side**2 / (np.pi / 4 * diameter**2)) + 1):
        centre = rng.uniform(0, side, 2)
        radius = diameter / 2 * rng.uniform(0.75, 1.3)
        turn, narrow = rng.uniform(0, np.pi), rng.uniform(NARROWEST, 1.0)
        down, right = y - centre[0], x - centre[1]
        along = (np.cos(turn) * right + np.sin(turn) * down) * narrow**0.5
        across = (np.cos(turn) * down - np.sin(turn) * right) / narrow**0.5
        waves = 1 + rng.uniform(0, 0.12) * np.sin(
            rng.integers(2, MOST_CORNERS) * np.arctan2(across, along) + rng.uniform(0, 2 * np.pi)
        )
        inside = np.hypot(along, across) < radius * waves
        free = inside & (cells == 0)
        if free.sum() > 0.7 * inside.sum():  # they touch, but none lies below another one
            cells[free] = number
    return cells


def _light(cells: Array, diameter: float, rng: np.random.Generator) -> Array:
    shape = cells.shape
    levels = rng.uniform(0.3, 0.7, cells.max() + 1) * rng.choice([1.0, 1.0, -0.6])
    levels[0] = 0.0
    texture = ndimage.gaussian_filter(rng.normal(size=shape), diameter / 8) * diameter / 8
    uneven = ndimage.gaussian_filter(rng.normal(size=shape), diameter * 2)
    uneven *= rng.uniform(0, 0.1) / max(float(np.abs(uneven).max()), 1e-6)
    image = levels[cells] * (1 + rng.uniform(0, 0.6) * texture)
    image = ndimage.gaussian_filter(image, rng.uniform(0.5, 1.5))
    image += rng.uniform(0.05, 0.2) + uneven + rng.normal(0, rng.uniform(0.005, 0.06), shape)
    low, high = np.percentile(image, [1, 99.8])
    lit: Array = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    return lit
