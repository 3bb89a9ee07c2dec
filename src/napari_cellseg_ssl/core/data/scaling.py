"""Resizing between an image's own grid and the working scale of a network."""

from collections.abc import Sequence

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

FINEST = 0.7
"""Sigma, in px of the coarser of two grids, of the smoothing without which a volume shows that it was interpolated."""


def working_shape(shape: Sequence[int], scale: float, aspect: Sequence[float] = ()) -> tuple[int, ...]:
    """Shape of a frame at a scale; never smaller than one pixel.

    With `aspect`, the size of a source pixel along each axis in px of the plane, pixels of this shape are isotropic.
    """
    return tuple(
        max(1, round(size * scale * each)) for size, each in zip(shape, aspect or (1.0,) * len(shape), strict=True)
    )


def resize_linear(frame: Array, shape: Sequence[int]) -> Array:
    """Resize a frame (*S) linearly, smoothed first where it shrinks -> float32."""
    if frame.shape == tuple(shape):
        return frame.astype(np.float32, copy=False)
    from skimage.transform import resize

    shrinks = any(new < old for new, old in zip(shape, frame.shape, strict=True))
    resized: Array = resize(
        frame.astype(np.float32), tuple(shape), order=1, mode="edge", anti_aliasing=shrinks, preserve_range=True
    )
    return resized.astype(np.float32, copy=False)


def resize_image(frame: Array, shape: Sequence[int]) -> Array:
    """Bring a frame (*S) to the working scale -> float32: images linearly, volumes by smoothed cubic splines.

    Between its voxels a linearly interpolated volume has less noise than on them. Where a network is to learn positions
    without labels, this grid is easier to see than noisy objects are, so noise as fine as the voxels has to go first.
    """
    if frame.ndim == 2 or frame.shape == tuple(shape):
        return resize_linear(frame, shape)
    from scipy.ndimage import gaussian_filter, zoom

    factors = [new / old for new, old in zip(shape, frame.shape, strict=True)]
    sigmas = [0.0 if factor == 1 else FINEST / min(1.0, factor) for factor in factors]
    smooth = gaussian_filter(frame.astype(np.float32), sigmas, mode="nearest", truncate=3.0)
    resized: Array = zoom(smooth, factors, order=3, mode="nearest", grid_mode=True)
    return resized


def resize_labels(labels: Array, shape: Sequence[int]) -> Array:
    """Resize labels (*S) by nearest neighbour; pixel centres are matched, the dtype stays."""
    if labels.shape == tuple(shape):
        return labels
    index = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    ]
    resized: Array = labels[np.ix_(*index)]
    return resized
