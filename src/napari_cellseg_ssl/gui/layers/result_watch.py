"""Follows the current result of the chosen image: which layer it is, and how many cells it holds."""

from typing import Any
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.current_result import current_result, note_turn
from napari_cellseg_ssl.gui.layers.layer_visibility import is_resting, wake
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.tags import KEY, NDIM, is_instances, is_reference, layers_of
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.tasks import pipelines
from napari_cellseg_ssl.tasks.session.events import Counted

COUNT_AFTER_MS = 200


class ResultWatch(QObject):
    """Says which result of the chosen image counts, and what it holds, however either comes about."""

    changed = Signal(object)
    """The layer, or None; also when it is the same one, written anew."""
    counted = Signal(object)
    """A `Counted`."""

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = ref(viewer)
        self._image: Image | None = None
        self.layer: Labels | None = None
        """The current result of the chosen image."""
        self._is_painted = False
        self._counts = LatestOnly(self)
        self._counts.done.connect(self.counted)
        self._count_soon = QTimer(self)
        self._count_soon.setSingleShot(True)
        self._count_soon.setInterval(COUNT_AFTER_MS)
        self._count_soon.timeout.connect(self._count)
        for event in (viewer.layers.events.inserted, viewer.layers.events.reordered):
            event.connect(self._look)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.connect(self._on_layer_event)

    @property
    def is_busy(self) -> bool:
        """Whether cells are being counted."""
        return self._counts.is_busy or self._count_soon.isActive()

    def follow(self, image_layer: Image | None) -> None:
        """Look at another image."""
        self._image = image_layer
        self._look()

    def forget(self) -> None:
        """Let go of all layers and of what is under way."""
        self._watch(None)
        self._image = None
        self._counts.cancel()
        self._count_soon.stop()

    def _on_layer_event(self, event: Any) -> None:
        if event.type == "visible":
            self._look()

    def _on_removed(self, event: Any) -> None:
        """Show what was hidden for a result that is gone now."""
        viewer, image = self._viewer(), self._image
        if event.value is self.layer and viewer is not None and image is not None:
            next_one = current_result(viewer, image)
            if next_one is not None and is_resting(next_one):
                wake(next_one)
        self._look()

    def _look(self, _event: Any = None) -> None:
        viewer, image = self._viewer(), self._image
        found = None if viewer is None or image is None else current_result(viewer, image)
        if found is self.layer:
            return
        self._watch(found)
        if viewer is not None and image is not None and found is not None and not is_reference(found):
            note_turn(viewer, image, found)
        self.changed.emit(found)

    def _watch(self, layer: Labels | None) -> None:
        before, self.layer, self._is_painted = self.layer, layer, False
        if before is not None:
            before.events.data.disconnect(self._on_written)
            before.events.paint.disconnect(self._on_paint)
            before.events.set_data.disconnect(self._on_redrawn)
        if layer is not None:
            layer.events.data.connect(self._on_written)
            layer.events.paint.connect(self._on_paint)
            layer.events.set_data.connect(self._on_redrawn)
        self._on_pixels()

    def _on_written(self, _event: Any) -> None:
        self._on_pixels()
        self.changed.emit(self.layer)

    def _on_paint(self, _event: Any) -> None:
        self._is_painted = True
        self._on_pixels()

    def _on_redrawn(self, _event: Any) -> None:
        """An undo is only seen by its redrawing, and there is none before anything is painted."""
        if self._is_painted:
            self._on_pixels()

    def _on_pixels(self) -> None:
        self._counts.cancel()
        self._count_soon.start()

    def _count(self) -> None:
        viewer, image, layer = self._viewer(), self._image, self.layer
        if viewer is None or image is None or layer is None or is_reference(layer):
            self.counted.emit(Counted(None))
            return
        labels, reference = _frames(image, layer), _frames(image, _compared_with(viewer, image, layer))
        if labels is not None:
            self._counts.submit(lambda: Counted(pipelines.agreement(labels, reference)))


def _compared_with(viewer: ViewerModel, image: Image, layer: Labels) -> Labels | None:
    """Return the instances to compare a result with; None for those of the same method."""
    if layer.metadata[KEY]["method"] == pipelines.REFERENCE:
        return None
    references = [other for other in layers_of(viewer, image) if is_instances(other) and is_reference(other)]
    return (references or [None])[-1]


def _frames(image: Image, layer: Labels | None) -> Array | None:
    """Labels as (N, *S) of flat frames: a view, for what is counted may change meanwhile, and is counted again then."""
    if layer is None:
        return None
    layout = layout_of(image, ndim=layer.metadata[KEY].get(NDIM, 2))
    pixels = np.asarray(layer.data)
    return layout.gather(pixels) if pixels.shape == layout.derived_shape else None
