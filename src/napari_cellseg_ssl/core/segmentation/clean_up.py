"""Tidy label images: small objects, loose pieces, holes, numbering. Arrays in, new arrays out, 2D and 3D."""

import numpy as np
from scipy import ndimage
from skimage.measure import label as label_regions

from napari_cellseg_ssl.core.data.images import Array


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
    order, is_first = _largest_first(owner, size)
    kept = np.zeros_like(owner)
    kept[order[is_first]] = owner[order[is_first]]
    return kept[pieces].astype(labels.dtype)


def separate_pieces(labels: Array, highest: int) -> Array:
    """Give each connected piece of an object an id of its own; the largest keeps the object's, of equal ones the first.

    Diagonal neighbours belong together.

    Parameters
    ----------
    labels : (*S) integer
    highest : int
        New ids begin above it; not less than the highest of `labels`.
    """
    pieces, owner, size = _pieces(labels, connectivity=labels.ndim)
    order, is_first = _largest_first(owner, size)
    new_ids = owner.copy()
    further = order[~is_first]
    new_ids[further] = highest + 1 + np.arange(further.size)
    return new_ids[pieces].astype(labels.dtype)


def fill_holes(labels: Array) -> Array:
    """Fill background that one single object encloses; a gap between two objects stays open."""
    parts, is_hole = _holes(labels == 0)
    filled = labels.copy()
    flat = filled.ravel()
    pixels = np.flatnonzero(is_hole[parts])
    hole = parts.ravel()[pixels]
    lowest = np.full(is_hole.size, np.iinfo(np.int64).max)
    highest = np.zeros(is_hole.size, dtype=np.int64)
    for stride in np.array(filled.strides) // filled.itemsize:
        for side in (-stride, stride):  # never beyond the image: there, it would be no hole
            cell = flat[pixels + side]
            np.minimum.at(lowest, hole[cell > 0], cell[cell > 0])
            np.maximum.at(highest, hole, cell)
    flat[pixels] = np.where(lowest == highest, highest, 0)[hole]
    return filled


def fill_mask(mask: Array) -> Array:
    """Fill background (*S) bool that does not reach the image's edge; neighbours are those through faces."""
    parts, is_hole = _holes(~mask)
    filled: Array = mask | is_hole[parts]
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


def _pieces(labels: Array, connectivity: int = 1) -> tuple[Array, Array, Array]:
    """Return connected pieces of equal id (*S), and per piece its object's id and its size; piece 0 is background."""
    pieces = label_regions(labels, background=0, connectivity=connectivity)
    size = np.bincount(pieces.ravel(), minlength=1)
    owner = np.zeros(size.size, dtype=np.int64)
    owner[pieces.ravel()] = labels.ravel()
    owner[0] = 0
    return pieces, owner, size


def _largest_first(owner: Array, size: Array) -> tuple[Array, Array]:
    """Sort pieces by object, then by falling size; return the order, and which is the first of its object."""
    order = np.lexsort((-size, owner))
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = owner[order][1:] != owner[order][:-1]
    return order, is_first


def _holes(background: Array) -> tuple[Array, Array]:
    """Number the parts of the background, (*S) int, and say which do not reach the image's edge, (parts + 1) bool."""
    parts, n_parts = ndimage.label(background)
    is_hole = np.ones(n_parts + 1, dtype=bool)
    is_hole[0] = False
    is_hole[ids_at_edge(parts)] = False
    return parts, is_hole
