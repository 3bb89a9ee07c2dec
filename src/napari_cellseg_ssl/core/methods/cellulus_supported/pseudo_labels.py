"""Labels that nobody painted: objects found without labels, corrected by what was painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.learning.frames import Frame
from napari_cellseg_ssl.core.matching import match_instances
from napari_cellseg_ssl.core.metrics import pooled_f1, sparse_score

CELLULUS, CLASSICAL, CONSENSUS = "cellulus", "classical", "consensus"
FEWEST_CELLS = 4
"""Painted ones, from which on they can tell how good something is."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What two methods that need no labels find in a frame, (Y, X) int32 each."""

    frame: Frame
    cellulus: Array
    classical: Array

    def labelled(self, source: str, agreement: float) -> Frame:
        """Take the objects of a source for painted, then correct them by what was really painted."""
        if source == CONSENSUS:
            cells, known = consensus(self.cellulus, self.classical, agreement)
        else:
            cells = self.cellulus if source == CELLULUS else self.classical
            known = np.ones(cells.shape, bool)
        cells, known = corrected(cells, known, self.frame)
        return replace(self.frame, cells=cells, known=known, is_dense=bool(known.all()))


def consensus(first: Array, second: Array, agreement: float) -> tuple[Array, Array]:
    """Keep what two segmentations agree on.

    Parameters
    ----------
    first, second : (Y, X) integer
    agreement : float, 0.5 to 1
        IoU above which two objects are the same; the outline is that of `second`.

    Returns
    -------
    cells : (Y, X) int32
    known : (Y, X) bool
        The objects that both found, and what both call background.
    """
    same = match_instances(first, second, agreement)
    cells = np.where(np.isin(second, same.prediction_ids), second, 0).astype(np.int32)
    return cells, (cells > 0) | ((first == 0) & (second == 0))


def corrected(cells: Array, known: Array, painted: Frame) -> tuple[Array, Array]:
    """Put what was painted in the place of what was found.

    Objects that a painted cell touches, or of which more than half is painted over with background, become unknown;
    then painted cells and painted background are copied.

    Parameters
    ----------
    cells : (Y, X) integer
    known : (Y, X) bool
    painted : Frame

    Returns
    -------
    cells : (Y, X) int32
    known : (Y, X) bool
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


def scores_on_painted(proposals: Sequence[Proposal]) -> dict[str, float]:
    """F1 of both methods on the painted cells, which neither has seen; empty where too few are painted to tell."""
    painted = [one for one in proposals if one.frame.has_labels]
    if sum(len(one.frame.cell_ids) for one in painted) < FEWEST_CELLS:
        return {}
    return {
        source: pooled_f1([sparse_score(one.frame.cells, one.frame.known, getattr(one, source)) for one in painted])
        for source in (CELLULUS, CLASSICAL)
    }
