"""Join pieces of one object that clustering has split, where the embeddings run on from one piece to the next."""

from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.images import Array

SHORTEST_CONTACT = 3
SMOOTH_STEP = 1.3
LARGEST_JOINED = 1.35

Index = tuple[slice, ...]


@dataclass(frozen=True)
class Contacts:
    """Pairs of touching pieces: ids, length of the contact, how the embeddings differ.

    `step` is the median over the contact of the distance (px) between the embeddings of two adjacent pixels;
    `apart` the distance (px) between the mean embeddings of the pieces.
    """

    first: Array
    second: Array
    length: Array
    step: Array
    apart: Array


def join_pieces(labels: Array, embedding: Array, inside: Array, *, diameter: float, smoothness: float = 0.5) -> Array:
    """Join touching pieces across which the embeddings change little.

    At the border of two objects the embedding jumps from one reference point to the other, by as much as these lie
    apart. Inside one object that is longer than the network's field of view, it drifts: the pieces that clustering
    cuts it into meet without a jump. Nearly continuous contacts are joined always, less certain ones only while the
    result stays near the size of a typical object. Most continuous contacts first.

    Parameters
    ----------
    labels : (*S) int32
    embedding : (D, *S) float32, px
    inside : (*S) bool
        Pixels that belong to objects; contacts in the halo around objects say nothing.
    diameter : float, px
        Of a typical object.
    smoothness : float
        Largest step, as a share of the distance of the pieces' reference points; 0 joins nothing.

    Returns
    -------
    (*S) int32
        The same pixels, ids 1..m.
    """
    contacts = _contacts(labels, embedding, inside)
    areas = np.bincount(labels[inside], minlength=int(labels.max(initial=0)) + 1).astype(float)
    root = np.arange(len(areas))
    ratio = contacts.step / np.maximum(contacts.apart, 1e-6)
    largest = (LARGEST_JOINED * diameter) ** labels.ndim
    for i in np.argsort(ratio, kind="stable"):
        if contacts.length[i] < SHORTEST_CONTACT or ratio[i] >= smoothness:
            continue
        a, b = _find(root, contacts.first[i]), _find(root, contacts.second[i])
        joined = areas[a] + areas[b]
        if a != b and (contacts.step[i] < SMOOTH_STEP or joined <= _ball(largest, labels.ndim)):
            root[b] = a
            areas[a] = joined
    _, new_ids = np.unique([_find(root, i) for i in range(len(root))], return_inverse=True)
    joined_labels: Array = new_ids.astype(np.int32)[labels]
    return joined_labels


def _ball(diameter_power: float, ndim: int) -> float:
    return diameter_power * (np.pi / 4 if ndim == 2 else np.pi / 6)


def _find(root: Array, i: int) -> int:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return int(i)


def _contacts(labels: Array, embedding: Array, inside: Array) -> Contacts:
    n = int(labels.max(initial=0)) + 1
    keys, steps = [], []
    for axis in range(labels.ndim):
        here: Index = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
        there: Index = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
        a, b = labels[here], labels[there]
        border = np.nonzero((a != b) & (a > 0) & (b > 0) & inside[here] & inside[there])
        a, b = a[border].astype(np.int64), b[border].astype(np.int64)
        change = np.stack([offset[there][border] - offset[here][border] for offset in embedding])
        change[axis] += 1
        keys.append(np.minimum(a, b) * n + np.maximum(a, b))
        steps.append(np.sqrt((change**2).sum(axis=0)))
    key, step = np.concatenate(keys), np.concatenate(steps)
    order = np.lexsort((step, key))
    key, step = key[order], step[order]
    pairs, start, length = np.unique(key, return_index=True, return_counts=True)
    first, second = pairs // n, pairs % n
    centres = _mean_embeddings(labels, embedding, n)
    apart = np.sqrt(((centres[first] - centres[second]) ** 2).sum(axis=1))
    return Contacts(first, second, length, step[start + length // 2], apart)


def _mean_embeddings(labels: Array, embedding: Array, n: int) -> Array:
    flat = labels.ravel()
    counts = np.maximum(np.bincount(flat, minlength=n), 1)
    means = []
    for axis, offset in enumerate(embedding):
        position = np.arange(labels.shape[axis]).reshape([-1 if a == axis else 1 for a in range(labels.ndim)])
        means.append(np.bincount(flat, (offset + position).ravel(), n) / counts)
    return np.stack(means, axis=1)
