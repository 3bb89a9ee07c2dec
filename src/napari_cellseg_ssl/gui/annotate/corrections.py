"""Correcting cells on the image: split, merge, delete, grow, shrink, each one step of napari's own undo.

An act works on the selected layer if there is a cell in question, else on the other one that is shown, and selects it,
so that the next Ctrl+Z takes back what was done last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation import corrections
from napari_cellseg_ssl.core.segmentation.corrections import Change
from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.annotate.key_bindings import Act
from napari_cellseg_ssl.gui.annotate.line_gesture import Gesture
from napari_cellseg_ssl.gui.layers.cell_layer import CellLayer

CORRECTION_ACTS = (
    Act("S", "split", "Split: a line across", "Press, then drag a line across a cell to cut it in two."),
    Act(
        "J",
        "merge",
        "Join: a line through",
        "Press, then drag a line through several cells: they become one, and a narrow gap between them is filled.",
    ),
    Act("W", "grow", "Grow by 1 px", "Widen the cell under the cursor by a pixel, where no other cell is.", True),
    Act("T", "shrink", "Shrink by 1 px", "Take a pixel off the edge of the cell under the cursor.", True),
    Act("D", "delete", "Delete cell", "Delete the cell under the cursor.", True),
)
SHORTEST_LINE = 1.0
"""px; less is a click."""


@dataclass(frozen=True)
class _Crossing:
    """A line over one layer, in px of a frame, and how many of its pixels lie on each cell."""

    cells: CellLayer
    frame: int
    start: Array
    end: Array
    ids: dict[int, int]


class Corrector:
    """Corrects cells of the layers that are shown; each act returns a sentence that says what happened or comes next.

    Parameters
    ----------
    viewer : ViewerModel
    layers : () -> sequence of CellLayer
        Layers that may be corrected: those in which to look first come first.
    done : (str) -> None
        Gets the sentence of an act that ends with the mouse.
    """

    def __init__(
        self, viewer: ViewerModel, layers: Callable[[], Sequence[CellLayer]], done: Callable[[str], None]
    ) -> None:
        self._viewer, self._layers, self._done = viewer, layers, done
        self._gesture = Gesture(viewer)

    def split(self) -> str:
        """Wait for a line, and cut the cell that it crosses most."""
        return self._wait(self._split, "Drag a line across the cell. Esc leaves.")

    def merge(self) -> str:
        """Wait for a line, and make one cell of those that it crosses."""
        return self._wait(self._merge, "Drag a line through the cells that are one. Esc leaves.")

    def delete(self) -> str:
        """Delete the cell under the cursor."""
        return self._change_at_cursor(lambda pixels, cell, _first: corrections.delete(pixels, cell), "Deleted")

    def grow(self) -> str:
        """Widen the cell under the cursor by 1 px."""
        return self._change_at_cursor(corrections.grow, "Widened")

    def shrink(self) -> str:
        """Take 1 px off the cell under the cursor."""
        return self._change_at_cursor(lambda pixels, cell, _first: corrections.shrink(pixels, cell), "Shrank")

    def click(self, act: Callable[[], str], title: str) -> str:
        """Wait for a click, and do an act there that works under the cursor."""
        return self._wait(lambda _start, _end: act(), f"{title}: click on the cell. Esc leaves.")

    def _wait(self, act: Callable[[Array, Array], str], sentence: str) -> str:
        layers = self._ordered()
        if not layers:
            return messages.no_cells_to_correct()
        if self._viewer.dims.ndisplay == 3:
            return messages.correct_in_2d()
        self._gesture.begin(layers[0].layer, lambda start, end: self._done(act(start, end)))
        return sentence

    def _split(self, start: Array, end: Array) -> str:
        crossing = max(self._crossings(start, end), key=lambda found: max(found.ids.values(), default=0), default=None)
        if crossing is None or not crossing.ids:
            return messages.line_crosses_nothing()
        cells, frame = crossing.cells, crossing.frame
        cell = max(crossing.ids, key=lambda number: crossing.ids[number])
        pixels, new_id = cells.pixels(frame), cells.free_id()
        if not cells.has_room(new_id + 1):
            return messages.no_id_left(cells.layer.name)
        change = corrections.split(pixels, cell, crossing.start, crossing.end, new_id)
        if change is None:
            return messages.line_does_not_cut(cell)
        n_parts = int(change.labels.max()) - new_id + 2
        return self._apply(cells, frame, change, messages.was_split(cell, cells.layer.name, n_parts))

    def _merge(self, start: Array, end: Array) -> str:
        crossing = max(self._crossings(start, end), key=lambda found: len(found.ids), default=None)
        if crossing is None or len(crossing.ids) < 2:
            return messages.line_needs_two_cells()
        cells, frame, ids = crossing.cells, crossing.frame, list(crossing.ids)
        change = corrections.merge(cells.pixels(frame), ids, cells.first_id)
        return self._apply(cells, frame, change, messages.were_merged(len(ids), cells.layer.name))

    def _change_at_cursor(self, change: Callable[[Array, int, int], Change | None], verb: str) -> str:
        if self._viewer.dims.ndisplay == 3:
            return messages.correct_in_2d()
        for cells in self._ordered():
            frame, cell = cells.cell_at(self._viewer.cursor.position)
            if cell:
                made = change(cells.pixels(frame), cell, cells.first_id)
                if made is None:
                    return messages.nothing_left(cell)
                return self._apply(cells, frame, made, messages.was_changed(verb, cell, cells.layer.name))
        return messages.point_at_a_cell()

    def _apply(self, cells: CellLayer, frame: int, change: Change, sentence: str) -> str:
        if cells.problem:
            return cells.problem
        self._viewer.layers.selection.active = cells.layer
        cells.apply(frame, change)
        return messages.can_be_undone(sentence)

    def _crossings(self, start: Array, end: Array) -> list[_Crossing]:
        """Say what a line, given by its ends in the world, crosses on each layer."""
        found = []
        for cells in self._ordered():
            (frame, first), (_, last) = cells.locate(start), cells.locate(end)
            if np.linalg.norm(last - first) >= SHORTEST_LINE:
                ids = corrections.crossed(cells.pixels(frame), first, last, cells.first_id)
                found.append(_Crossing(cells, frame, first, last, ids))
        return found

    def _ordered(self) -> list[CellLayer]:
        """Shown layers, the selected one first."""
        active = self._viewer.layers.selection.active
        shown = [cells for cells in self._layers() if cells.layer.visible]
        return sorted(shown, key=lambda cells: cells.layer is not active)
