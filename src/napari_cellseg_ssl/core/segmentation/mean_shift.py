"""Mean-shift clustering of embeddings as the reference implementation of Cellulus uses it: slow, and random."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

KEPT_SHARE = 0.1


def mean_shift(embedding: Array, foreground: Array, *, bandwidth: float, seed: int = 0) -> Array:
    """Group pixels by scikit-learn's MeanShift (flat kernel).

    A tenth of the foreground pixels, drawn by chance, are both the data and the seeds; every foreground pixel
    then joins the nearest centre.

    Parameters
    ----------
    embedding : (D, *S) float32, px
        Offset from each pixel to its object's reference point; D = len(S).
    foreground : (*S) bool
    bandwidth : float, px
        Radius of the kernel.

    Returns
    -------
    (*S) int32
        0 outside `foreground`, else 1..n.
    """
    from sklearn.cluster import MeanShift

    labels = np.zeros(foreground.shape, np.int32)
    places = np.stack(np.nonzero(foreground), axis=1) + embedding[:, foreground].T
    if len(places) == 0:
        return labels
    drawn = np.random.default_rng(seed).random(len(places)) < KEPT_SHARE
    sample = places[drawn] if drawn.any() else places
    labels[foreground] = MeanShift(bandwidth=bandwidth, cluster_all=True).fit(sample).predict(places) + 1
    return labels
