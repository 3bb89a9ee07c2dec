"""What the user has chosen to work on, followed while layers come, go and are painted on."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.gui.layers.inputs import painting_source, results_source
from napari_cellseg_ssl.gui.layers.layout import state_axes, stated_axes
from napari_cellseg_ssl.gui.layers.result_watch import ResultWatch
from napari_cellseg_ssl.gui.layers.tags import kind_of
from napari_cellseg_ssl.gui.session.image_source import ImageSource, image_source
from napari_cellseg_ssl.gui.session.more_images import MoreImages
from napari_cellseg_ssl.gui.session.saved_selection import Kept, KeptChoices
from napari_cellseg_ssl.gui.session.worker import LatestOnly
from napari_cellseg_ssl.tasks import pipelines
from napari_cellseg_ssl.tasks.requests import Diameter
from napari_cellseg_ssl.tasks.session.events import Checked
from napari_cellseg_ssl.tasks.training_files import TrainingFile

CHECK_MS = 400
"""Pause after the last stroke before the painting is looked at."""


class Choices(QObject):
    """Image, annotation and object size of one session."""

    image_changed = Signal(object)
    method_changed = Signal()
    annotation_changed = Signal(object)
    diameter_changed = Signal()
    placed = Signal()
    """The chosen image lies elsewhere, or is scaled otherwise, or has other units or axes."""
    reshaped = Signal()
    """Its objects have other proportions than they were taken to have, so that its maps have to be made anew."""
    checked = Signal(object)
    """A `Checked`: whether the method can train on what is chosen."""

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = ref(viewer)
        self.image_layer: Image | None = None
        self.annotation_layer: Labels | None = None
        self.labels_mode: Any = "auto"
        self.results: tuple[Labels | None, Labels | None] = (None, None)
        """What else is learned from: a result, and another one with which it has to agree."""
        self.channels: tuple[int, ...] | None = None
        self.diameter: Diameter = "auto"
        self.estimated: float | None = None
        self.method_id = ""
        self._reading: tuple[object, ...] = ()
        self.result = ResultWatch(viewer, self)
        self._kept = KeptChoices()
        self.more = MoreImages(viewer, self)
        self.more.chosen.connect(self.check)
        self._estimates = LatestOnly(self)
        self._estimates.done.connect(self._on_estimate)
        self._checks = LatestOnly(self)
        self._checks.done.connect(self.checked)
        self._checks.failed.connect(lambda failure: self.checked.emit(Checked((failure.message,))))
        self._check_soon = QTimer(self)
        self._check_soon.setSingleShot(True)
        self._check_soon.setInterval(CHECK_MS)
        self._check_soon.timeout.connect(self._check)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def shown_diameter(self) -> float | None:
        """Diameter in source px, as said or as estimated so far."""
        return self.estimated if self.diameter == "auto" else self.diameter

    @property
    def ndim(self) -> int:
        """Most dimensions that objects may have: 3 if the method works on volumes, else 2."""
        return max(get_method(self.method_id).info.spatial_ndims) if self.method_id else 2

    @property
    def spatial_ndim(self) -> int:
        """Dimensions of the objects in the chosen image: 3 if it is a volume, else 2."""
        if self.image_layer is None or self.ndim == 2:
            return 2
        try:
            return 3 if "Z" in stated_axes(self.image_layer) else 2
        except CellSegError:
            return 2  # the check says why

    @property
    def is_busy(self) -> bool:
        """Whether something is still being estimated or checked."""
        return self._estimates.is_busy or self._checks.is_busy or self.more.is_busy or self.result.is_busy

    def choose_image(self, layer: Image | None) -> None:
        """Work on another image; None if there is none."""
        if layer is self.image_layer:
            return
        viewer, before = self._viewer(), self.image_layer
        self.image_layer = layer
        self.more.stand_beside(layer)
        self.result.follow(layer)
        if viewer is None or layer is None:
            self._begin_again()
            return
        if before is not None:
            self._kept.keep(viewer, before, Kept(self.channels, self.annotation_layer, self.estimated))
        kept = self._kept.take(viewer, layer)
        self._begin_again(kept)
        if before is not None or self.annotation_layer is None or kind_of(self.annotation_layer):
            self.choose_annotation(kept.annotation, self.labels_mode)

    def choose_axes(self, axes: str) -> None:
        """Say what the dimensions of the image mean, one letter each, for example "CYX"."""
        if self.image_layer is not None and axes != stated_axes(self.image_layer):
            state_axes(self.image_layer, axes)  # which is heard in `on_moved`

    def choose_channels(self, channels: tuple[int, ...] | None) -> None:
        """Use only some channels of the image; None = all."""
        if channels != self.channels:
            self.channels = channels
            self._estimate()
            self.check()

    def choose_annotation(self, layer: Labels | None, mode: str = "auto") -> None:
        """Learn from another labels layer, or from none."""
        self.labels_mode = mode
        if layer is not self.annotation_layer:
            self._unfollow()
            if layer is not None:
                layer.events.labels_update.connect(self.check)
                layer.events.paint.connect(self.check)
            self.annotation_layer = layer
            self.annotation_changed.emit(layer)
        self.check()

    def choose_results(self, first: Labels | None, second: Labels | None) -> None:
        """Learn from a result too, where it agrees with a second one if that is given."""
        self.results = (first, second)
        self.check()

    def choose_method(self, method_id: str) -> None:
        """Check against another method; slices are understood anew where it takes them otherwise."""
        before, self.method_id = self.spatial_ndim, method_id
        self.method_changed.emit()
        if self.spatial_ndim != before:
            self._begin_again()
        else:
            self.check()

    def choose_diameter(self, diameter: Diameter) -> None:
        """Say how large the objects are, source px; "auto" takes what is estimated."""
        if diameter != self.diameter:
            self.diameter = diameter
            self.diameter_changed.emit()

    def source(self, method_id: str = "") -> ImageSource | None:
        """Take what a job needs of the image; None if there is no image.

        Parameters
        ----------
        method_id : str, optional
            Of the model that it is for, where that is not of the chosen method.

        Raises
        ------
        WrongImage
            If its axes cannot be understood.
        """
        ndim = max(get_method(method_id).info.spatial_ndims) if method_id else self.ndim
        return None if self.image_layer is None else image_source(self.image_layer, self.channels, ndim)

    def painted(self) -> Callable[[], Annotation] | None:
        """Copy what is painted, to be decoded in a worker; None if no layer is chosen.

        Raises
        ------
        WrongAnnotation
            If it does not fit the image.
        """
        viewer, image, labels = self._viewer(), self.image_layer, self.annotation_layer
        if viewer is None or image is None or labels is None:
            return None
        return painting_source(viewer, image, labels, self.labels_mode, ndim=self.ndim)

    def found(self) -> Callable[[], Annotation] | None:
        """Copy the results to learn from, to be compared in a worker; None if there are none, or not for this method.

        Raises
        ------
        WrongAnnotation
            If they do not fit the image.
        """
        first, second = self.results
        if self.image_layer is None or first is None or not get_method(self.method_id).info.learns_from_results:
            return None
        return results_source(first, second, self.image_layer, ndim=self.ndim)

    def examples(self, *, with_labels: bool) -> tuple[pipelines.Example, ...]:
        """Take what a job learns from, the chosen image first; empty if there is none.

        Raises
        ------
        CellSegError
            As `source` and `painted`.
        """
        source = self.source()
        if source is None:
            return ()
        chosen = pipelines.Example(source.read, self.painted() if with_labels else None, self.found())
        others = self.more.examples(self.channels, with_labels=with_labels, ndim=self.spatial_ndim)
        return (chosen, *others)

    def sources(self) -> tuple[Image | TrainingFile, ...]:
        """List what `examples` are taken from, in the same order."""
        return () if self.image_layer is None else (self.image_layer, *self.more.sources())

    def on_moved(self, layer: Layer) -> None:
        """Hear that a layer has another transform, other units or axes."""
        if layer is not self.image_layer:
            return
        before, self._reading = self._reading, self._read_as()
        if before[:1] != self._reading[:1]:
            self._begin_again()
        elif before != self._reading:
            self.reshaped.emit()
            self._estimate()
            self.check()
        self.placed.emit()

    def check(self, *_: object) -> None:
        """Look soon at whether the method can train on what is chosen."""
        self._check_soon.start()

    def forget(self) -> None:
        """Let go of all layers and of what is under way."""
        self._estimates.cancel()
        self._checks.cancel()
        self._check_soon.stop()
        self.more.forget()
        self.result.forget()
        self._unfollow()
        self.image_layer = self.annotation_layer = None
        self.results = (None, None)

    def _begin_again(self, kept: Kept | None = None) -> None:
        """Forget what was chosen and found for another image, or for another reading of this one."""
        kept = kept or Kept()
        self.channels = kept.channels
        self._reading = self._read_as()
        self.image_changed.emit(self.image_layer)
        self._estimate(kept.estimated)
        self.check()

    def _read_as(self) -> tuple[object, ...]:
        """How the chosen image is understood: its axes, and the proportions of a pixel; empty where it is not."""
        try:
            source = self.source()
        except CellSegError:
            return ()
        return () if source is None else (source.layout.axes, source.aspect)

    def _estimate(self, known: float | None = None) -> None:
        """Estimate the diameter, unless it is known from before."""
        self.estimated = known
        self._estimates.cancel()
        try:
            source = self.source()
        except CellSegError:
            source = None  # the check says why
        if source is not None and known is None:
            self._estimates.submit(lambda: pipelines.estimate(source.read))
        self.diameter_changed.emit()

    def _on_estimate(self, diameter: float) -> None:
        self.estimated = diameter
        self.diameter_changed.emit()

    def _check(self) -> None:
        if not self.method_id:
            return
        info = get_method(self.method_id).info
        try:
            examples = self.examples(with_labels=info.labels != "none")
        except CellSegError as problem:
            self.checked.emit(Checked((str(problem),)))
            return
        if examples:
            self._checks.submit(lambda: pipelines.check(examples, info.id))

    def _on_removed(self, event: Any) -> None:
        layer: Layer = event.value
        if layer is self.annotation_layer:
            self.choose_annotation(None)
        if layer in self.results:
            first, second = (None if one is layer else one for one in self.results)
            self.choose_results(first, second)
        if layer is self.image_layer:
            self.choose_image(None)

    def _unfollow(self) -> None:
        if self.annotation_layer is not None:
            self.annotation_layer.events.labels_update.disconnect(self.check)
            self.annotation_layer.events.paint.disconnect(self.check)
