"""Join pieces of one object that no neck parts: an elongated or bent object has several centres, but is one."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs


def join_across_wide_necks(pieces: Array, depth: Array, *, widest: float) -> Array:
    """Join touching pieces whose contact is nearly as wide as the narrower of the two. Widest contacts first.

    Parameters
    ----------
    pieces : (*S) int32
        0 = background, ids from 1, with gaps or without.
    depth : (*S) float
        Distance to the background.
    widest : float
        Contacts are necks, and stay cut, while their depth is less than this share of the shallower piece's depth.

    Returns
    -------
    (*S) int32
        The same pixels; joined pieces share one of their ids.
    """
    n = int(pieces.max(initial=0)) + 1
    deepest = np.zeros(n, dtype=depth.dtype)
    inside = pieces > 0
    np.maximum.at(deepest, pieces[inside], depth[inside])
    first, second, neck = _contacts(pieces, depth, n)
    joined_to = np.arange(n, dtype=np.int32)
    for i in np.argsort(-neck / np.minimum(deepest[first], deepest[second]), kind="stable"):
        a, b = joined_to[first[i]], joined_to[second[i]]
        if a != b and neck[i] >= widest * min(deepest[a], deepest[b]):
            joined_to[joined_to == b] = a
            deepest[a] = max(deepest[a], deepest[b])
    joined: Array = joined_to[pieces]
    return joined


def _contacts(pieces: Array, depth: Array, n: int) -> tuple[Array, Array, Array]:
    """Return the ids of the pairs of touching pieces and the depth of their contact where it is deepest."""
    keys, necks = [], []
    for before, after in neighbour_pairs(pieces.ndim):
        a, b = pieces[before], pieces[after]
        where = np.nonzero((a != b) & (a > 0) & (b > 0))
        low, high = np.minimum(a[where], b[where]), np.maximum(a[where], b[where])
        keys.append(low.astype(np.int64) * n + high)
        necks.append(np.minimum(depth[before][where], depth[after][where]))
    pairs, pair = np.unique(np.concatenate(keys), return_inverse=True)
    neck = np.zeros(len(pairs), dtype=depth.dtype)
    np.maximum.at(neck, pair.ravel(), np.concatenate(necks))
    return pairs // n, pairs % n, neck
