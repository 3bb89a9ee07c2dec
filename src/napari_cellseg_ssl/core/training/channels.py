"""One channel out of several."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array


def main_mixture(crops: Array) -> Array:
    """Weights (C,) of the channel mixture that varies most in crops (B, C, *S), its sum positive and of size 1."""
    channels = crops.shape[1]
    if channels == 1:
        return np.ones(1)
    values = crops.swapaxes(0, 1).reshape(channels, -1)
    main = np.linalg.eigh(np.cov(values))[1][:, -1]
    main = main if main.sum() >= 0 else -main
    weights: Array = main / np.abs(main).sum()
    return weights
