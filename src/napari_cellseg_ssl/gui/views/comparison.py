"""Two versions over the same image: outlines of one to the left of a dividing line, of the other to its right."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.current_result import COMPARISON
from napari_cellseg_ssl.gui.layers.layer_visibility import is_resting, rest
from napari_cellseg_ssl.gui.layers.layout import layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import add_layer
from napari_cellseg_ssl.gui.layers.tags import kind_of, layers_of, tag_of
from napari_cellseg_ssl.tasks.session.versioning import Compared

FIRST, SECOND, DIFFERENCES = "#00d7ff", "#ff9f1c", "#ff2e88"
THICKNESS = 2


class Comparison:
    """The layers of one comparison; made once, redrawn when the dividing line moves."""

    def __init__(self, viewer: ViewerModel, image: Image, found: Compared) -> None:
        self._viewer = viewer
        self._layout = layout_of(image, ndim=found.differences.ndim - 1)
        self._placed = [np.ascontiguousarray(self._layout.place(labels)) for labels in found.labels]
        for layer in [layer for layer in layers_of(viewer, image) if kind_of(layer) == COMPARISON]:
            viewer.layers.remove(layer)
        for layer in layers_of(viewer, image):
            if kind_of(layer) in ("instances", "preview"):
                rest(layer)
        first, second = (f"version {version.number}" for version in found.versions)
        differences = np.ascontiguousarray(self._layout.place(found.differences))
        self._add(image, differences, "where they differ", DIFFERENCES, contour=0, opacity=0.35)
        self._halves = [
            self._add(image, np.zeros_like(self._placed[0]), first, FIRST),
            self._add(image, self._placed[1].copy(), second, SECOND),
        ]

    @property
    def is_there(self) -> bool:
        """Whether both versions are still shown, and no newer result instead of them."""
        return all(layer in self._viewer.layers and not is_resting(layer) for layer in self._halves)

    def divide(self, share: float) -> None:
        """Move the dividing line: 0 shows only the second version, 1 only the first."""
        if not self.is_there:
            return
        column = round(share * self._placed[0].shape[-1])
        for half, placed, hidden in zip(self._halves, self._placed, (np.s_[column:], np.s_[:column]), strict=True):
            pixels = placed.copy()
            pixels[..., hidden] = 0
            half.data = pixels

    def _add(
        self, image: Image, pixels: Array, name: str, colour: str, contour: int = THICKNESS, opacity: float = 1.0
    ) -> Labels:
        look: dict[str, Any] = {"colormap": DirectLabelColormap(color_dict={None: colour, 0: "transparent"})}
        layer = Labels(
            pixels, name=f"{image.name} · {name}", opacity=opacity, **look, **transform_of(image, self._layout)
        )
        layer.contour = contour
        add_layer(self._viewer, image, layer, tag_of(image, COMPARISON, name=name))
        return layer
