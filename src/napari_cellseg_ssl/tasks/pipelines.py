"""The chains of use cases behind the buttons of the docks: each is one stream of events for one worker."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import OutOfMemory
from napari_cellseg_ssl.core.methods.base import LearnsInStages, get_method
from napari_cellseg_ssl.core.methods.checks import problems
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, Remark, TileDone, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.matching import match_pairs, overlap
from napari_cellseg_ssl.core.metrics.scores import pooled_f1
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.core.model.starters import PREFIX, load_starter
from napari_cellseg_ssl.core.model.weights_file import load_arrays
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.diameters import resolve_diameter
from napari_cellseg_ssl.tasks.events import LabelsReady, TuneFinished
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.predict import predict, segment, segment_image
from napari_cellseg_ssl.tasks.recorder import NotSaved
from napari_cellseg_ssl.tasks.requests import Diameter, PredictRequest, SegmentRequest, TrainRequest, TuneRequest
from napari_cellseg_ssl.tasks.session.advance import Agreement, Began, BundleOpened, Checked, MethodChosen
from napari_cellseg_ssl.tasks.starter_selection import REFERENCE as REFERENCE
from napari_cellseg_ssl.tasks.starter_selection import suits
from napari_cellseg_ssl.tasks.train import train
from napari_cellseg_ssl.tasks.tune import tune
from napari_cellseg_ssl.tasks.warm_up import load_torch

"""The method that needs no training, whose result stands beside every learned one."""
PARTS = 1000
"""Resolution of the progress of one image among several."""

ReadImage = Callable[[], ImageStack]
"""Reads the image in the worker: it may be lazy."""
ReadPainting = Callable[[], Annotation]
"""Decodes what was painted when the job was asked for."""


@dataclass(frozen=True)
class Example:
    """An image to learn from, what is painted on it and what was found in it, if anything; read in the worker."""

    read: ReadImage
    painted: ReadPainting | None = None
    found: ReadPainting | None = None
    diameter: float | None = None
    """Of its objects in source px, where it is known for certain."""

    def annotation(self) -> Annotation | None:
        """Decode what is painted; None where that is nothing."""
        found = self.painted() if self.painted else None
        return found if found is not None and found.known.any() else None


@dataclass(frozen=True)
class ReferenceReady:
    """The classical instances of an image, (N, *S)."""

    labels: Array
    diameter: float


@dataclass(frozen=True)
class DiameterFound:
    """Estimated diameter of the objects of an image, source px."""

    diameter: float


def estimate(read: ReadImage) -> float:
    """Estimate the object diameter of an image, source px."""
    return resolve_diameter(read(), "auto")


def check(examples: Sequence[Example], method_id: str) -> Checked:
    """Say why a method cannot train on what is chosen, if so, and how many cells are known in it."""
    known = ((e.read(), (e.found and e.found()) or e.annotation()) for e in examples)
    items = (TrainingItem(image=image, annotation=note, diameter=1.0) for image, note in known)
    data = TrainingSet(tuple(items))
    reasons = tuple(str(problem) for problem in problems(data, get_method(method_id).info))
    return Checked(reasons, data.n_cells)


def learn(examples: Sequence[Example], request: TrainRequest, control: Control) -> Iterator[object]:
    """Show the classical result, train, then segment the first image with what was learned from all.

    Parameters
    ----------
    request : TrainRequest
        Without images, annotations and pseudo-labels: those that are read are trained on. Its diameter is that of the
        first image.
    """
    yield Began("preparing")
    images = tuple(example.read() for example in examples)
    request = replace(
        request,
        images=images,
        annotations=tuple(example.annotation() for example in examples),
        pseudo_labels=tuple(example.found and example.found() for example in examples),
        one_size=False,
        known_diameters=tuple(example.diameter for example in examples),
    )
    image = images[0]
    reference = yield from _reference(image, request.object_diameter, control)
    if get_method(request.method_id).info.uses_torch:
        yield from load_torch()
    yield Began("training", can_pause=True)
    bundle = None
    try:
        for event in train(request, control):
            yield event
            if isinstance(event, TrainFinished):
                bundle = event.bundle
    except NotSaved as problem:
        yield problem.finished  # the window has the model even where the disk has none
        raise
    if bundle is not None and not control.should_stop():
        model = Model(bundle, None, request.device, request.threads)
        yield from _recognise(model.on(image), bundle.segment_options, reference, control)
    method = get_method(request.method_id)
    if bundle is not None and isinstance(method, LearnsInStages) and (text := method.next_act(bundle)):
        yield Remark(text)


@dataclass(frozen=True)
class Model:
    """A model and how to run it; `diameter` None takes what the model says."""

    bundle: ModelBundle
    diameter: Diameter | None = None
    device: str = "auto"
    threads: int | None = None

    def on(self, image: ImageStack) -> PredictRequest:
        """Ask for the maps of an image."""
        return PredictRequest(
            bundle=self.bundle,
            image=image,
            object_diameter=self.diameter,
            device=self.device,
            threads=self.threads,
        )


def apply(read: ReadImage, model: Model, options: Any, control: Control) -> Iterator[object]:
    """Segment an image with a model, the classical result beside it."""
    yield Began("preparing")
    image = read()
    reference = yield from _reference(image, model.diameter or model.bundle.object_diameter, control)
    if get_method(model.bundle.method_id).info.uses_torch:
        yield from load_torch()
    yield from _recognise(model.on(image), options, reference, control)


def begin_with(read: ReadImage, name: str, model: Callable[[ModelBundle], Model], control: Control) -> Iterator[object]:
    """Segment an image with a starter model, and say whether it suits the image.

    Parameters
    ----------
    name : str
        Of the starter.
    model : bundle -> Model
        How it is to be run.
    """
    yield Began("preparing")
    image = read()
    yield from load_torch()
    bundle = load_starter(name)
    yield BundleOpened(bundle, f"{PREFIX}{name}")
    maps, f1 = None, None
    for event in apply(lambda: image, model(bundle), bundle.segment_options, control):
        yield event
        maps = event.maps if isinstance(event, MapsReady) else maps
        f1 = event.f1 if isinstance(event, Agreement) else f1
    if maps is None or f1 is None:
        return
    found = suits(bundle, maps, f1)
    yield Remark(messages.starter_suits() if found.fits else messages.starter_may_not_suit(found.why))


def resume(
    examples: Sequence[Example], folder: Path, device: str, threads: int | None, control: Control
) -> Iterator[object]:
    """Go on with an interrupted training, by the settings recorded in its folder."""
    yield Began("opening")
    method_id = str(load_arrays(folder / CHECKPOINT_FILE)[1].get("method"))
    needs_labels = get_method(method_id).info.labels != "none"
    request = TrainRequest(
        method_id=method_id,
        images=(),
        device=device,
        threads=threads,
        out=folder,
        resume=True,
    )
    yield MethodChosen(method_id, learns=method_id != REFERENCE)
    yield from learn(examples if needs_labels else [Example(e.read) for e in examples], request, control)


def apply_reference(
    read: ReadImage, method_id: str, diameter: Diameter, options: Any, control: Control
) -> Iterator[object]:
    """Segment with a method that learns nothing; its model is made on the way."""
    yield Began("preparing")
    image = read()
    finished = last_of(
        train(TrainRequest(method_id=method_id, images=(image,), object_diameter=diameter), control), TrainFinished
    )
    bundle = finished.bundle if options is None else replace(finished.bundle, segment_options=options)
    yield replace(finished, bundle=bundle)
    yield from _recognise(PredictRequest(bundle=bundle, image=image), options, None, control)


def redraw(method_id: str, maps: PredictionMaps, options: Any) -> LabelsReady:
    """Make instances again from cached maps: no network, no image."""
    return last_of(segment(SegmentRequest(method_id=method_id, maps=maps, options=options)), LabelsReady)


def search(
    maps: PredictionMaps, examples: Sequence[Example], model: Model, options: Any, control: Control
) -> Iterator[object]:
    """Search thresholds on all that is painted, then draw the instances of the first image with the best ones.

    Parameters
    ----------
    maps : PredictionMaps
        Of the first image; those of the others are predicted here, where something is painted on them.
    """
    found: list[tuple[PredictionMaps, Annotation]] = []
    for number, example in enumerate(examples):
        note, one = example.annotation(), maps if number == 0 else None
        if note is not None and number > 0:
            yield Began("predicting", can_pause=True)
            one = yield from maps_among(model, example, example.read(), number, len(examples), control)
        if control.should_stop():
            return
        if note is not None and one is not None:
            found.append((one, note))
    yield Began("tuning")
    if len(found) > 1:
        yield Note(messages.images_with_painting(len(found)))
    method_id = model.bundle.method_id
    request = TuneRequest(
        method_id=method_id,
        maps=tuple(one for one, _ in found),
        annotations=tuple(note for _, note in found),
        options=options,
    )
    for event in tune(request, control):
        yield event
        if isinstance(event, TuneFinished):
            yield redraw(method_id, maps, event.options)


def maps_among(
    model: Model, example: Example, image: ImageStack, number: int, total: int, control: Control
) -> Generator[object, None, PredictionMaps | None]:
    """Predict the image of one example of several; None where it does not fit into memory, and after a stop.

    A diameter that the user gave is that of the first image.
    """
    request = (model if number == 0 else replace(model, diameter=example.diameter)).on(image)
    try:
        for event in predict(request, control):
            match event:
                case MapsReady(maps):
                    return maps
                case TileDone(done, tiles):
                    yield TileDone(PARTS * number + PARTS * done // tiles, PARTS * total)
    except OutOfMemory as problem:
        yield Note(messages.left_out(problem.message))
    return None


def save(bundle: ModelBundle, folder: Path, _control: Control) -> Iterator[object]:
    """Write a run folder."""
    yield Began("saving")
    bundle.save(folder)
    yield Note(messages.model_saved(folder))


def reopen(folder: Path, _control: Control) -> Iterator[object]:
    """Read a run folder."""
    yield Began("opening")
    yield BundleOpened(ModelBundle.load(folder), folder.name)


def agreement(labels: Array, reference: Array | None) -> Agreement:
    """Count instances, (N, *S), and compare them at IoU 0.5 with others of the same frames, if there are any."""
    if reference is None or reference.shape != labels.shape:
        return Agreement(None, sum(int(np.count_nonzero(np.unique(frame))) for frame in labels))
    pairs = zip(reference, labels, strict=True)
    matches = [match_pairs(overlap(one, other), 0.5) for one, other in pairs]
    return Agreement(pooled_f1(matches), sum(m.n_prediction for m in matches), sum(m.n_truth for m in matches))


def _reference(image: ImageStack, diameter: Diameter, control: Control) -> Generator[object, None, Array | None]:
    """Yield and return the classical instances; None after a stop."""
    size = resolve_diameter(image, diameter)
    yield DiameterFound(size)
    request = TrainRequest(method_id=REFERENCE, images=(image,), object_diameter=size)
    bundle = last_of(train(request), TrainFinished).bundle
    for event in segment_image(PredictRequest(bundle=bundle, image=image), control=control):
        if isinstance(event, LabelsReady):
            yield ReferenceReady(event.labels, size)
            return event.labels
    return None


def _recognise(request: PredictRequest, options: Any, reference: Array | None, control: Control) -> Iterator[object]:
    """Predict, segment and compare; without maps, block by block, where they would not fit into memory."""
    yield Began("predicting", can_pause=True)
    labels = None
    try:
        for event in _predict_and_segment(request, options, control):
            yield event
            labels = event.labels if isinstance(event, LabelsReady) else labels
    except OutOfMemory as problem:
        yield Note(messages.maps_not_kept(problem.message))
        for event in segment_image(request, options, control):
            yield event
            labels = event.labels if isinstance(event, LabelsReady) else labels
    if labels is not None:
        yield agreement(labels, reference)


def _predict_and_segment(request: PredictRequest, options: Any, control: Control) -> Iterator[object]:
    maps = None
    for event in predict(request, control):
        yield event
        maps = event.maps if isinstance(event, MapsReady) else maps
    if maps is not None:
        yield Began("segmenting")
        yield from segment(SegmentRequest(method_id=request.bundle.method_id, maps=maps, options=options), control)
