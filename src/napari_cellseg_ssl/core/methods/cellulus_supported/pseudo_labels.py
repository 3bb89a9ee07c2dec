"""What two methods that need no labels find, and the pseudo-labels that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.learning.frames import Frame
from napari_cellseg_ssl.core.learning.pseudo_labels import FEWEST_CELLS, consensus, corrected
from napari_cellseg_ssl.core.metrics import pooled_f1, sparse_score

CELLULUS, CLASSICAL, CONSENSUS = "cellulus", "classical", "consensus"


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


def scores_on_painted(proposals: Sequence[Proposal]) -> dict[str, float]:
    """F1 of both methods on the painted cells, which neither has seen; empty where too few are painted to tell."""
    painted = [one for one in proposals if one.frame.has_labels]
    if sum(len(one.frame.cell_ids) for one in painted) < FEWEST_CELLS:
        return {}
    return {
        source: pooled_f1([sparse_score(one.frame.cells, one.frame.known, getattr(one, source)) for one in painted])
        for source in (CELLULUS, CLASSICAL)
    }
