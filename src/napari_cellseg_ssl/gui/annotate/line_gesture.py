"""One line, or one click, on the canvas: the next drag with the left button is the user's answer."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.annotate.key_bindings import bind_key

CANCEL_KEY = "Escape"
HALF_PX = 0.5
"""The overlay counts from the corner of a pixel, the data from its middle."""


class Gesture:
    """Waits for one drag on the canvas; meanwhile nothing is painted or moved, and a line follows the cursor."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._before: tuple[Any, ...] = ()
        self._done: Callable[[Array, Array], None] = lambda _start, _end: None

    def begin(self, layer: Labels, done: Callable[[Array, Array], None]) -> None:
        """Wait for a drag; `done` gets both of its ends, in world coordinates. Escape, or another layer, leaves."""
        self.leave()
        self._viewer.layers.selection.active = layer
        self._before = (layer.mode, layer.mouse_pan, layer.cursor)
        layer.mode, layer.mouse_pan, layer.cursor = "pan_zoom", False, "cross"
        bind_key(layer, CANCEL_KEY, self.leave, "leave")
        layer.events.mode.connect(self._forget_mode)
        self._viewer.layers.selection.events.active.connect(self.leave)
        self._viewer.mouse_drag_callbacks.append(self._drag)
        self._layer, self._done = layer, done

    def leave(self, _event: Any = None) -> None:
        """Wait no longer, and take up the tool that was in hand."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        self._viewer.mouse_drag_callbacks.remove(self._drag)
        self._viewer.layers.selection.events.active.disconnect(self.leave)
        layer.events.mode.disconnect(self._forget_mode)
        layer.bind_key(CANCEL_KEY, None)
        _preview(layer, [])
        if self._before:
            layer.mode, layer.mouse_pan, layer.cursor = self._before

    def _forget_mode(self, _event: Any = None) -> None:
        """Leave when the user takes another tool, and let them keep it."""
        self._before = ()
        self.leave()

    def _drag(self, _viewer: ViewerModel, event: Any) -> Iterator[None]:
        layer = self._layer
        if layer is None or event.button != 1:
            return
        start = np.array(event.position)
        yield
        while event.type == "mouse_move":
            if self._layer is layer:
                _preview(layer, [start, np.array(event.position)])
            yield
        if self._layer is layer:
            self.leave()
            self._done(start, np.array(event.position))


def _preview(layer: Labels, world: list[Array]) -> None:
    """Show a line, 1 px wide, as a narrow polygon of napari's own overlay."""
    overlay = layer._overlays.get("polygon")
    if overlay is None:
        return
    points = [np.array(layer.world_to_data(point)) + HALF_PX for point in world]
    along = points[1] - points[0] if points else np.zeros(layer.ndim)
    length = np.linalg.norm(along[-2:])
    if length < 1:
        overlay.points = []
        return
    aside = np.zeros(layer.ndim)
    aside[-2:] = HALF_PX * np.array([-along[-1], along[-2]]) / length
    overlay.points = [
        corner.tolist() for corner in (points[0] + aside, points[1] + aside, points[1] - aside, points[0] - aside)
    ]
