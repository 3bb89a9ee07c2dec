"""Resizing between an image's own grid and the working scale of a network."""

from collections.abc import Sequence

import numpy as np

from napari_cellseg_ssl.core.images import Array


def working_shape(shape: Sequence[int], scale: float) -> tuple[int, ...]:
    """Shape of a frame at a scale; never smaller than one pixel."""
    return tuple(max(1, round(size * scale)) for size in shape)


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
