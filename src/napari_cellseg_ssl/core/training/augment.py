"""Random views of a crop: where its pixels come from, and how bright they are.

Geometry is a field of positions in the source frame, so that crop, turn, zoom and elastic deformation are one single
interpolation of the image and one nearest-neighbour look-up of the labels.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.clean_up import separate_pieces

ELASTIC_GRID, ELASTIC_SIGMA = 32, 2.0


def orient(images: Tensor, view: int) -> Tensor:
    """Return one of the eight orientations of (..., Y, X): the bits of a view are mirror Y, mirror X, exchange."""
    code = _code(view)
    images = images.flip([-2 + axis for axis in (0, 1) if code >> axis & 1])
    return images.transpose(-1, -2) if code & 4 else images


def orient_back(images: Tensor, view: int) -> Tensor:
    """Undo `orient`."""
    code = _code(view)
    images = images.transpose(-1, -2) if code & 4 else images
    return images.flip([-2 + axis for axis in (0, 1) if code >> axis & 1])


def _code(view: int) -> int:
    """Order the views so that the first few see an object from as far apart as possible."""
    return (0, 3, 5, 6, 1, 2, 4, 7)[view]


def random_positions(
    rng: np.random.Generator,
    centre: Array,
    side: int,
    *,
    zoom: tuple[float, float] = (1.0, 1.0),
    affine: float = 0.5,
    elastic: float = 0.3,
) -> Array:
    """Draw where the pixels of a crop come from.

    Parameters
    ----------
    centre : (2) float
        Position in the frame, px, of the middle of the crop.
    side : int, px
    zoom : (smallest, largest)
        With probability `affine`, objects are magnified by a factor between these and turned by any angle; otherwise
        they keep their size and take one of the eight orientations, without interpolation.
    elastic : float
        Probability of a smooth deformation of a few px.

    Returns
    -------
    (2, side, side) float32
        Y and X in px of the frame; whole numbers when nothing but the orientation changes.
    """
    steps = np.arange(side, dtype=np.float32) - side // 2
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"))
    if rng.random() < affine:
        angle, magnification = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(*np.log(zoom)))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / magnification
        offsets = np.einsum("ij,jyx->iyx", turn, offsets)
    else:
        centre = np.round(centre)
    if rng.random() < elastic:
        offsets = offsets + _bent(rng, side)
    if rng.random() < 0.5:
        offsets = offsets[:, ::-1]
    offsets = np.rot90(offsets, int(rng.integers(4)), axes=(1, 2))
    positions: Array = (offsets + np.reshape(centre, (2, 1, 1))).astype(np.float32)
    return positions


def look_up(frame: Array, positions: Array, outside: float | None = 0) -> Array:
    """Nearest-neighbour values of a frame (Y, X) at positions (2, y, x); `outside` beyond its edge, None = mirrored."""
    y, x = np.rint(positions).astype(np.intp)
    height, width = frame.shape
    if outside is None:
        y, x = (np.minimum(at % (2 * n), 2 * n - 1 - at % (2 * n)) for at, n in ((y, height), (x, width)))
        mirrored: Array = frame[y, x]
        return mirrored
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    found: Array = np.where(inside, frame[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)], outside)
    return found.astype(frame.dtype)


def look_up_cells(frame: Array, positions: Array) -> Array:
    """Ids of a frame (Y, X) at positions (2, y, x), mirrored beyond its edge, where each copy of a cell is another.

    With the id of its cell a copy would add to the cell's size, and where it is cut by the crop's edge the cell would
    seem to be. What meets its copy at the frame's edge stays one, since nothing in the pixels parts the two.
    """
    cells = look_up(frame, positions, None)
    last = np.reshape(frame.shape, (2, 1, 1)) - 1
    at = np.rint(positions)
    is_mirrored = bool(((at < 0) | (at > last)).any())
    return separate_pieces(cells, int(frame.max())) if is_mirrored else cells


def interpolate(frame: Array, positions: Array) -> Tensor:
    """Linear values of a frame (C, Y, X) at positions (2, y, x), mirrored beyond its edge -> (C, y, x)."""
    height, width = frame.shape[1:]
    y, x = torch.from_numpy(positions)
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    pixels = torch.from_numpy(frame)[None]
    return functional.grid_sample(pixels, grid[None], padding_mode="reflection", align_corners=False)[0]


def random_intensity(crops: Tensor, rng: np.random.Generator, strength: float = 1.0) -> Tensor:
    """Change gain, contrast, gamma, sharpness and noise of each crop (B, C, Y, X) by chance; never its labels.

    Nothing is clipped except for the gamma, which needs values from 0 to 1. `strength` 1 is for the labelled crops
    and the student of ACTIS alike (section 4 of the paper names the transformations).
    """

    def uniform(low: float, high: float) -> Tensor:
        factors = 1 + strength * (rng.uniform(low, high, (len(crops), 1, 1, 1)) - 1)
        return torch.from_numpy(factors.astype(np.float32))

    mean = crops.mean((2, 3), keepdim=True)
    crops = (crops - mean) * uniform(0.6, 1.4) + mean
    bounded = crops.clamp(1e-3, 1)
    crops = crops + torch.from_numpy(_chosen(rng, len(crops))) * (bounded ** uniform(0.7, 1.4) - bounded)
    crops = blurred(crops * uniform(0.6, 1.4), strength * rng.uniform(0, 1, len(crops)), reach=2)
    noise = strength * rng.uniform(0, 0.2, (len(crops), 1, 1, 1)) * _chosen(rng, len(crops))
    grain = rng.standard_normal(crops.shape, dtype=np.float32)
    return crops + torch.from_numpy(noise.astype(np.float32) * grain)


def _chosen(rng: np.random.Generator, count: int) -> Array:
    return (rng.random((count, 1, 1, 1)) < 0.5).astype(np.float32)


def blurred(crops: Tensor, sigmas: Array, *, reach: int) -> Tensor:
    """Smooth each crop (B, C, Y, X) with its own Gaussian, which is cut off beyond `reach` px."""
    taps = np.arange(-reach, reach + 1)
    kernels = np.exp(-0.5 * (taps / np.maximum(sigmas, 1e-2)[:, None]) ** 2)
    kernels = (kernels / kernels.sum(1, keepdims=True)).astype(np.float32)
    channels = crops.shape[1]
    weights = torch.from_numpy(kernels).repeat_interleave(channels, 0)[:, None, None]
    flat = functional.pad(crops.reshape(1, -1, *crops.shape[2:]), (reach,) * 4, mode="reflect")
    flat = functional.conv2d(flat, weights, groups=len(weights))
    flat = functional.conv2d(flat, weights.transpose(2, 3), groups=len(weights))
    return flat.reshape(crops.shape)


def _bent(rng: np.random.Generator, side: int) -> Array:
    """Draw a smooth deformation (2, side, side), px."""
    knots = side // ELASTIC_GRID + 3
    coarse = rng.normal(0, ELASTIC_SIGMA, (2, knots, knots))
    return np.stack([_enlarge(field, side) for field in coarse])


def _enlarge(coarse: Array, side: int) -> Array:
    smooth: Array = ndimage.zoom(coarse, (side + ELASTIC_GRID) / len(coarse), order=1)[:side, :side]
    return smooth
