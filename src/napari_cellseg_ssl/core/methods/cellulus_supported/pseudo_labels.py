"""What two methods that need no labels find, and the pseudo-labels that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.scores import pooled_f1, sparse_score
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.pseudo_labels import FEWEST_CELLS, consensus, with_pseudo_labels

CELLULUS, CLASSICAL, CONSENSUS = "cellulus", "classical", "consensus"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What two methods that need no labels find in a frame, (Y, X) int32 each."""

    frame: Frame
    cellulus: Array
    classical: Array

    def labels(self, source: str, agreement: float) -> Annotation:
        """Take the objects of a source for labels, (1, Y, X)."""
        if source == CONSENSUS:
            cells, known = consensus(self.cellulus, self.classical, agreement)
            return Annotation(cells=cells[None], known=known[None])
        return Annotation.from_dense(self.cellulus if source == CELLULUS else self.classical)


def pseudo_labelled(proposals: Sequence[Proposal], source: str, agreement: float, diameter: float) -> tuple[Frame, ...]:
    """Take what was found for painted, fitted to and corrected by what was really painted.

    Parameters
    ----------
    source : str
        "consensus", "cellulus" or "classical".
    agreement : float
        IoU from which two objects of a consensus are one.
    diameter : float, px
        Of the objects.
    """
    painted = [Annotation(cells=one.frame.cells[None], known=one.frame.known[None]) for one in proposals]
    found = [one.labels(source, agreement) for one in proposals]
    notes = with_pseudo_labels(painted, found, [diameter] * len(painted))
    return tuple(
        replace(one.frame, cells=note.cells[0], known=note.known[0], is_dense=bool(note.known.all()))
        for one, note in zip(proposals, notes, strict=True)
        if note is not None
    )


def scores_on_painted(proposals: Sequence[Proposal]) -> dict[str, float]:
    """F1 of both methods on the painted cells, which neither has seen; empty where too few are painted to tell."""
    painted = [one for one in proposals if one.frame.has_labels]
    if sum(len(one.frame.cell_ids) for one in painted) < FEWEST_CELLS:
        return {}
    return {
        source: pooled_f1([sparse_score(one.frame.cells, one.frame.known, getattr(one, source)) for one in painted])
        for source in (CELLULUS, CLASSICAL)
    }
