"""Painting cells quickly: what each key does to an annotation layer. Every act is one step of napari's own undo."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.painting import acceptable_cells, ring_around
from napari_cellseg_ssl.gui.annotate import messages
from napari_cellseg_ssl.gui.annotate.key_bindings import Act
from napari_cellseg_ssl.gui.annotate.proposals import Proposals
from napari_cellseg_ssl.gui.layers.cell_layer import FIRST_CELL_ID, CellLayer
from napari_cellseg_ssl.gui.layers.layout import layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.styles import painting_colours
from napari_cellseg_ssl.gui.layers.tags import find_layer, kind_of, layers_of, new_name, tag_of

USUAL_DIAMETER = 20.0
"""px; sets the brush as long as nobody has said how large the cells are."""
BRUSHES_PER_CELL, RINGS_PER_CELL = 4, 8
WIDEST_RING = 4

PAINT_ACTS = (
    Act("N", "next_cell", "Next cell", "Give the brush a new id: what you paint now is another cell."),
    Act("G", "background", "Background", "Paint background: a few strokes between the cells are enough."),
    Act("O", "ring", "Ring around cell", "Paint a thin ring of background around the cell under the cursor.", True),
)
PROPOSAL_ACTS = (
    Act("A", "accept", "Accept cell", "Take the proposed instance under the cursor as a cell.", True),
    Act("R", "reject", "Reject cell", "Say that the proposed instance under the cursor is background.", True),
    Act(
        "Shift-A",
        "accept_all",
        "Accept all in view",
        "Take every proposed instance that is wholly in view, not rejected, and on which no cell is painted.",
    ),
)
ALSO_NEXT_CELL = Act("M", "next_cell", "", "napari's own key, which would give a first cell the id of the background.")


class Painter:
    """Acts on one annotation layer; each act returns a sentence that says what happened.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Labels
        The annotation: 0 unknown, 1 background, cells from 2.
    proposals : Proposals
    diameter : () -> float
        Diameter of the cells in px of the layer.
    """

    def __init__(self, viewer: ViewerModel, layer: Labels, proposals: Proposals, diameter: Callable[[], float]) -> None:
        self.viewer, self.layer, self.proposals = viewer, layer, proposals
        self.cells = CellLayer(layer, FIRST_CELL_ID)
        self.each_stroke_is_a_cell = False
        self._diameter = diameter
        self._finished = 0
        self._given = 0
        layer.events.paint.connect(self._on_stroke)
        layer.events.set_data.connect(self._on_undo)

    def close(self) -> None:
        """Follow the layer no longer."""
        self.layer.events.paint.disconnect(self._on_stroke)
        self.layer.events.set_data.disconnect(self._on_undo)

    def start(self) -> None:
        """Make the layer ready: selected, brush in hand, a free id, colours that tell background from cells.

        Proposed instances become outlines, so that the image is seen, and what is accepted stands out.
        """
        layer, proposed = self.layer, self.proposals.layer()
        if proposed is not None:
            proposed.contour = 1
        layer.colormap = painting_colours()
        layer.n_edit_dimensions = 2
        layer.brush_size = max(1, round(self._diameter() / BRUSHES_PER_CELL))
        self.next_cell()

    def next_cell(self) -> str:
        """Give the brush an id that no pixel has."""
        before, free = int(self.layer.selected_label), self.cells.free_id()
        self._take_brush(free)
        if FIRST_CELL_ID <= before < free:
            self._finished = before
            return messages.painting_cell(free, before)
        return messages.painting_cell(free)

    def background(self) -> str:
        """Give the brush the id of background."""
        self._take_brush(BACKGROUND_ID)
        return messages.painting_background()

    def ring(self) -> str:
        """Paint background around the cell under the cursor, else around the one that was finished last."""
        frame, under = self.cells.cell_at(self.viewer.cursor.position)
        painted = self.cells.pixels(frame)
        candidates = (under, int(self.layer.selected_label), self._finished)
        cell = next((number for number in candidates if number >= FIRST_CELL_ID and (painted == number).any()), 0)
        if not cell:
            return messages.paint_or_point_first()
        width = min(WIDEST_RING, max(1, round(self._diameter() / RINGS_PER_CELL)))
        proposed = self.proposals.cells_for(self.layer)
        others = proposed.pixels(frame) if isinstance(proposed, CellLayer) else None
        self._write(frame, *ring_around(painted, cell, width, others), BACKGROUND_ID)
        return messages.ring_painted(cell)

    def accept(self) -> str:
        """Copy the proposed instance under the cursor as a new cell; painted cells are not overwritten."""
        found = self._proposal_at_cursor()
        if isinstance(found, str):
            return found
        frame, rows, columns = found
        free = self.cells.pixels(frame)[rows, columns] < FIRST_CELL_ID
        if not free.any():
            return messages.painted_already()
        number = self.cells.free_id()
        self._write(frame, rows[free], columns[free], number)
        return messages.accepted(number)

    def reject(self) -> str:
        """Paint the proposed instance under the cursor as background, where nothing is painted yet."""
        found = self._proposal_at_cursor()
        if isinstance(found, str):
            return found
        frame, rows, columns = found
        free = self.cells.pixels(frame)[rows, columns] == 0
        self._write(frame, rows[free], columns[free], BACKGROUND_ID)
        return messages.rejected()

    def accept_all(self) -> str:
        """Copy every proposed instance that is wholly in view, not rejected, and on which no cell is painted."""
        proposed = self.proposals.cells_for(self.layer)
        if isinstance(proposed, str):
            return proposed
        frame = self.shown_frame_number()
        rows, columns, numbers = acceptable_cells(proposed.pixels(frame), self.cells.pixels(frame), self._view())
        self._write(frame, rows, columns, self.cells.free_id() + numbers)
        return messages.accepted_all(int(numbers.max(initial=-1)) + 1)

    def shown_frame_number(self) -> int:
        """Index of the shown frame among all frames of the layer."""
        return self.cells.shown_frame(self.viewer)

    def _proposal_at_cursor(self) -> tuple[int, Array, Array] | str:
        """Frame and pixels of the proposed instance under the cursor, or a sentence that says why there are none."""
        proposed = self.proposals.cells_for(self.layer)
        if isinstance(proposed, str):
            return proposed
        frame, place = self.cells.locate(self.viewer.cursor.position)  # both layers have the same pixels
        cell = proposed.cell(frame, place)
        if not cell or self.viewer.dims.ndisplay == 3:
            return messages.point_at_a_proposal()
        return frame, *proposed.find(frame, cell)

    def _view(self) -> tuple[slice, slice]:
        """Part of the frame that is on the screen; all of it where there is no screen."""
        corners = np.asarray(self.layer.corner_pixels)[:, -2:]
        if (corners[1] - corners[0] < 1).any():
            return np.s_[:, :]
        return slice(int(corners[0, 0]), int(corners[1, 0]) + 1), slice(int(corners[0, 1]), int(corners[1, 1]) + 1)

    def _write(self, frame: int, rows: Array, columns: Array, ids: Any) -> None:
        """Write pixels in the layer, which becomes the selected one: that is where the next undo acts."""
        self.viewer.layers.selection.active = self.layer
        self.cells.write(frame, rows, columns, ids)

    def _take_brush(self, number: int) -> None:
        self.viewer.layers.selection.active = self.layer
        self._give(number)
        self.layer.mode = "paint"

    def _give(self, number: int) -> None:
        self._given = self.layer.selected_label = number

    def _on_stroke(self, event: Any) -> None:
        """After a stroke, give the brush the next id, if every stroke is a cell.

        napari tells of some strokes before it writes them, so the pixels do not say yet what was painted.
        """
        number = int(self.layer.selected_label)
        is_painted = any(np.any(np.asarray(new_ids) == number) for *_where_and_before, new_ids in event.value)
        if self.each_stroke_is_a_cell and is_painted and number >= FIRST_CELL_ID:
            self._give(max(self.cells.free_id(), number + 1))

    def _on_undo(self, _event: Any) -> None:
        """After an undo or redo, give the brush the first id that is free now, unless the user chose another."""
        if self.each_stroke_is_a_cell and self._given == self.layer.selected_label >= FIRST_CELL_ID:
            self._give(self.cells.free_id())


def new_annotation(viewer: ViewerModel, image_layer: Image) -> Labels:
    """Add an empty annotation over an image; an annotation that is still empty is used again."""
    for layer in layers_of(viewer, image_layer):
        if kind_of(layer) == "annotation" and not layer.data.any():
            return layer
    layout = layout_of(image_layer)
    layer = Labels(
        np.zeros(layout.derived_shape, np.int32),
        name=new_name(viewer, image_layer, "annotation"),
        colormap=painting_colours(),
        **transform_of(image_layer, layout),
    )
    return add_layer(viewer, image_layer, layer, tag_of(image_layer, "annotation"))


def complete_regions(viewer: ViewerModel, image_layer: Image) -> Shapes:
    """Return the Shapes layer in which rectangles say "everything here is annotated", ready to draw in."""
    layer = find_layer(viewer, image_layer, "complete-regions")
    if layer is None:
        layout = layout_of(image_layer)
        layer = Shapes(
            ndim=len(layout.kept),
            name=new_name(viewer, image_layer, "complete-regions"),
            face_color="transparent",
            edge_color="#ffd700",
            edge_width=max(1.0, max(layout.derived_shape[-2:]) / 200),
            **transform_of(image_layer, layout),
        )
        add_layer(viewer, image_layer, layer, tag_of(image_layer, "complete-regions"))
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer
