"""The boxes that instances were drawn from, as a Shapes layer coloured by score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from qtpy.QtCore import QObject

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import ShowsBoxes
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layer_visibility import wake
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, transform_of
from napari_cellseg_ssl.gui.layers.outputs import BOXES, add_layer
from napari_cellseg_ssl.gui.layers.tags import find_layer, new_name, tag_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.goto_region import corners_of
from napari_cellseg_ssl.gui.views.on_demand_view import OnDemandView

FOLLOWED = 300
"""More boxes do not follow a slider: napari takes 0.7 ms for each, during which the window does not answer."""
WIDTH = 1 / 24
"""Of a line, in object diameters."""


@dataclass(frozen=True)
class Boxes:
    """Rectangles (n, 4, ndim) in px of a layer, the ids (n,) of their instances and their scores (n,)."""

    corners: Array
    ids: Array
    scores: Array
    width: float


class BoxesShown:
    """One rectangle per instance; see `Shown`."""

    kinds: tuple[str, ...] = (BOXES,)

    def __init__(self) -> None:
        self._n_shown = 0

    def offers(self, method: object) -> bool:
        """Whether a method finds boxes."""
        return isinstance(method, ShowsBoxes)

    def too_much(self) -> str:
        """Many boxes are drawn only when the button is pressed."""
        return messages.press_for_boxes() if self._n_shown > FOLLOWED else ""

    def work(self, method: Any, maps: PredictionMaps, options: Any) -> tuple[tuple[Detections, ...], float]:
        """Find out which boxes there are, and how wide their lines should be."""
        return method.boxes(maps, options), maps.diameter * WIDTH

    def draw(
        self,
        viewer: ViewerModel,
        image: Image,
        method_id: str,
        result: tuple[tuple[Detections, ...], float],
        *,
        is_first: bool,
    ) -> str:
        """Write the layer."""
        boxes = placed(result[0], layout_of(image, ndim=2), result[1])
        show_boxes(viewer, image, boxes, method_id)
        self._n_shown = len(boxes.scores)
        return messages.boxes_shown(_counted(self._n_shown))


def boxes_on_demand(controller: Controller, parent: QObject | None = None) -> OnDemandView:
    """Make the button that shows the boxes."""
    tip = "Show the box of every cell, coloured by how sure the detector is; its score is in the layer's features."
    return OnDemandView(controller, BoxesShown(), "Show boxes", "cellseg_show_boxes", tip, parent)


def placed(frames: Sequence[Detections], layout: Layout, width: float) -> Boxes:
    """Bring the boxes of all frames to the axes of a layer."""
    corners = [one for n, found in enumerate(frames) for one in rectangles(layout, n, found.boxes)]
    return Boxes(
        corners=np.array(corners, np.float32).reshape(-1, 4, len(layout.kept)),
        ids=np.concatenate([np.arange(len(found)) + 1 for found in frames]),
        scores=np.concatenate([found.scores for found in frames]),
        width=width,
    )


def rectangles(layout: Layout, frame: int, boxes: Array) -> list[Array]:
    """Return corners (4, ndim) of boxes (n, 4) of a frame: pixels of a layer have their middles at whole numbers."""
    return [corners_of(layout, frame, ((y1, y2), (x1, x2))) for x1, y1, x2, y2 in boxes.astype(float) - 0.5]


def show_boxes(viewer: ViewerModel, image: Image, boxes: Boxes, method_id: str) -> Shapes:
    """Write the boxes into the layer that shows some already, or add one; they cannot be moved by hand."""
    features = {"label": boxes.ids, "score": boxes.scores}
    shown = find_layer(viewer, image, BOXES, method_id)
    if isinstance(shown, Shapes):
        shown.data = list(boxes.corners)
        shown.editable = False  # napari makes it editable with new data, and when it is added
        shown.features = features
        shown.edge_width = [boxes.width] * len(boxes.ids)
        shown.refresh_colors()
        wake(shown)
        return shown
    layer = Shapes(
        list(boxes.corners),
        ndim=boxes.corners.shape[-1],
        shape_type="rectangle",
        features=features,
        edge_color="score",
        edge_colormap="viridis",
        edge_contrast_limits=(0.0, 1.0),
        edge_width=boxes.width,
        face_color="transparent",
        name=new_name(viewer, image, BOXES, method_id),
        **transform_of(image, layout_of(image, ndim=2)),
    )
    add_layer(viewer, image, layer, tag_of(image, BOXES, method_id))
    layer.editable = False
    return layer


def _counted(number: int) -> str:
    return "1 box" if number == 1 else f"{number} boxes"
