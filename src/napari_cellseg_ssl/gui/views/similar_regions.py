"""Regions that are similar to a model, as boxes over the image."""

from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QPushButton

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.inference.similar_regions import Alike, FindsAlike
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.gui.annotate.clicked_place import Pointed
from napari_cellseg_ssl.gui.layers.layer_visibility import wake
from napari_cellseg_ssl.gui.layers.layout import layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import ALIKE, add_layer
from napari_cellseg_ssl.gui.layers.tags import find_layer, tag_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.boxes_view import rectangles
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState
from napari_cellseg_ssl.tasks.similar_regions import AlikeFound, show_alike

COLOURS = "plasma"
ASKED, ASKED_COLOUR = "here", "#ffffff"
TEXT_SIZE, WIDTHS_ACROSS = 11, 250
TIP = (
    "Click a place in the image first; otherwise the middle of the view counts. Boxes show what looks most like it to "
    "the model, which tells whether it has understood your images before any cell is found."
)


class AlikeView(QObject):
    """A button, for models that can say which regions are similar to them."""

    def __init__(self, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._method_id = ""
        self._pointed = None if controller.viewer is None else Pointed(controller.viewer, self)
        self.button = QPushButton("Show similar regions")
        self.button.setObjectName("cellseg_alike")
        self.button.setToolTip(TIP)
        self.button.setVisible(False)
        self.button.clicked.connect(lambda *_: self._ask())
        controller.happened.connect(self._on_event)
        if self._pointed is not None:
            for changed in (controller.image_changed, controller.choices.placed):
                changed.connect(self._pointed.forget)

    def render(self, controls: Controls, state: SessionState) -> None:
        """Offer it with models of methods that can, as soon as there is one."""
        if state.segments_with != self._method_id:
            self._method_id = state.segments_with
            self.button.setVisible(bool(self._method_id) and isinstance(get_method(self._method_id), FindsAlike))
        self.button.setEnabled(controls.can_segment)

    def _ask(self) -> None:
        controller = self._controller
        viewer, image, model = controller.viewer, controller.image_layer, controller.model
        source = controller.taken(controller.choices.source)
        if viewer is None or image is None or model is None or source is None or self._pointed is None:
            return
        controller.run(partial(show_alike, source.read, model, self._pointed.place(viewer, image)))

    def _on_event(self, event: object) -> None:
        viewer, image = self._controller.viewer, self._controller.job_image
        if isinstance(event, AlikeFound) and viewer is not None and image is not None:
            show_alike_boxes(viewer, image, event.alike, event.frame, self._method_id)


def show_alike_boxes(viewer: ViewerModel, image: Image, found: Alike, frame: int, method_id: str) -> Shapes:
    """Draw boxes over a frame of an image: white what was asked about, the others in the colour of their similarity."""
    layout = layout_of(image, ndim=2)
    layer = find_layer(viewer, image, ALIKE)
    if not isinstance(layer, Shapes):
        layer = Shapes(
            ndim=len(layout.kept), name=f"{image.name} · alike", face_color="transparent", **transform_of(image, layout)
        )
        add_layer(viewer, image, layer, tag_of(image, ALIKE, method_id))
    layer.data = []
    layer.add_rectangles(
        rectangles(layout, frame, found.boxes),
        edge_color=edge_colours(found.similarity),
        edge_width=_width(layout.derived_shape),
    )
    layer.features = {
        "similarity": found.similarity,
        "label": [ASKED, *(f"{one:.2f}" for one in found.similarity[1:])],
    }
    layer.text = {
        "string": "{label}",
        "size": TEXT_SIZE,
        "anchor": "upper_left",
        "translation": [0.0] * len(layout.kept),
        "color": {"array": edge_colours(found.similarity), "default": ASKED_COLOUR},
    }
    wake(layer)
    layer.editable = False  # napari makes it editable with new data
    return layer


def edge_colours(similarity: Array) -> Array:
    """Colours (N, 4): the first white, of the others the most similar the brightest."""
    from napari.utils.colormaps import ensure_colormap

    others = similarity[1:]
    low, high = (others.min(), others.max()) if len(others) else (0.0, 1.0)
    # The darker half of the colours is hard to see on a dark image.
    shares = 0.45 + 0.55 * (others - low) / max(high - low, 1e-6)
    colours = np.asarray(ensure_colormap(COLOURS).map(shares)).reshape(-1, 4)
    return np.concatenate([np.ones((1, 4)), colours]).astype(np.float32)


def _width(shape: Any) -> float:
    return max(0.5, max(shape[-2:]) / WIDTHS_ACROSS)
