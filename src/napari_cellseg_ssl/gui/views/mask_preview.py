"""A mask like those that a method draws for itself, beside the image, to be looked at before it learns.

A method that learns from drawn masks can only be as good as they are, and most of its failures are seen there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_cellseg_ssl.core.data.synthetic_masks import MaskExample
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.methods.base import DrawsMasks, get_method
from napari_cellseg_ssl.gui.layers.layer_visibility import take_turn
from napari_cellseg_ssl.gui.layers.tags import find_layer
from napari_cellseg_ssl.gui.layers.window_layers import show_in_window
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.image_source import watched_window
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.tasks import PreviewWindow, example_mask

KIND = "synthetic-mask"


class MaskPreview(QObject):
    """Draw the mask anew whenever image, object size or options change; `described` carries a sentence on it.

    Parameters
    ----------
    options : () -> options of the chosen method
    """

    described = Signal(str)

    def __init__(self, controller: Controller, options: Callable[[], Any], parent: QObject) -> None:
        super().__init__(parent)
        self._controller, self._options = controller, options
        self._is_wanted = True
        self._drawing = LatestOnly(self)
        self._drawing.done.connect(self._on_drawn)
        self._drawing.failed.connect(lambda failure: self.described.emit(failure.message))
        for changed in (controller.choices.diameter_changed, controller.choices.method_changed):
            changed.connect(self.refresh)

    @property
    def is_offered(self) -> bool:
        """Whether the chosen method draws masks."""
        return bool(self._method_id) and isinstance(get_method(self._method_id), DrawsMasks)

    def want(self, is_wanted: bool) -> None:
        """Show the mask, or hide it."""
        self._is_wanted = is_wanted
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Draw the mask soon as things are now, or hide it where it is not wanted."""
        viewer, image = self._controller.viewer, self._controller.image_layer
        if viewer is None or image is None:
            self.described.emit("")
            return
        if not (self._is_wanted and self.is_offered):
            self._drawing.cancel()
            layer = find_layer(viewer, image, KIND)
            if layer is not None and layer.visible:
                layer.visible = False
            self.described.emit("")
            return
        choices = self._controller.choices
        method_id, diameter, options = self._method_id, choices.shown_diameter, self._options()
        window = watched_window(viewer, image, None, choices.ndim)
        try:
            source = choices.source()
        except CellSegError:
            return  # the stage below says why
        if source is None or window is None or diameter is None:
            return
        self._drawing.submit(
            lambda: (image, window, method_id, example_mask(source.read(), window, method_id, diameter, options))
        )

    @property
    def _method_id(self) -> str:
        return self._controller.choices.method_id

    def _on_drawn(self, drawn: tuple[Image, PreviewWindow, str, MaskExample]) -> None:
        image, window, method_id, example = drawn
        viewer = self._controller.viewer
        if viewer is None or image is not self._controller.image_layer or method_id != self._method_id:
            return
        is_first = find_layer(viewer, image, KIND) is None
        layer = show_in_window(
            viewer,
            image,
            example.mask[np.newaxis],
            "synthetic-mask",
            frame=window.frame,
            region=window.region,
            method=method_id,
            beside=True,
        )
        if not layer.visible:
            layer.visible = True
            take_turn(viewer, image, layer)
        if is_first:
            viewer.reset_view()
        self.described.emit(example.description)
