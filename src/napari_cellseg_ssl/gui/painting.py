"""Painting cells quickly: what each key does to an annotation layer. Every act is one step of napari's own undo."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_cellseg_ssl.core.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.gui.layer_styles import painting_colours
from napari_cellseg_ssl.gui.layer_tags import KEY, REFERENCE, layers_of, new_name, tag_of
from napari_cellseg_ssl.gui.layers_out import add_layer
from napari_cellseg_ssl.gui.layout import layout_of, transform_of

FIRST_CELL_ID = BACKGROUND_ID + 1
USUAL_DIAMETER = 20.0
"""px; sets the brush as long as nobody has said how large the cells are."""
BRUSHES_PER_CELL, RINGS_PER_CELL = 4, 8
WIDEST_RING = 4


@dataclass(frozen=True)
class PaintKey:
    """One key of an annotation layer, its button and what it does."""

    key: str
    name: str
    title: str
    help: str


KEYS = (
    PaintKey("N", "next_cell", "Next cell", "Give the brush a new id: what you paint now is another cell."),
    PaintKey("G", "background", "Background", "Paint background: a few strokes between the cells are enough."),
    PaintKey("A", "accept", "Accept cell", "Take the proposed instance under the cursor as a cell."),
    PaintKey("R", "reject", "Reject cell", "Say that the proposed instance under the cursor is background."),
    PaintKey("O", "ring", "Ring around cell", "Paint a thin ring of background around the cell under the cursor."),
)
ALSO_NEXT_CELL = "M"
"""napari's own key for a new label, which would give a first cell the id of the background."""


class Painter:
    """Acts on one annotation layer; each returns a sentence that says what happened.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Labels
        The annotation: 0 unknown, 1 background, cells from 2.
    image_layer : Image
    diameter : () -> float
        Diameter of the cells in px of the layer.
    """

    def __init__(self, viewer: ViewerModel, layer: Labels, image_layer: Image, diameter: Callable[[], float]) -> None:
        self.viewer, self.layer, self.image_layer = viewer, layer, image_layer
        self._diameter = diameter
        self._finished = 0

    def start(self) -> None:
        """Make the layer ready: selected, brush in hand, a free id, colours that tell background from cells.

        Proposed instances become outlines, so that the image is seen, and what is accepted stands out.
        """
        layer, proposed = self.layer, self.proposals()
        if proposed is not None:
            proposed.contour = 1
        layer.colormap = painting_colours()
        layer.n_edit_dimensions = 2
        layer.brush_size = max(1, round(self._diameter() / BRUSHES_PER_CELL))
        self.viewer.layers.selection.active = layer
        self.next_cell()

    def bind_keys(self, done: Callable[[str], None]) -> None:
        """Bind the keys to this layer alone; `done` gets the sentence of each act."""
        acts = {key.key: getattr(self, key.name) for key in KEYS} | {ALSO_NEXT_CELL: self.next_cell}
        for key, act in acts.items():
            self.layer.bind_key(key, lambda _layer, act=act: done(act()), overwrite=True)

    def next_cell(self) -> str:
        """Give the brush an id that no pixel has."""
        before, free = int(self.layer.selected_label), self._free_id()
        self.layer.selected_label = free
        self.layer.mode = "paint"
        if FIRST_CELL_ID <= before < free:
            self._finished = before
            return f"Painting cell {free}. Press O for a ring of background around cell {before}."
        return f"Painting cell {free}."

    def background(self) -> str:
        """Give the brush the id of background."""
        self.layer.selected_label = BACKGROUND_ID
        self.layer.mode = "paint"
        return "Painting background."

    def accept(self) -> str:
        """Copy the proposed instance under the cursor as a new cell; painted cells are not overwritten."""
        found = self._proposal_at_cursor()
        if isinstance(found, str):
            return found
        return self._add_cell(found)

    def reject(self) -> str:
        """Paint the proposed instance under the cursor as background, where nothing is painted yet."""
        found = self._proposal_at_cursor()
        if isinstance(found, str):
            return found
        free = tuple(index[self.layer.data[found] == 0] for index in found)
        self._write(free, BACKGROUND_ID)
        return "Rejected: painted as background."

    def ring(self) -> str:
        """Paint background around the cell under the cursor, else around the one that was finished last."""
        place = self._cursor(self.layer)
        under = int(self.layer.data[place]) if place is not None else 0
        frame = place[:-2] if place is not None else self._shown_frame()
        candidates = (under, int(self.layer.selected_label), self._finished)
        cell = next((number for number in candidates if number >= FIRST_CELL_ID and self._is_painted(number, frame)), 0)
        if not cell:
            return "Paint a cell first, or point at one."
        width = min(WIDEST_RING, max(1, round(self._diameter() / RINGS_PER_CELL)))
        proposed = self.proposals()
        others = proposed.data[frame] if proposed is not None else None
        rows, columns = ring_around(self.layer.data[frame], cell, width, others)
        self._write(_in_frame(frame, rows, columns), BACKGROUND_ID)
        return f"Painted a ring of background around cell {cell}."

    def accept_all(self) -> str:
        """Copy every proposed instance of the shown frame that no painted cell touches."""
        proposed = self.proposals()
        if proposed is None:
            return "There are no proposed instances yet: segment the image first."
        frame = self._shown_frame()
        ids = proposed.data[frame]
        painted = np.unique(ids[self.layer.data[frame] >= FIRST_CELL_ID])
        rows, columns = np.nonzero((ids > 0) & ~np.isin(ids, painted))
        numbers = np.unique(ids[rows, columns], return_inverse=True)[1]
        first = self._free_id()
        self._write(_in_frame(frame, rows, columns), first + numbers)
        self.next_cell()
        return f"Accepted {int(numbers.max(initial=-1)) + 1} cells."

    def proposals(self) -> Labels | None:
        """Return the instances that keys act on: topmost visible ones, a result before a reference; else the newest."""
        made = layers_of(self.viewer, self.image_layer)
        fitting = [
            layer
            for layer in made
            if layer.metadata[KEY]["kind"] == "instances" and layer.data.shape == self.layer.data.shape
        ]
        visible = [layer for layer in self.viewer.layers if layer in fitting and layer.visible]
        results = [layer for layer in visible if layer.metadata[KEY].get("name") != REFERENCE]
        return (results or visible or fitting or [None])[-1]

    def shown_frame_number(self) -> int:
        """Index of the shown frame among all frames of the layer."""
        frame = self._shown_frame()
        return int(np.ravel_multi_index(frame, self.layer.data.shape[:-2])) if frame else 0

    def _add_cell(self, pixels: tuple[Array, ...]) -> str:
        free = tuple(index[self.layer.data[pixels] < FIRST_CELL_ID] for index in pixels)
        if not len(free[0]):
            return "This cell is painted already."
        number = self._free_id()
        self._write(free, number)
        if self.layer.selected_label == number:  # the brush was about to use this id
            self.layer.selected_label = number + 1
        return f"Accepted as cell {number}."

    def _proposal_at_cursor(self) -> tuple[Array, ...] | str:
        """Pixels of the proposed instance under the cursor, or a sentence that says why there are none."""
        proposed = self.proposals()
        if proposed is None:
            return "There are no proposed instances yet: segment the image first."
        place = self._cursor(proposed)
        number = proposed.data[place] if place is not None else 0
        if place is None or not number:
            return "Point at a proposed instance."
        frame = place[:-2]
        return _in_frame(frame, *np.nonzero(proposed.data[frame] == number))

    def _cursor(self, layer: Labels) -> tuple[int, ...] | None:
        """Pixel of a layer under the cursor; None outside of it, and in 3D, where there is no such pixel."""
        if self.viewer.dims.ndisplay == 3:
            return None
        place = np.round(layer.world_to_data(self.viewer.cursor.position)).astype(int)
        is_inside = all(0 <= index < size for index, size in zip(place, layer.data.shape, strict=True))
        return tuple(int(index) for index in place) if is_inside else None

    def _shown_frame(self) -> tuple[int, ...]:
        place = np.round(self.layer.world_to_data(self.viewer.dims.point)).astype(int)
        return tuple(int(np.clip(i, 0, n - 1)) for i, n in zip(place[:-2], self.layer.data.shape, strict=False))

    def _is_painted(self, cell: int, frame: tuple[int, ...]) -> bool:
        return bool((self.layer.data[frame] == cell).any())

    def _free_id(self) -> int:
        return max(FIRST_CELL_ID, int(self.layer.data.max()) + 1)

    def _write(self, pixels: tuple[Array, ...], value: Any) -> None:
        with self.layer.block_history():
            self.layer.data_setitem(pixels, value)


def new_annotation(viewer: ViewerModel, image_layer: Image) -> Labels:
    """Add an empty annotation over an image; an annotation that is still empty is used again."""
    for layer in layers_of(viewer, image_layer):
        if layer.metadata[KEY]["kind"] == "annotation" and not layer.data.any():
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
    for layer in layers_of(viewer, image_layer):
        if layer.metadata[KEY]["kind"] == "complete-regions":
            break
    else:
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


def ring_around(painted: Array, cell: int, width: int, proposed: Array | None = None) -> tuple[Array, Array]:
    """Find the unpainted pixels within `width` px of a cell, those of other proposed instances left out.

    Parameters
    ----------
    painted : (Y, X) integer
    proposed : (Y, X) integer, optional
        Instances: what they cover beside the cell is most likely another cell, so it is not called background.

    Returns
    -------
    rows, columns : integer arrays
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.nonzero(painted == cell)
    top, left = max(0, rows.min() - width - 1), max(0, columns.min() - width - 1)
    window = np.s_[top : rows.max() + width + 2, left : columns.max() + width + 2]
    near = distance_transform_edt(painted[window] != cell) <= width
    ring = near & (painted[window] == 0)
    if proposed is not None:
        own = np.bincount(proposed[rows, columns]).argmax()
        ring &= (proposed[window] == 0) | (proposed[window] == own)
    ring_rows, ring_columns = np.nonzero(ring)
    return ring_rows + top, ring_columns + left


def _in_frame(frame: tuple[int, ...], rows: Array, columns: Array) -> tuple[Array, ...]:
    return (*(np.full(rows.shape, index) for index in frame), rows, columns)
