"""A Labels layer as cells with ids on frames, changed so that one act is one step of napari's own undo."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.corrections import Change, window_of
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layout import level_zero

FIRST_CELL_ID = BACKGROUND_ID + 1
"""Lowest id of a cell in an annotation."""


class CellLayer:
    """Reads and writes the cells of one layer, frame by frame; a frame is what lies in the last two axes.

    Parameters
    ----------
    layer : Labels
    first_id : int
        Lowest id that is a cell; below it is background, or nothing.
    """

    def __init__(self, layer: Labels, first_id: int = 1) -> None:
        self.layer, self.first_id = layer, first_id

    @property
    def problem(self) -> str:
        """Why the layer cannot be changed; empty if it can."""
        layer = self.layer
        if layer.editable and isinstance(layer.data, np.ndarray) and layer.data.flags.writeable:
            return ""
        return messages.locked(layer.name)

    def index(self, frame: int) -> tuple[int, ...]:
        """Indices of a frame along the leading axes."""
        return tuple(int(i) for i in np.unravel_index(frame, self._leading)) if self._leading else ()

    def pixels(self, frame: int) -> Array:
        """Labels of a frame, (Y, X): a view, where they are in memory."""
        return np.asarray(level_zero(self.layer)[self.index(frame)])

    def locate(self, position: Any) -> tuple[int, Array]:
        """Frame and (row, column) in px of a point of the world; it may lie outside of the frame."""
        place = np.array(self.layer.world_to_data(position), dtype=float)
        sizes = self._leading
        index = [int(np.clip(round(i), 0, n - 1)) for i, n in zip(place[:-2], sizes, strict=True)]
        return (int(np.ravel_multi_index(index, sizes)) if sizes else 0), place[-2:]

    def shown_frame(self, viewer: ViewerModel) -> int:
        """Return the frame that is on the screen."""
        return self.locate(viewer.dims.point)[0]

    def cell_at(self, position: Any) -> tuple[int, int]:
        """Frame, and cell at a point of the world; 0 if there is none."""
        frame, place = self.locate(position)
        return frame, self.cell(frame, place)

    def cell(self, frame: int, place: Array) -> int:
        """Return the cell at a (row, column) of a frame, px; 0 if there is none."""
        row, column = (int(i) for i in np.rint(place))
        height, width = level_zero(self.layer).shape[-2:]
        if not (0 <= row < height and 0 <= column < width):
            return 0
        number = int(self.pixels(frame)[row, column])
        return number if number >= self.first_id else 0

    def find(self, frame: int, cell: int) -> tuple[Array, Array]:
        """Return the rows and columns of all pixels of a cell."""
        pixels = self.pixels(frame)
        window = window_of(pixels, [cell])
        rows, columns = np.nonzero(pixels[window] == cell)
        return rows + window[0].start, columns + window[1].start

    def free_id(self) -> int:
        """Return an id that no pixel of any frame has, nor any cell after it."""
        return max(self.first_id, int(self.layer.data.max()) + 1)

    def has_room(self, new_id: int) -> bool:
        """Whether the type of the layer can hold an id."""
        return new_id <= int(np.iinfo(self.layer.data.dtype).max)

    def write(self, frame: int, rows: Array, columns: Array, ids: Any) -> None:
        """Give pixels of a frame new ids, in one step of undo; a brush that waits with a free id gets another one."""
        place = (*(np.full(rows.shape, i) for i in self.index(frame)), rows, columns)
        is_brush_free = self.layer.selected_label >= self.free_id()
        with self.layer.block_history():
            self.layer.data_setitem(place, ids)
        if is_brush_free and self.layer.selected_label < self.free_id():
            self.layer.selected_label = self.free_id()

    def apply(self, frame: int, change: Change) -> None:
        """Write a correction, in one step of undo."""
        rows, columns = np.nonzero(self.pixels(frame)[change.window] != change.labels)
        top, left = (part.start for part in change.window)
        self.write(frame, rows + top, columns + left, change.labels[rows, columns])

    @property
    def _leading(self) -> tuple[int, ...]:
        return tuple(int(n) for n in level_zero(self.layer).shape[:-2])
