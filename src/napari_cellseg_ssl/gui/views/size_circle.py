"""The size of a typical object as a circle on the image: dragged by its handles, or measured with a line."""

from typing import Any

import numpy as np
from napari.layers import Image, Shapes
from qtpy.QtCore import QObject, Signal

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.placement import pixel_sizes, put_on
from napari_cellseg_ssl.gui.layers.tags import OBJECT_SIZE, find_layer, tag_of
from napari_cellseg_ssl.gui.session.controller import Controller

COLOUR = "#ffd43b"
SMALLEST = 1.0


class SizeCircle(QObject):
    """Keep one circle on the chosen image; `measured` carries a diameter in px when the user changes it."""

    measured = Signal(float)

    def __init__(self, controller: Controller, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self._drawing = False

    def show(self, diameter: float) -> None:
        """Draw the circle with a diameter in px, where it was or in the middle of what is visible."""
        viewer, image = self._controller.viewer, self._controller.image_layer
        if viewer is None or image is None:
            return
        layer = self._layer()
        if layer is not None and len(layer.data) and abs(_diameter(layer.data[-1]) - diameter) < 0.05:
            return
        if layer is None:
            layer = _new_layer(image)
            add_layer(viewer, image, layer, tag_of(image, OBJECT_SIZE))
            layer.events.data.connect(self._on_data)
        centre = layer.data[-1].mean(axis=0) if len(layer.data) else _visible_centre(image)
        self._replace(layer, centre, diameter)

    def draw_line(self) -> None:
        """Let the user draw a line across a cell."""
        viewer, layer = self._controller.viewer, self._layer()
        if viewer is not None and layer is not None:
            layer.visible = True
            viewer.layers.selection.active = layer
            layer.mode = "add_line"

    def _layer(self) -> Shapes | None:
        viewer, image = self._controller.viewer, self._controller.image_layer
        layer = None if viewer is None or image is None else find_layer(viewer, image, OBJECT_SIZE)
        return layer if isinstance(layer, Shapes) else None

    def _on_data(self, event: Any) -> None:
        layer = event.source
        if self._drawing or not len(layer.data) or str(getattr(event, "action", "")) not in _DONE:
            return
        shape = np.asarray(layer.data[-1])
        if layer.shape_type[-1] == "line":
            diameter, centre = self._length(layer, shape), shape.mean(axis=0)
            layer.mode = "select"
            self._replace(layer, centre, max(SMALLEST, diameter))
        else:
            diameter = _diameter(shape)
        self.measured.emit(max(SMALLEST, diameter))

    def _length(self, layer: Shapes, line: Array) -> float:
        """Length of a line in px of the plane of the image, by where its ends are in the world."""
        viewer, image = self._controller.viewer, self._controller.image_layer
        if viewer is None or image is None:
            return 0.0
        point = np.array(viewer.dims.point, dtype=float)
        ends = []
        for end in line:
            point[-2:] = layer.data_to_world(end)
            ends.append(np.array(image.world_to_data(point[-image.ndim :])))
        axes = layout_of(image).axes[: image.ndim]
        sizes = pixel_sizes(image)
        depth = sizes[axes.index("Z")] / sizes[axes.index("X")] if "Z" in axes else 1.0
        counts = np.array([{"X": 1.0, "Y": 1.0, "Z": depth}.get(axis, 0.0) for axis in axes])
        return float(np.linalg.norm((ends[1] - ends[0]) * counts))

    def _replace(self, layer: Shapes, centre: Array, diameter: float) -> None:
        self._drawing = True
        try:
            layer.selected_data = set()
            layer.data = []
            layer.add_ellipses([np.array([centre, [diameter / 2] * 2])], **_edge(diameter))
        finally:
            self._drawing = False


_DONE = ("added", "changed", "ActionType.ADDED", "ActionType.CHANGED")
"""Ends of edits; while a handle is dragged, others come."""


def _edge(diameter: float) -> dict[str, Any]:
    return {
        "edge_width": max(0.5, diameter / 12),
        "edge_color": COLOUR,
        "face_color": "transparent",
    }


def _diameter(ellipse: Array) -> float:
    """Diameter of the disk of the same area as an ellipse, given by the four corners of its box."""
    sides = np.linalg.norm(np.diff(np.asarray(ellipse)[:3], axis=0), axis=1)
    return float(np.sqrt(np.prod(sides)))


def _visible_centre(image: Image) -> Array:
    """Middle of the visible part of the image, (y, x) in px."""
    ndim = image.ndim
    corners = np.asarray(image.corner_pixels, dtype=float)[:, ndim - 2 : ndim]
    return corners.mean(axis=0)


def _new_layer(image: Image) -> Shapes:
    """Make a layer of two dimensions, which is seen in every frame."""
    layer = Shapes(ndim=2, name=f"{image.name} · object size", opacity=1.0)
    put_on(layer, image)
    return layer
