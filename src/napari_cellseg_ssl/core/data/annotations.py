"""What a person painted: cells, and where the painting may be believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.images import Array

BACKGROUND_ID = 1
Box = tuple[tuple[int, int], ...]
"""A rectangle: (start, stop) in px per spatial axis."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Painted cells and the pixels about which something is known.

    Parameters
    ----------
    cells : (N, *S) int32
        One id per cell, 0 = no cell.
    known : (N, *S) bool
        Where `cells` may be believed, its zeros included.
    pseudo : (N, *S) bool, optional
        Which of the known pixels a method labelled and nobody painted; they are learned from, never validated on.
    """

    cells: Array
    known: Array
    pseudo: Array | None = None

    @classmethod
    def from_painting(
        cls, labels: Array, *, background_id: int = BACKGROUND_ID, complete: Sequence[Box] = ()
    ) -> "Annotation":
        """Decode the painting convention: 0 unknown, `background_id` background, other ids one cell each.

        Parameters
        ----------
        labels : (N, *S) or (*S) integer
        complete : sequence of Box
            Rectangles in which everything is annotated: inside them 0 means background, in every frame.

        Raises
        ------
        WrongAnnotation
            If the labels are not whole numbers.
        """
        labels = _as_ids(labels)
        known = labels != 0
        for box in complete:
            known[(slice(None), *(slice(max(0, start), max(0, stop)) for start, stop in box))] = True
        return cls(cells=np.where(labels == background_id, 0, labels).astype(np.int32), known=known)

    @classmethod
    def from_dense(cls, labels: Array) -> "Annotation":
        """Take an ordinary label image, (N, *S) or (*S): 0 is background, every other id a cell, all is known."""
        cells = _as_ids(labels)
        return cls(cells=cells.astype(np.int32), known=np.ones(cells.shape, dtype=bool))

    @property
    def painted(self) -> "Annotation":
        """What a person painted, and no more."""
        if self.pseudo is None:
            return self
        known = self.known & ~self.pseudo
        return Annotation(cells=np.where(known, self.cells, 0), known=known)

    @property
    def n_cells(self) -> int:
        """Number of cells, counted per frame."""
        return sum(int(np.count_nonzero(np.unique(frame))) for frame in self.cells)

    @property
    def has_background(self) -> bool:
        """Whether any pixel is known to be background."""
        return bool((self.known & (self.cells == 0)).any())


def _as_ids(labels: Array) -> Array:
    labels = np.asarray(labels)
    whole = labels.dtype.kind in "bui" or (labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels)))
    if not whole:
        raise messages.labels_are_not_whole_numbers(labels.dtype)
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.int32).max):
        raise messages.ids_out_of_range(labels.min(), labels.max())
    labels = labels.astype(np.int64)
    return labels[None] if labels.ndim == 2 else labels
