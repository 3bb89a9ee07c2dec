"""More edges and contacts than were painted: copies of painted cells are pasted beside others and onto background.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021, but side
by side instead of anywhere, since what few labels lack is contacts. Beyond the edge of a cell that was painted without
background nothing is known, so only a copy on painted background shows both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge

SHARPEST, SOFTEST = 0.5, 1.5
"""Sigma, px, of the blur of the pasted edge."""
CLOSEST, FARTHEST = 0.25, -0.05
"""By how much the pasted cell reaches over the other one, as a share of its width; below 0 is a gap."""
ON_BACKGROUND = 0.5
"""Probability of a place on painted background instead of one beside a cell, where there are both."""


@dataclass(frozen=True, kw_only=True)
class LabelledCrop:
    """Pixels and what is known of them.

    Parameters
    ----------
    pixels : (C, Y, X) float32
    cells : (Y, X) integer
    known : (Y, X) bool
    exact : bool
        Whether cells end where `cells` does: somebody painted them.
    """

    pixels: Array
    cells: Array
    known: Array
    exact: bool = True

    @property
    def cell_ids(self) -> Array:
        """Ids of the cells, those cut by the edge included."""
        ids = np.unique(self.cells)
        return ids[ids > 0]


def paste_cell(crop: LabelledCrop, source: LabelledCrop, whole: Array, rng: np.random.Generator) -> LabelledCrop:
    """Paste a cell of one crop into another of the same size: beside a cell, from any side, or over background.

    Brightness moves part of the way to that of the neighbour. The pasted cell lies on top, its edge blurred into what
    surrounds it; nothing else of `source` is copied, since it may be unknown. Without a cell or a place, nothing
    happens.

    Parameters
    ----------
    whole : (n) integer
        Ids of the cells of `source` that may be pasted; those that its edge cuts are not.
    """
    candidates = np.setdiff1d(np.intersect1d(source.cell_ids, whole), ids_at_edge(source.cells))
    background = np.argwhere(crop.known & (crop.cells == 0))
    others = crop.cell_ids
    if len(candidates) == 0 or len(background) + len(others) == 0:
        return crop
    new = source.cells == rng.choice(candidates)
    points = np.argwhere(new)
    if len(others) == 0 or (len(background) and rng.random() < ON_BACKGROUND):
        shift = background[rng.integers(len(background))] - points[rng.integers(len(points))]
        level = np.zeros(len(crop.pixels))
    else:
        other = crop.cells == rng.choice(others)
        shift = _shift_beside(points, np.argwhere(other), rng)
        level = rng.uniform() * (crop.pixels[:, other].mean(1) - source.pixels[:, new].mean(1))
    mask = _shifted(new, shift)
    sigma = rng.uniform(SHARPEST, SOFTEST)
    alpha = _blur(mask, sigma)
    inside = np.stack([_blur(channel * mask, sigma) for channel in _shifted(source.pixels, shift)])
    pixels = crop.pixels * (1 - alpha) + inside + alpha * level[:, None, None]
    return replace(
        crop,
        pixels=pixels.astype(np.float32),
        cells=np.where(mask, crop.cells.max() + 1, crop.cells),
        known=crop.known | mask,
    )


def _blur(frame: Array, sigma: float) -> Array:
    blurred: Array = ndimage.gaussian_filter(frame.astype(np.float32), sigma, truncate=3.0)
    return blurred


def _shift_beside(new: Array, other: Array, rng: np.random.Generator) -> Array:
    """Find by how much the points `new` (n, 2) move to lie beside `other` (m, 2) in a random direction; whole px."""
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.sin(angle), np.cos(angle)])
    along = new @ direction
    between = other.mean(0) - new.mean(0)
    apart = (other @ direction).max() - along.min() - rng.uniform(FARTHEST, CLOSEST) * np.ptp(along)
    shift: Array = np.round(between + (apart - between @ direction) * direction).astype(int)
    return shift


def _shifted(frame: Array, shift: Array) -> Array:
    """Move (..., Y, X) by whole px; what comes in is 0."""
    moved = np.zeros_like(frame)
    (height, width), (dy, dx) = frame.shape[-2:], shift
    if abs(dy) < height and abs(dx) < width:
        to = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
        of = (slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx)))
        moved[(..., *to)] = frame[(..., *of)]
    return moved
