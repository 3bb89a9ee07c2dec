"""Join pieces of one object that clustering has split.

Clustering cuts objects that are longer than the network sees. Whether two touching pieces are one object shows where
they meet: inside an object the embedding drifts, between two it jumps; and between two there is usually a valley in the
intensity. A logistic regression weighs this up. Its weights were fitted to the contacts of pieces in many kinds of
images at once (`benchmarks/accuracy/merging.py`); lengths count in diameters, so that no scale enters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

WEIGHTS = np.array([1.33, -3.27, -0.93, -1.97, 1.7])
"""Of the properties in the order of `contact_properties`."""
CONSTANT = 4.8
"""0.5 less than fitted: a wrong joining loses two objects, a missed one often only one."""
SHORTEST_CONTACT = 3
FAINT, NEAR = 0.02, 0.004
"""Contrast, and length in diameters, below which differences are noise."""


@dataclass(frozen=True)
class Touching:
    """Pieces and their contacts; both hold sums, so that joining adds them up.

    Parameters
    ----------
    pieces : (n, 3 + D)
        Sums over the pixels of each piece: number, contrast, squared length of the embedding, embedding.
    first, second : (m,) int
        The two pieces that meet, first < second.
    contacts : (m, 3)
        Sums over the pairs of pixels that meet: number, contrast, logarithm of the step of the embedding.
    """

    pieces: Array
    first: Array
    second: Array
    contacts: Array

    def joined(self, owner: Array) -> Touching:
        """Add up what `owner` (n,) gives to the same piece."""
        n = len(self.pieces)
        low, high = np.sort([owner[self.first], owner[self.second]], axis=0)
        apart = low < high
        pairs, which = np.unique(low[apart] * n + high[apart], return_inverse=True)
        contacts = _sums(which, self.contacts[apart].T, len(pairs))
        return Touching(_sums(owner, self.pieces.T, n), pairs // n, pairs % n, contacts)


def touching_pieces(labels: Array, embedding: Array, contrast: Array, inside: Array, *, diameter: float) -> Touching:
    """Measure the pieces of a label image and their contacts.

    Parameters
    ----------
    labels : (*S) int32
    embedding : (D, *S) float32, px
    contrast : (*S) float32
        Intensity, smoothed, minus that of the background.
    inside : (*S) bool
        Pixels that belong to objects; contacts in the halo around objects say nothing.
    diameter : float, px
        Of a typical object.
    """
    n = int(labels.max(initial=0)) + 1
    labels = np.where(inside, labels, 0)
    pixels = np.flatnonzero(labels)
    ids = labels.ravel()[pixels]
    columns = [np.ones(pixels.size), contrast.ravel()[pixels], np.zeros(pixels.size)]
    for position, offset in zip(np.unravel_index(pixels, labels.shape), embedding, strict=True):
        place = position + offset.ravel()[pixels]
        place -= place.mean() if place.size else 0
        columns[2] += place * place
        columns.append(place)
    borders = [_borders(labels, embedding, contrast, diameter, axis) for axis in range(labels.ndim)]
    pairs, contacts = (np.concatenate(part) for part in zip(*borders, strict=True))
    return Touching(_sums(ids, columns, n), pairs[:, 0], pairs[:, 1], contacts).joined(np.arange(n))


def join_pieces(labels: Array, touching: Touching, *, diameter: float, readiness: float = 0.5) -> Array:
    """Join touching pieces that look like one object; the surest first, and again until none is left.

    Parameters
    ----------
    labels : (*S) int32
    touching : Touching
        What was measured of `labels`.
    diameter : float, px
        Of a typical object.
    readiness : float
        0 joins nothing, 0.5 what is as likely as not to be one object, 1 everything that touches.

    Returns
    -------
    (*S) int32
        The same pixels, ids 1..m.
    """
    parent = np.arange(len(touching.pieces))
    while (chosen := _mutual_best(touching, diameter, readiness)).any():
        owner = np.arange(len(parent))
        owner[touching.second[chosen]] = touching.first[chosen]
        touching, parent = touching.joined(owner), owner[parent]
    new_ids = np.unique(parent, return_inverse=True)[1].astype(np.int32)
    joined: Array = new_ids[labels]
    return joined


def contact_properties(touching: Touching, diameter: float) -> Array:
    """Describe contacts, (m, 5): what the logistic regression weighs.

    Depth of the valley of intensity, distance of the pieces' mean embeddings, step of the embedding where they meet,
    size of both together, how far the embeddings of each spread.
    """
    area_a, level_a, centre_a, spread_a = _means(touching.pieces[touching.first])
    area_b, level_b, centre_b, spread_b = _means(touching.pieces[touching.second])
    number, contrast, step = touching.contacts.T
    valley = np.log((np.abs(contrast) / number + FAINT) / (np.minimum(level_a, level_b) + FAINT))
    ndim = centre_a.shape[1]
    size = np.pi / (2 * ndim) * diameter**ndim
    return np.stack(
        [
            np.clip(valley, -2, 1),
            np.sqrt(((centre_a - centre_b) ** 2).sum(axis=1)) / diameter,
            step / number,
            np.log((area_a + area_b) / size),
            np.log((spread_a + spread_b) / (2 * diameter) + NEAR),
        ],
        axis=1,
    )


def _means(pieces: Array) -> tuple[Array, Array, Array, Array]:
    """Of sums over pieces: number of pixels, size of the mean contrast, mean embedding, spread of the embedding."""
    number, contrast, squares = pieces[:, :3].T
    centre = pieces[:, 3:] / number[:, None]
    spread = np.sqrt(np.maximum(squares / number - (centre * centre).sum(axis=1), 0))
    return number, np.abs(contrast) / number, centre, spread


def _mutual_best(touching: Touching, diameter: float, readiness: float) -> Array:
    """Tell the contacts to join now, (m,) bool: likely enough, and for both pieces the likeliest of theirs."""
    score = contact_properties(touching, diameter) @ WEIGHTS + CONSTANT
    score[touching.contacts[:, 0] < SHORTEST_CONTACT] = -np.inf
    best = np.full(len(touching.pieces), -np.inf)
    for side in (touching.first, touching.second):
        np.maximum.at(best, side, score)
    with np.errstate(divide="ignore"):
        least = np.log(1 - readiness) - np.log(readiness)
    chosen: Array = (score > least) & (score == best[touching.first]) & (score == best[touching.second])
    return chosen


def _borders(labels: Array, embedding: Array, contrast: Array, diameter: float, axis: int) -> tuple[Array, Array]:
    """Pairs of pixels next to each other along an axis in two pieces: ids (p, 2) and measures (p, 3)."""
    here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
    there = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
    a, b = labels[here], labels[there]
    at = np.nonzero((a != b) & (a > 0) & (b > 0))
    change = np.stack([offset[there][at] - offset[here][at] for offset in embedding])
    change[axis] += 1
    step = np.log(np.sqrt((change * change).sum(axis=0)) / diameter + NEAR)
    between = (contrast[here][at] + contrast[there][at]) / 2
    return np.stack([a[at], b[at]], axis=1).astype(np.int64), np.stack([np.ones(step.size), between, step], axis=1)


def _sums(ids: Array, columns: Iterable[Array], n: int) -> Array:
    """Add up each column over equal ids, (n, columns)."""
    return np.stack([np.bincount(ids, column, n) for column in columns], axis=1)
