"""Percentile normalisation, the same in training and prediction, stored with the model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

MAX_PIXELS = 4_000_000
"""Percentiles of larger frames come from an even sub-sample."""


@dataclass(frozen=True, kw_only=True)
class Intensity:
    """Map the `low` percentile of each channel of a frame to 0 and the `high` one to 1, without clipping.

    The statistics are those of the whole frame, never of a crop: an empty crop would blow its noise up.
    """

    low: float = 1.0
    high: float = 99.8

    def limits(self, frame: Array) -> Array:
        """Percentiles per channel of a frame (C, *S) -> (C, 2) float32."""
        sample = frame[(slice(None), *even_sample(frame.shape[1:]))].reshape(len(frame), -1)
        return np.percentile(sample.astype(np.float32), (self.low, self.high), axis=1).T.astype(np.float32)

    def normalise(self, frame: Array, limits: Array | None = None) -> Array:
        """Normalise a frame (C, *S) -> float32, a constant channel to zeros."""
        limits = self.limits(frame) if limits is None else limits
        low, high = limits.reshape(len(frame), 2, *(1,) * (frame.ndim - 1)).swapaxes(0, 1)
        span = high - low
        flat = span <= 1e-6 * np.maximum(1.0, np.abs(high))
        return np.where(flat, 0.0, (frame - low) / np.where(flat, 1.0, span)).astype(np.float32)


def even_sample(shape: Sequence[int]) -> tuple[slice, ...]:
    """Select at most about `MAX_PIXELS` px of a frame (*S), evenly."""
    step = max(1, int(np.ceil((np.prod([float(size) for size in shape]) / MAX_PIXELS) ** (1 / len(shape)))))
    return (slice(None, None, step),) * len(shape)
