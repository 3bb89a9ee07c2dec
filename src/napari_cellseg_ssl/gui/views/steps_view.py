"""The steps of a segmentation as layers: seeds above the cells, what they grew to hidden below."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QObject

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import SegmentationSteps, ShowsSteps
from napari_cellseg_ssl.gui.layers.layer_visibility import wake
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.outputs import PARTIAL, SEEDS, write
from napari_cellseg_ssl.gui.layers.styles import Picture
from napari_cellseg_ssl.gui.layers.tags import tag_of
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.views.on_demand_view import OnDemandView


class StepsShown:
    """Seeds and partial results; see `Shown`."""

    kinds: tuple[str, ...] = (SEEDS, PARTIAL)

    def offers(self, method: object) -> bool:
        """Whether a method works in steps."""
        return isinstance(method, ShowsSteps)

    def too_much(self) -> str:
        """They are label images, however many cells there are."""
        return ""

    def work(self, method: Any, maps: PredictionMaps, options: Any) -> SegmentationSteps:
        """Work through the steps."""
        steps: SegmentationSteps = method.steps(maps, options)
        return steps

    def draw(
        self, viewer: ViewerModel, image: Image, method_id: str, result: SegmentationSteps, *, is_first: bool
    ) -> str:
        """Write a layer for each step, and pass on what the method says."""
        for kind, found in ((PARTIAL, result.partial), (SEEDS, result.seeds)):
            for title, labels in found.items():
                layer, is_new = _write(viewer, image, kind, method_id, title, labels)
                if not is_new and kind == SEEDS and is_first:
                    wake(layer)
        return result.remark


def steps_on_demand(controller: Controller, parent: QObject | None = None) -> OnDemandView:
    """Make the button that shows the steps."""
    tip = "Show from which seeds the cells have grown, and in which step. What they grew to is in hidden layers."
    return OnDemandView(controller, StepsShown(), "Show the steps", "cellseg_show_steps", tip, parent)


def _write(
    viewer: ViewerModel, image: Image, kind: str, method_id: str, title: str, labels: Array
) -> tuple[Layer, bool]:
    """Write a layer; returns it, and whether it is new."""
    before = set(viewer.layers)
    picture = Picture(labels.astype(np.int32, copy=False), "labels", {"visible": kind == SEEDS, "opacity": 1.0})
    tag = tag_of(image, kind, method_id, name=title)
    layer = write(viewer, image, layout_of(image, ndim=labels.ndim - 1), picture, tag)
    is_new = layer not in before
    if is_new:
        layer.name = f"{image.name} · {title}"
        layer.editable = False
    return layer, is_new
