"""Views of a tile for contrastive learning, as different as two photographs of one specimen may be.

CUPre (Liao et al., 2023, equation 3) says only that augmentation is random. The list of momentum contrast leans on
colours, which grey images do not have; turns, blur and noise are there instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.training.augment import blurred, interpolate, random_positions

SMALLEST_AREA = 0.4
"""Share of a tile's area that a view shows at least."""
CONTRAST, CONTRAST_SHARE = 0.2, 0.8
GAMMA, GAMMA_SHARE = (0.85, 1.25), 0.5
BLUR, BLUR_SHARE, REACH = (0.1, 1.0), 0.5, 3
NOISE, NOISE_SHARE = 0.05, 0.3
CHANNEL_GAIN, GREY_SHARE = 0.2, 0.2


def random_view(frame: Array, corner: Array, tile: int, side: int, rng: np.random.Generator, narrowest: float) -> Array:
    """Cut a square window out of a tile, turned by any angle and magnified to `side` px.

    Parameters
    ----------
    frame : (C, Y, X) float32
        That the tile is a part of; what a turned window shows beyond the tile is the frame's, beyond it mirrored.
    corner : (2)
        Y and X of the tile, px.
    tile, side : int, px
    narrowest : float, px
        Width of the narrowest window: with less than two objects in it there is nothing to recognise.

    Returns
    -------
    (C, side, side) float32
    """
    width = min(tile, max(narrowest, tile * np.sqrt(rng.uniform(SMALLEST_AREA, 1.0))))
    centre = np.asarray(corner) + width / 2 + rng.uniform(0, tile - width, 2)
    zoom = side / width
    positions = random_positions(rng, centre, side, zoom=(zoom, zoom), affine=1.0, elastic=0.0)
    view: Array = interpolate(frame, positions).numpy()
    return view


def random_appearance(views: Sequence[Array], rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, gamma, sharpness and noise of views (C, Y, X) by chance -> (B, C, Y, X).

    Where there are several channels, each is made brighter or darker too, and now and then they all become their mean.
    """
    images = torch.from_numpy(np.stack(views))
    count, channels = images.shape[:2]

    def drawn(low: float, high: float, share: float, usual: float, width: int = 1) -> Tensor:
        values = rng.uniform(low, high, (count, width, 1, 1))
        chosen = rng.random((count, 1, 1, 1)) < share
        return torch.from_numpy(np.where(chosen, values, usual).astype(np.float32))

    if channels > 1:
        images = images * drawn(1 - CHANNEL_GAIN, 1 + CHANNEL_GAIN, 1.0, 1.0, channels)
        greyness = drawn(1.0, 1.0, GREY_SHARE, 0.0)
        images = images + greyness * (images.mean(1, keepdim=True) - images)
    mean = images.mean((2, 3), keepdim=True)
    images = (images - mean) * drawn(1 - CONTRAST, 1 + CONTRAST, CONTRAST_SHARE, 1.0) + mean
    images = images * drawn(1 - CONTRAST, 1 + CONTRAST, CONTRAST_SHARE, 1.0)
    bounded = images.clamp(1e-3, 1)
    images = images + (bounded ** drawn(*GAMMA, GAMMA_SHARE, 1.0) - bounded)
    images = blurred(images, drawn(*BLUR, BLUR_SHARE, 0.0).flatten().numpy(), reach=REACH)
    grain = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return images + drawn(0.0, NOISE, NOISE_SHARE, 0.0) * grain
