"""Images of shapes drawn by chance, with exact masks: a source for trials and tests, where there is no annotated set.

Each image has its own contrast, background, texture and noise; shapes are round, lobed or angular, light or dark, and
some touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.synthetic_masks import MOST_REJECTIONS, MaskPrior, semi_axes
from napari_cellseg_ssl.core.methods.cupre.annotated_sets import AnnotatedImage, AnnotatedSet

COUNT = 24
SIDES = (5.4, 8.0)
"""Of an image, in diameters: 130 to 192 px for objects of 24 px."""
OBJECTS = (5, 40)
SPREAD, ECCENTRICITY = 0.5, (0.2, 0.85)
TOUCHING = 0.4
"""Chance of a shape to be put at the edge of another one."""
NEAR = (0.8, 1.0)
"""How far apart the middles of two such shapes are, as a share of the sum of their radii."""
LEAST_SEEN = 0.7
"""Share of a shape that others may not hide, or it is not drawn."""
LEAST_INSIDE = 0.2
"""Share of a shape that the image shows at its edge."""
LOBES = (2, 3, 4, 5)
CORNERS = (3, 8)
POINTS = 64
"""Of an outline."""
DARK, MIXED = 0.3, 0.15
"""Shares of the images with dark shapes on a bright background, and with both kinds."""


def shapes(diameter: float, seed: int) -> AnnotatedSet:
    """Return drawn images whose objects have about a diameter, px; the same for the same seed."""
    readers = [partial(_read, diameter, seed, number) for number in range(COUNT)]
    return AnnotatedSet(name="drawn shapes", readers=readers, diameter=diameter)


def _read(diameter: float, seed: int, number: int) -> Iterator[AnnotatedImage]:
    rng = np.random.default_rng([seed, number])
    cells = draw_shapes(diameter, rng)
    pixels = draw_appearance(cells, diameter, rng)[None]
    yield AnnotatedImage(name=f"shapes {number + 1}", pixels=pixels, cells=cells, known=np.ones(cells.shape, bool))


def draw_shapes(diameter: float, rng: np.random.Generator) -> Array:
    """Draw objects (Y, X) int32, each in one piece; a later one lies behind those before it."""
    side_y, side_x = (max(16, round(float(side) * diameter)) for side in rng.uniform(*SIDES, 2))
    cells = np.zeros((side_y, side_x), np.int32)
    prior = MaskPrior(diameter=diameter, spread=SPREAD, eccentricity=ECCENTRICITY)
    placed: list[tuple[Array, float]] = []
    wanted, rejections = int(rng.integers(OBJECTS[0], OBJECTS[1] + 1)), 0
    while len(placed) < wanted and rejections < MOST_REJECTIONS:
        axes = semi_axes(prior, 2, rng)
        radius = float(np.sqrt(np.prod(axes)))
        centre = _place(placed, radius, cells.shape, rng)
        window, inside = _filled(_outline(axes, rng) + centre, cells.shape)
        seen = _largest_piece(inside & (cells[window] == 0))
        if seen.sum() < max(LEAST_SEEN * inside.sum(), LEAST_INSIDE * np.pi * radius**2):
            rejections += 1
            continue
        placed.append((centre, radius))
        cells[window][seen] = len(placed)
    return cells


def draw_appearance(cells: Array, diameter: float, rng: np.random.Generator) -> Array:
    """Draw objects (Y, X) as a microscope might show them -> (Y, X) float32, around 0."""
    n = int(cells.max())
    kind = rng.random()
    signs = rng.choice((-1.0, 1.0), n) if kind < MIXED else np.where(kind < MIXED + DARK, -1.0, 1.0)
    levels = np.concatenate([[0.0], np.broadcast_to(signs, n) * rng.uniform(0.5, 1.3, n)])
    depth = _depth(cells)
    rim = np.exp(-depth / (0.05 * diameter))
    dome = 1 - np.exp(-depth / (0.2 * diameter))
    body = 1 + rng.uniform(-0.7, 0.5) * rim - rng.uniform(0, 0.6) * (1 - dome)
    grain = _grain(cells.shape, diameter * rng.uniform(0.03, 0.15), rng)
    body += rng.uniform(0, 0.3) * grain
    behind = rng.uniform(0, 0.25) * _grain(cells.shape, diameter * rng.uniform(0.05, 1.5), rng)
    image = np.where(cells > 0, levels[cells] * body, behind)
    image += rng.uniform(0, 0.6) * _slope(cells.shape, rng)
    image = ndimage.gaussian_filter(image, rng.uniform(0.01, 0.05) * diameter)
    image += rng.uniform(0.02, 0.15) * rng.standard_normal(cells.shape)
    drawn: Array = image.astype(np.float32)
    return drawn


def _place(placed: list[tuple[Array, float]], radius: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Choose a middle (Y, X): anywhere, or so that the shape touches another one."""
    if placed and rng.random() < TOUCHING:
        centre, other = placed[rng.integers(len(placed))]
        angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(*NEAR) * (radius + other)
        near: Array = centre + apart * np.array([np.sin(angle), np.cos(angle)])
        return near
    return rng.uniform(0, 1, 2) * shape


def _outline(axes: Array, rng: np.random.Generator) -> Array:
    """Draw an outline (N, 2) around 0, px: an ellipse, a lobed blob or a polygon."""
    kind = rng.integers(3)
    if kind == 2:
        count = int(rng.integers(CORNERS[0], CORNERS[1] + 1))
        angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    else:
        angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    reach = np.ones(len(angles))
    if kind == 1:
        reach += sum(rng.uniform(0, 0.35 / lobes) * np.cos(lobes * angles + rng.uniform(0, 6.28)) for lobes in LOBES)
    points = np.stack([np.sin(angles), np.cos(angles)], axis=1) * reach[:, None] * axes
    # A polygon within an ellipse is smaller: whatever the outline, the area is that of the ellipse.
    points *= np.sqrt(np.pi * np.prod(axes) / _area(points))
    turn = rng.uniform(0, 2 * np.pi)
    turned: Array = points @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return turned


def _area(points: Array) -> float:
    """Area within an outline (N, 2)."""
    y, x = points.T
    return 0.5 * abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1)))


def _filled(points: Array, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], Array]:
    """Return a window of an image, and which of its pixels are within an outline (N, 2)."""
    from skimage.draw import polygon2mask

    first = np.clip(np.floor(points.min(0)).astype(int), 0, np.array(shape) - 1)
    last = np.clip(np.ceil(points.max(0)).astype(int) + 1, first + 1, shape)
    inside: Array = polygon2mask(tuple((last - first).tolist()), points - first)
    return (slice(first[0], last[0]), slice(first[1], last[1])), inside


def _largest_piece(mask: Array) -> Array:
    pieces, n = ndimage.label(mask)
    if n < 2:
        return mask
    largest: Array = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return largest


def _depth(cells: Array) -> Array:
    """Distance of every pixel of an object to its own edge, px, also where another one touches it."""
    depth = np.zeros(cells.shape)
    for index, window in enumerate(ndimage.find_objects(cells), start=1):
        inside = cells[window] == index
        depth[window][inside] = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][inside]
    return depth


def _grain(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> Array:
    """Noise (Y, X) of a grain size in px, with a spread of 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), size)
    grain: Array = noise / max(float(noise.std()), 1e-6)
    return grain


def _slope(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Light (Y, X) that grows in one direction, from -0.5 to 0.5 along the sides."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-0.5, 0.5, size) for size in shape)
    slope: Array = np.sin(angle) * y[:, None] + np.cos(angle) * x
    return slope
