"""Tidy label images: small objects, loose pieces, holes, numbering. Arrays in, new arrays out, 2D and 3D."""

import numpy as np
from scipy import ndimage
from skimage.measure import label as label_regions

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import neighbour_pairs


def relabel_sequential(labels: Array) -> Array:
    """Renumber the objects 1..n in order of their first pixel.

    Parameters
    ----------
    labels : (*S) integer
        0 = background; ids from 0, with gaps or without.

    Returns
    -------
    (*S) int32
    """
    flat = labels.ravel()
    if flat.size == 0:
        return labels.astype(np.int32)
    if int(flat.max()) > 4 * flat.size + 1024:  # a table of ids would be larger than the image
        flat = np.unique(flat, return_inverse=True)[1].reshape(-1) + (0 if flat.min() == 0 else 1)
    first = np.full(int(flat.max()) + 1, flat.size)
    first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)  # the last write wins, so each id keeps its first pixel
    first[0] = -1
    order = np.argsort(first, kind="stable")
    order = order[first[order] < flat.size]
    new_ids = np.zeros(first.size, dtype=np.int32)
    new_ids[order] = np.arange(order.size, dtype=np.int32)
    return new_ids[flat].reshape(labels.shape)


def remove_small(labels: Array, min_size: float) -> Array:
    """Delete objects of fewer than `min_size` pixels; the others keep their ids."""
    if min_size <= 1 or labels.size == 0:
        return labels.copy()
    sizes = np.bincount(labels.ravel())
    kept = np.where(sizes < min_size, 0, np.arange(sizes.size)).astype(labels.dtype)
    return kept[labels]


def ids_at_edge(labels: Array) -> Array:
    """Ids of the objects that reach the edge of the image (*S), sorted; 0 may be among them."""
    faces = [labels.take(end, axis).ravel() for axis in range(labels.ndim) for end in (0, -1)]
    ids: Array = np.unique(np.concatenate(faces))
    return ids


def keep_largest_pieces(labels: Array) -> Array:
    """Keep the largest connected piece of each object and delete the others.

    Pieces are connected through faces; of two equal ones the first stays.
    """
    pieces, owner, size = _pieces(labels)
    # Sorted by object, then by falling size: the first of each object stays.
    order = np.lexsort((-size, owner))
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = owner[order][1:] != owner[order][:-1]
    kept = np.zeros_like(owner)
    kept[order[is_first]] = owner[order[is_first]]
    return kept[pieces].astype(labels.dtype)


def keep_seeded_pieces(labels: Array, seeds: Array) -> Array:
    """Keep the connected pieces of each object that hold one of its own seeds.

    Parameters
    ----------
    labels, seeds : (*S) integer
        A seed carries the id of its object.
    """
    pieces, owner, _ = _pieces(labels)
    seeded = np.zeros_like(owner)
    own = (seeds > 0) & (seeds == labels)
    seeded[pieces[own]] = labels[own]
    return seeded[pieces].astype(labels.dtype)


def fill_holes(labels: Array) -> Array:
    """Fill background that one single object encloses; a gap between two objects stays open."""
    holes, n_holes = _holes(labels == 0)
    if n_holes == 0:
        return labels.copy()
    lowest = np.full(n_holes + 1, np.iinfo(np.int64).max)
    highest = np.zeros(n_holes + 1, dtype=np.int64)
    for first, second in neighbour_pairs(labels.ndim):
        for here, there in ((first, second), (second, first)):
            touching = (holes[here] > 0) & (labels[there] > 0)
            hole, cell = holes[here][touching], labels[there][touching]
            np.minimum.at(lowest, hole, cell)
            np.maximum.at(highest, hole, cell)
    filling = np.where(lowest == highest, highest, 0).astype(labels.dtype)
    filling[0] = 0
    return np.where(holes > 0, filling[holes], labels)


def fill_mask(mask: Array) -> Array:
    """Fill background (*S) bool that does not reach the image's edge; neighbours are those through faces."""
    filled: Array = mask | (_holes(~mask)[0] > 0)
    return filled


def clean_up(labels: Array, *, min_size: float = 0.0, fill: bool = True) -> Array:
    """Make presentable instances: one filled piece per object, none too small, ids 1..n by first pixel.

    Parameters
    ----------
    labels : (*S) integer
    min_size : float, px
        Smaller objects are deleted; area in 2D, volume in 3D.

    Returns
    -------
    (*S) int32
    """
    labels = keep_largest_pieces(labels)
    if fill:
        labels = fill_holes(labels)
    return relabel_sequential(remove_small(labels, min_size))


def _pieces(labels: Array) -> tuple[Array, Array, Array]:
    """Return connected pieces of equal id (*S), and per piece its object's id and its size; piece 0 is background."""
    pieces = label_regions(labels, background=0, connectivity=1)
    size = np.bincount(pieces.ravel(), minlength=1)
    owner = np.zeros(size.size, dtype=np.int64)
    owner[pieces.ravel()] = labels.ravel()
    owner[0] = 0
    return pieces, owner, size


def _holes(background: Array) -> tuple[Array, int]:
    """Number the parts of the background that do not reach the image's edge; (*S) int and the highest number."""
    holes, n_parts = ndimage.label(background)
    is_hole = np.ones(n_parts + 1, dtype=bool)
    is_hole[0] = False
    for axis in range(background.ndim):
        for edge in (0, -1):
            is_hole[np.take(holes, edge, axis=axis)] = False
    return np.where(is_hole[holes], holes, 0), n_parts if is_hole.any() else 0
