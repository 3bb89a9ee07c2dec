"""Masks drawn by chance: ellipses in 2D, ellipsoids in 3D, as large and as dense as the objects of an image.

Yao et al., AD-GAN (arXiv 2107.11022), sections 3.4 and 4.1. Needs no torch, so that a preview is instant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.spots import ball_volume

BACKGROUND, RIM, INSIDE = -1.0, 0.0, 1.0
"""Values of a mask."""
RIM_DEPTH = 0.5
"""Share of an object's greatest depth that is its rim."""
MOST_REJECTIONS = 100
"""So many places in a row that are taken already mean that the mask is full."""


@dataclass(frozen=True, kw_only=True)
class MaskPrior:
    """What masks look like.

    Parameters
    ----------
    diameter : float, px
        Of a disc (ball) of the area (volume) of a typical object.
    spread : float
        Diameters lie between `diameter` / (1 + spread) and `diameter` · (1 + spread), evenly on a logarithmic scale.
    eccentricity : (float, float)
        Range; each minor axis is sqrt(1 − e²) times the major one, by default 0.66 to 0.97 times.
    coverage : tuple of float
        Shares of the area that objects cover; each mask takes one of them by chance.
    rim : bool
        Whether the outer half of an object's depth is grey, so that touching objects can be told apart.
    """

    diameter: float
    spread: float = 0.3
    eccentricity: tuple[float, float] = (0.25, 0.75)
    coverage: tuple[float, ...] = (0.25,)
    rim: bool = True


@dataclass(frozen=True)
class SyntheticMask:
    """A mask (*S) float32 of -1, 0 and 1, and the objects in it, (*S) int32."""

    image: Array
    labels: Array


@dataclass(frozen=True)
class SyntheticPair:
    """An image (*S) float32 from 0 to 1 that a network drew for a mask (*S), and the objects in it, (*S) int32."""

    image: Array
    labels: Array
    mask: Array


@dataclass(frozen=True)
class MaskExample:
    """A mask on the grid of an image, (*S) float32 of -1, 0 and 1, and a sentence on what masks are like."""

    mask: Array
    description: str


def draw_mask(prior: MaskPrior, shape: Sequence[int], rng: np.random.Generator) -> SyntheticMask:
    """Draw objects at random places until the mask is as covered as it should be; they may touch, but not overlap.

    Parameters
    ----------
    shape : sequence of int
        (Y, X) or (Z, Y, X), px. The border cuts objects.
    """
    mask = SyntheticMask(np.full(shape, BACKGROUND, np.float32), np.zeros(shape, np.int32))
    missing = float(rng.choice(prior.coverage)) * float(np.prod(shape))
    n, rejections = 0, 0
    while missing > 0 and rejections < MOST_REJECTIONS:
        axes = semi_axes(prior, len(shape), rng)
        volume = ball_volume(len(shape)) * float(np.prod(axes))
        if missing < volume and rng.random() > missing / volume:
            break
        window, inside = _ellipsoid(axes, rng.uniform(0, 1, len(shape)) * shape, shape, rng)
        labels = mask.labels[window]
        if labels[inside].any() or not inside.any():
            rejections += 1
            continue
        n, rejections = n + 1, 0
        labels[inside] = n
        mask.image[window][inside] = _shade(inside, window, shape)[inside] if prior.rim else INSIDE
        missing -= volume
    return mask


def semi_axes(prior: MaskPrior, ndim: int, rng: np.random.Generator) -> Array:
    """Draw the semi-axes (ndim,) of one object, px, the longest first."""
    diameter = prior.diameter * (1 + prior.spread) ** rng.uniform(-1, 1)
    ratios = np.sqrt(1 - rng.uniform(*prior.eccentricity, ndim - 1) ** 2)
    shape = np.concatenate([[1.0], ratios])
    axes: Array = diameter / 2 * shape / np.prod(shape) ** (1 / ndim)
    return axes


def objects_to_mask(labels: Array, *, rim: bool) -> Array:
    """Draw given objects (*S) integer as a mask (*S) float32 of -1, 0 and 1."""
    mask = np.full(labels.shape, BACKGROUND, np.float32)
    for index, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is not None:
            inside = labels[window] == index
            mask[window][inside] = _shade(inside, window, labels.shape)[inside] if rim else INSIDE
    return mask


def _ellipsoid(
    axes: Array, centre: Array, shape: Sequence[int], rng: np.random.Generator
) -> tuple[tuple[slice, ...], Array]:
    """Return a window of the mask and which of its pixels an ellipsoid in any direction holds."""
    turn = _random_rotation(len(axes), rng)
    reach = np.sqrt((turn * axes) ** 2 @ np.ones(len(axes)))
    first = np.maximum(np.floor(centre - reach), 0).astype(int)
    last = np.minimum(np.ceil(centre + reach).astype(int) + 1, shape)
    window = tuple(slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True))
    offsets = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij"), axis=-1) - centre
    inside: Array = (((offsets @ turn) / axes) ** 2).sum(-1) <= 1
    return window, inside


def _random_rotation(ndim: int, rng: np.random.Generator) -> Array:
    """Draw a rotation (ndim, ndim), every direction as likely as any other."""
    q, r = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    rotation: Array = q * np.sign(np.diag(r))
    return rotation


def _shade(inside: Array, window: tuple[slice, ...], shape: Sequence[int]) -> Array:
    """Shade an object by its depth; the border of the mask cuts it, but is no background."""
    around = [(int(s.start > 0), int(s.stop < size)) for s, size in zip(window, shape, strict=True)]
    depth = ndimage.distance_transform_edt(np.pad(inside, around))
    depth = depth[tuple(slice(before, before + n) for (before, _), n in zip(around, inside.shape, strict=True))]
    return np.where(depth < RIM_DEPTH * depth.max(), RIM, INSIDE)
