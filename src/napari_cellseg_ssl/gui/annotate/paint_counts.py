"""How much is painted, counted frame by frame, so that a stroke costs one frame and not the whole time-lapse."""

from dataclasses import dataclass

import numpy as np
from napari.layers import Labels

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.widgets.wording import counted

FEWEST_CELLS = 2


@dataclass(frozen=True)
class PaintCounts:
    """Cells and strokes of background; a stroke is what hangs together."""

    cells: int = 0
    strokes: int = 0

    def __add__(self, other: "PaintCounts") -> "PaintCounts":
        return PaintCounts(self.cells + other.cells, self.strokes + other.strokes)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is painted."""
        return not self.cells and not self.strokes

    def sentence(self, complete_regions: int = 0) -> str:
        """Say what is painted, and what is missing for training.

        Parameters
        ----------
        complete_regions : int
            Number of regions in which unpainted means background.
        """
        if self.is_empty:
            return messages.nothing_painted()
        painted = f"{counted(self.cells, 'cell')}, {counted(self.strokes, 'background stroke')}"
        if complete_regions:
            painted += f", {counted(complete_regions, 'complete region')} (unpainted is background there)"
        if self.cells < FEWEST_CELLS:
            return messages.cells_missing(painted, FEWEST_CELLS)
        if not self.strokes and not complete_regions:
            return messages.background_missing(painted)
        return messages.enough_painted(painted)


class PaintCounter:
    """Counts of a layer, kept per frame."""

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._frames: dict[int, PaintCounts] = {}

    @property
    def total(self) -> PaintCounts:
        """Counts of all frames."""
        return sum(self._frames.values(), PaintCounts())

    def count_all(self) -> PaintCounts:
        """Count every frame anew."""
        for index in range(len(self._as_frames())):
            self.count_frame(index)
        return self.total

    def count_frame(self, index: int) -> PaintCounts:
        """Count one frame anew, the others as they were."""
        self._frames[index] = count_painted(self._as_frames()[index])
        return self.total

    def _as_frames(self) -> Array:
        data = np.asarray(self._layer.data)
        return data.reshape(-1, *data.shape[-2:])


def count_painted(frame: Array) -> PaintCounts:
    """Count the cells and strokes of one frame, (Y, X) integer."""
    if not frame.any():
        return PaintCounts()
    from scipy.ndimage import label

    ids = np.unique(frame[frame > 0])
    background = frame == BACKGROUND_ID
    rows, columns = np.nonzero(background.any(axis=1))[0], np.nonzero(background.any(axis=0))[0]
    strokes = 0
    if len(rows):
        window = background[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        strokes = label(window, structure=np.ones((3, 3)))[1]
    return PaintCounts(int((ids > BACKGROUND_ID).sum()), strokes)
