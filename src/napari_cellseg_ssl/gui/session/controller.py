"""One session per viewer: what panels ask becomes requests, events of jobs become state and layers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, Note
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, RUN_FILE
from napari_cellseg_ssl.core.model.starters import find_starter
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.placement import Placement
from napari_cellseg_ssl.gui.session import results
from napari_cellseg_ssl.gui.session.following import Following
from napari_cellseg_ssl.gui.session.image_source import watched_window
from napari_cellseg_ssl.gui.session.keeper import SessionKeeper
from napari_cellseg_ssl.gui.session.log import SessionLog
from napari_cellseg_ssl.gui.session.map_cache import KeptMaps
from napari_cellseg_ssl.gui.session.restoring import Restorer
from napari_cellseg_ssl.gui.session.selection import Choices
from napari_cellseg_ssl.gui.session.settings import CPU_THREADS, LearnSettings, training_request
from napari_cellseg_ssl.gui.session.worker import Job, JobWorker, LatestOnly, Stamped, describe
from napari_cellseg_ssl.tasks import LabelsReady, Preview, PreviewWindow, TuneFinished, pipelines
from napari_cellseg_ssl.tasks.session.advance import (
    Agreement,
    Began,
    Ended,
    Failed,
    ImageChosen,
    MapsTaken,
    MethodChosen,
    PauseAsked,
    SessionState,
    StopAsked,
    advance,
)

T = TypeVar("T")
WATCH_MS = 500
LONGEST_STOP_S = 5.0
"""How long a window that closes waits for its job to keep the best so far."""


class Controller(QObject):
    """The session of one viewer; made by `controller_of`."""

    state_changed = Signal(object)
    image_changed = Signal(object)
    annotation_changed = Signal(object)
    maps_changed = Signal(object)
    labels_changed = Signal(object)
    tuned = Signal(object)
    happened = Signal(object)
    """Every event of the running job, for panels that start jobs of their own."""
    ended = Signal()
    """The session is over: nothing is drawn any more."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self.state = SessionState()
        self.maps: PredictionMaps | None = None
        self.device = "auto"
        self.segment_options: Any = None
        self.choices = Choices(viewer, self)
        self.choices.image_changed.connect(self._on_image)
        self.choices.annotation_changed.connect(self.annotation_changed)
        self.choices.more.failed.connect(self.report)
        self.choices.checked.connect(self.apply)
        self.choices.reshaped.connect(lambda: self.apply(ImageChosen(self.state.image)))
        self.placement = Placement(viewer, self)
        self.placement.moved.connect(self.choices.on_moved)
        self.choices.result.counted.connect(self.apply)
        self.session = SessionKeeper(self)
        self.log = SessionLog(self, self.session.autosave)
        self.restorer = Restorer(self, self.session.autosave)
        self._redraws = LatestOnly(self)
        self._redraws.done.connect(self._on_redraw)
        self._redraws.failed.connect(self.report)
        self._worker: JobWorker | None = None
        self._job_image: Image | None = None
        self._last_image: Image | None = None
        self._kept_maps = KeptMaps()
        self._window: PreviewWindow | None = None
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._look)
        self.following = Following(viewer, self.choices, self)

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer, as long as it is open."""
        return self._viewer()

    @property
    def image_layer(self) -> Image | None:
        """The chosen image."""
        return self.choices.image_layer

    @property
    def job_image(self) -> Image | None:
        """The image that the last job was about, if it is still open; the user may look at another one meanwhile."""
        viewer, image = self.viewer, self._job_image
        return image if viewer is not None and image in viewer.layers else None

    @property
    def annotation_layer(self) -> Labels | None:
        """The chosen annotation."""
        return self.choices.annotation_layer

    @property
    def bundle(self) -> ModelBundle | None:
        """The current model."""
        return self.state.bundle

    @property
    def model(self) -> pipelines.Model | None:
        """The current model, and how to run it on the chosen image."""
        return None if self.bundle is None else self._ways()(self.bundle)

    def _ways(self) -> Callable[[ModelBundle], pipelines.Model]:
        """Take what is chosen now of how a model is to be run."""
        given = None if (diameter := self.choices.diameter) == "auto" else diameter
        return partial(pipelines.Model, diameter=given, device=self.device, threads=CPU_THREADS)

    def apply(self, event: object, seconds: float = 0.0) -> None:
        """Advance the session and let the panels draw it."""
        state = advance(self.state, event, seconds)
        if state is not self.state:
            self.state = state
            if not state.has_maps and self.maps is not None:
                self._redraws.cancel()
                self.maps = None
            self.state_changed.emit(state)

    def report(self, failure: Failed) -> None:
        """Show what went wrong outside a job."""
        self.apply(failure)

    def taken(self, take: Callable[[], T]) -> T | None:
        """Take something of what is chosen; where that cannot be, the user reads why."""
        try:
            return take()
        except CellSegError as problem:
            self.report(describe(problem))
            return None

    def choose_method(self, method_id: str, *, again: bool = False) -> None:
        """Work with another method; with the same one `again`, what was found with a starter is left too."""
        if method_id != self.state.method_id or (again and self.state.borrowed):
            self.apply(MethodChosen(method_id, learns=method_id != pipelines.REFERENCE))
        self.choices.choose_method(method_id)

    # What the buttons do

    def run(self, job: Job) -> bool:
        """Run a job in the background; False if another one is running. Its first event should be `Began`."""
        if self._worker is not None:
            return False
        self._redraws.cancel()
        self._job_image = self.image_layer
        self.apply(Began("preparing"))
        self._worker = JobWorker(results.drawing(job), self)
        self._worker.happened.connect(self._on_event)
        self._worker.start()
        return True

    def train(self, settings: LearnSettings) -> None:
        """Train on the chosen image and those beside it, then segment the chosen one."""
        state, info = self.state, get_method(self.state.method_id).info
        examples = self.taken(lambda: self.choices.examples(with_labels=info.labels != "none"))
        if not examples:
            return
        out = self.session.new_run(info.id)
        request = training_request(settings, info, state.bundle, self.choices, self.device, out)
        request = replace(request, preview=lambda: self._window)
        self._window = None
        job = self.session.keeping(lambda control: pipelines.learn(examples, request, control), out)
        if self.run(job) and settings.preview:
            self._watch.start()

    def segment(self, options: Any) -> None:
        """Segment the chosen image with the current model."""
        state, model, diameter = self.state, self.model, self.choices.diameter
        source = self.taken(lambda: self.choices.source(state.segments_with))
        if source is None:
            return
        if not state.learns and not state.borrowed:
            self.run(
                lambda control: pipelines.apply_reference(source.read, state.method_id, diameter, options, control)
            )
        elif model is not None and model.bundle.method_id == state.segments_with:
            self.run(lambda control: pipelines.apply(source.read, model, options, control))

    def begin_with(self, starter: str) -> None:
        """Make a starter model the current one, and segment the chosen image with it; the chosen method stays."""
        source = self.taken(lambda: self.choices.source(find_starter(starter).method_id))
        if source is not None:
            job = partial(pipelines.begin_with, source.read, starter, self._ways())
            self.run(self.session.keeping(job))

    def adjust(self, options: Any) -> None:
        """Draw the instances again from the cached maps; the network is not run."""
        self.segment_options = options
        maps, method_id = self.maps, self.state.segments_with
        if maps is not None and self._worker is None:
            self._redraws.submit(lambda: pipelines.redraw(method_id, maps, options))

    def tune(self, options: Any) -> None:
        """Search thresholds against what was painted on the chosen image and those beside it."""
        maps, model = self.maps, self.model
        examples = self.taken(lambda: self.choices.examples(with_labels=True))
        if maps is None or model is None or not examples:
            return
        if not any(example.painted for example in examples):
            self.report(messages.nothing_to_tune_for())
            return
        self.run(self.session.keeping(lambda control: pipelines.search(maps, examples, model, options, control)))

    def keep_options(self, options: Any) -> None:
        """Keep segmentation options in the current model, so that they are used wherever it goes."""
        self.session.keep_options(options)

    def save_run(self, folder: Path) -> None:
        """Save the current model, and what was painted when it was made."""
        self.session.save(folder)

    def open_run(self, folder: Path) -> None:
        """Open a saved model; an interrupted training, which has none yet, goes on."""
        if (folder / RUN_FILE).exists() or not (folder / CHECKPOINT_FILE).exists():
            self.run(self.session.keeping(lambda control: pipelines.reopen(folder, control), folder))
            return
        examples = self.taken(lambda: self.choices.examples(with_labels=True))
        if not examples:
            self.report(messages.training_needs_its_image())
            return
        job = partial(pipelines.resume, examples, folder, self.device, CPU_THREADS)
        self.run(self.session.keeping(job, folder))

    def stop(self) -> None:
        """Ask the running job to end with the best it has."""
        if self._worker is not None:
            self._worker.control.stop()
            self.apply(StopAsked())

    def pause(self) -> None:
        """Pause the running job, or let it go on."""
        if self._worker is not None:
            control = self._worker.control
            (control.resume if control.is_paused else control.pause)()
            self.apply(PauseAsked(control.is_paused))

    def attach(self, window: QWidget) -> None:
        """End the session when a window is gone."""
        window.destroyed.connect(self.dispose)

    def dispose(self, *_: object) -> None:
        """Stop what runs, which keeps the best so far, and let go of everything."""
        self.ended.emit()
        self._watch.stop()
        self._redraws.cancel()
        self.following.forget()
        self.choices.forget()
        if self._worker is not None:
            self._worker.control.stop()
            self._worker.wait(LONGEST_STOP_S)
        self.session.autosave.end(in_order=self._worker is None)
        self.log.close()
        self._job_image = self._last_image = self.maps = None
        self._kept_maps.clear()

    # What comes back

    def _on_event(self, stamped: Stamped) -> None:
        event = stamped.event
        if isinstance(event, Ended) and self._worker is not None:
            self._worker.deleteLater()
            self._worker = None
            self._watch.stop()
        if isinstance(event, MapsReady | LabelsReady | Agreement) and self.job_image is None:
            self.apply(Note(messages.image_closed_model_kept()))
            return
        is_in_sight = self.job_image is None or self.job_image is self.image_layer
        told = event if is_in_sight else results.told_elsewhere(event, self._job_image, self.state.message)
        self.apply(told, stamped.seconds)
        self.session.receive(event)
        if isinstance(event, MapsReady) and self.job_image is not None:
            self._kept_maps.keep(self.job_image, event.maps, self.state.method_id)
        if isinstance(told, MapsReady):
            self.maps = told.maps
            self.maps_changed.emit(told.maps)
        self._show(event)
        if isinstance(event, TuneFinished):
            self.tuned.emit(event.options)
        self.happened.emit(event)

    def _on_redraw(self, event: LabelsReady) -> None:
        self._job_image = self.image_layer
        self._show(event)

    def _show(self, event: object) -> None:
        """Show a result over its image, if both the image and the viewer are still there."""
        viewer, image = self._viewer(), self.job_image
        if viewer is None or image is None:
            return
        method_id = self.state.method_id if isinstance(event, Preview) else self.state.segments_with
        notice = results.show(viewer, image, event, method_id, self.state.bundle)
        if notice:
            self.apply(notice)
        if isinstance(event, LabelsReady):
            self.labels_changed.emit(event)

    def _on_image(self, layer: Image | None) -> None:
        """Work on another image, with its maps if they are still there; or on this one, understood anew."""
        if layer is not None and layer is self._last_image:
            self._kept_maps.forget(layer)
        self._last_image = layer
        self.apply(ImageChosen("" if layer is None else layer.name))
        maps = None if layer is None else self._kept_maps.take(layer, self.state)
        if maps is not None:
            self.maps = maps
            self.apply(MapsTaken())
            self.maps_changed.emit(maps)
        self.image_changed.emit(layer)

    def _look(self) -> None:
        """Remember what is on the screen, for the training's next preview."""
        self._window = watched_window(self._viewer(), self._job_image, self.segment_options, self.choices.ndim)


_CONTROLLERS: "WeakKeyDictionary[ViewerModel, Controller]" = WeakKeyDictionary()


def controller_of(viewer: ViewerModel) -> Controller:
    """Return the session of a viewer; it is made on first use and ends with the viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy
    if viewer not in _CONTROLLERS:
        _CONTROLLERS[viewer] = Controller(viewer)
    return _CONTROLLERS[viewer]
