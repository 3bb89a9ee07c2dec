"""Labels that nobody painted: what other methods found, fitted to what was painted and corrected by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.matching import match_instances
from napari_cellseg_ssl.core.metrics.scores import sparse_score
from napari_cellseg_ssl.core.segmentation.boundaries import neighbour_pairs
from napari_cellseg_ssl.core.training import messages

AGREEMENT = 0.6
"""IoU from which two objects of different methods are the same."""
GROWTHS = (0, -1, 1, -2, 2)
"""By which outlines may be wrong, in steps: methods without labels disagree with people by a pixel or two."""
STEPS_PER_DIAMETER = 16
FEWEST_CELLS = 4
"""Painted ones, from which on they can tell how good something is."""
SAME_CELL, SAME_OUTLINE = 0.3, 0.85
"""IoU from which a painted cell and a found object are the same, however wrong the outline, and from which the outline
is the same: such a cell was probably accepted, not painted, and says nothing of how outlines are wrong."""


class Known(Protocol):
    """Cells, and where they may be believed."""

    @property
    def cells(self) -> Array:
        """One id per cell, 0 = no cell."""

    @property
    def known(self) -> Array:
        """Where `cells` may be believed, its zeros included."""


def consensus(first: Array, second: Array, agreement: float = AGREEMENT) -> tuple[Array, Array]:
    """Keep what two segmentations agree on.

    Parameters
    ----------
    first, second : (*S) integer
    agreement : float, 0.5 to 1
        IoU above which two objects are the same; the outline is that of `second`.

    Returns
    -------
    cells : (*S) int32
    known : (*S) bool
        The objects that both found, and what both call background.
    """
    same = match_instances(first, second, agreement)
    cells = np.where(np.isin(second, same.prediction_ids), second, 0).astype(np.int32)
    return cells, (cells > 0) | ((first == 0) & (second == 0))


def agreed(first: Array, second: Array) -> Annotation:
    """Keep what two segmentations (N, *S) agree on, frame by frame.

    Raises
    ------
    WrongAnnotation
        If their shapes differ.
    """
    _check_same_shape(first, second)
    cells, known = zip(*(consensus(a, b) for a, b in zip(first, second, strict=True)), strict=True)
    return Annotation(cells=np.stack(cells), known=np.stack(known))


def corrected(cells: Array, known: Array, painted: Known) -> tuple[Array, Array]:
    """Put what was painted in the place of what was found.

    Objects that a painted cell touches, or of which more than half is painted over with background, become unknown;
    then painted cells and painted background are copied.

    Parameters
    ----------
    cells : (*S) integer
    known : (*S) bool
    painted : Known

    Returns
    -------
    cells : (*S) int32
    known : (*S) bool
    """
    sizes = np.bincount(cells.ravel())
    ground = np.bincount(cells[painted.known & (painted.cells == 0)], minlength=sizes.size)
    wrong = 2 * ground > sizes
    wrong[cells[painted.known & (painted.cells > 0)]] = True
    wrong[0] = False
    is_wrong = wrong[cells]
    new_ids = np.where(painted.cells > 0, painted.cells.astype(np.int64) + sizes.size, 0)
    known = painted.known | (known & ~is_wrong)
    cells = np.where(painted.known, new_ids, np.where(is_wrong, 0, cells))
    return cells.astype(np.int32), known


def with_pseudo_labels(
    painted: Sequence[Annotation | None], found: Sequence[Annotation | None], diameters: Sequence[float]
) -> tuple[Annotation | None, ...]:
    """Complete what is painted by what was found.

    Parameters
    ----------
    painted, found : sequences of Annotation or None
        Per image, (N, *S).
    diameters : sequence of float, px
        Of the objects, per image.

    Returns
    -------
    tuple of Annotation or None
        `pseudo` says which pixels nobody painted.

    Raises
    ------
    WrongAnnotation
        If the shapes differ.
    """
    growth = best_growth(painted, found, diameters)
    return tuple(
        note if guess is None else _completed(note, guess, growth * _step(diameter))
        for note, guess, diameter in zip(painted, found, diameters, strict=True)
    )


def best_growth(
    painted: Sequence[Annotation | None], found: Sequence[Annotation | None], diameters: Sequence[float]
) -> int:
    """Return by how many steps found objects have to grow to fit the painted cells best.

    0 where these are too few, or where they contradict each other: the gain has to exceed its standard error.
    """
    overlaps = [
        overlap
        for note, guess, diameter in zip(painted, found, diameters, strict=True)
        if note is not None and guess is not None
        for overlap in _overlaps(note.cells, guess.cells, diameter)
    ]
    if len(overlaps) < FEWEST_CELLS:
        return 0
    table = np.stack(overlaps)
    gains = table - table[:, :1]
    mean, error = gains.mean(axis=0), gains.std(axis=0) / len(gains) ** 0.5
    return GROWTHS[int(np.argmax(np.where(mean > error, mean, 0.0)))]


def _step(diameter: float) -> int:
    """By how many px outlines are moved at least: whole ones, since less moves nothing."""
    return max(1, round(diameter / STEPS_PER_DIAMETER))


def grown(labels: Array, by: float) -> Array:
    """Let objects (*S) grow by so many px where there is room, or shrink if negative."""
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import expand_labels

    if by >= 0:
        wider: Array = expand_labels(labels, by)
        return wider
    border = np.zeros(labels.shape, bool)
    for before, after in neighbour_pairs(labels.ndim):
        differ = labels[before] != labels[after]
        border[before] |= differ
        border[after] |= differ
    return np.where(distance_transform_edt(~border) + 1 > -by, labels, 0) if border.any() else labels


def _check_same_shape(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise messages.labels_and_results_differ(first.shape, second.shape)


def _completed(painted: Annotation | None, found: Annotation, growth: float) -> Annotation:
    nothing = np.zeros(found.cells.shape, np.int32)
    painted = painted or Annotation(cells=nothing, known=nothing.astype(bool))
    _check_same_shape(painted.cells, found.cells)
    frames = []
    for index, (cells, known) in enumerate(zip(found.cells, found.known, strict=True)):
        fitted = grown(cells, growth) if growth else cells
        frame = Annotation(cells=painted.cells[index], known=painted.known[index])
        frames.append(corrected(fitted, known | (fitted > 0), frame))
    cells, known = (np.stack(part) for part in zip(*frames, strict=True))
    return Annotation(cells=cells, known=known, pseudo=known & ~painted.known)


def _overlaps(painted: Array, found: Array, diameter: float) -> list[Array]:
    """IoU of each painted cell with the object that was found there, for every growth; labels are (N, *S)."""
    _check_same_shape(painted, found)
    rows: list[Array] = []
    for cells, objects in zip(painted, found, strict=True):
        if cells.any() and objects.any():
            wider = (grown(objects, growth * _step(diameter)) for growth in GROWTHS)
            table = np.stack([sparse_score(cells, cells > 0, one).best_iou for one in wider], axis=1)
            rows += list(table[(table[:, 0] >= SAME_CELL) & (table[:, 0] < SAME_OUTLINE)])
    return rows
