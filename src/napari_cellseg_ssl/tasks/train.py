"""Training as a stream of events: everything around a method's own training loop."""

import importlib.metadata
import platform
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.data.volumes import require_depth, spatial_ndim
from napari_cellseg_ssl.core.inference.tiling import is_out_of_memory
from napari_cellseg_ssl.core.methods.base import Method, MethodInfo, Run, for_channels, get_method
from napari_cellseg_ssl.core.methods.checks import problems
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    Note,
    Snapshot,
    Step,
    TrainEvent,
    TrainFinished,
    Validated,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_folder import claimed, holds_finished_run, require_own_run, what_is_replaced
from napari_cellseg_ssl.core.model.starters import PREFIX, is_starter, load_starter, starters
from napari_cellseg_ssl.core.training.pseudo_labels import with_pseudo_labels
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.diameters import resolve_unknown
from napari_cellseg_ssl.tasks.events import RunEvent
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import blaming, closed_after, forget, guarded, release_memory
from napari_cellseg_ssl.tasks.predict import device_for, volume_notes
from napari_cellseg_ssl.tasks.preview import Previewer
from napari_cellseg_ssl.tasks.recorder import Recorder, Resumed, Settings, load_checkpoint
from napari_cellseg_ssl.tasks.requests import TrainRequest
from napari_cellseg_ssl.tasks.starter_selection import fits, pick
from napari_cellseg_ssl.tasks.throttle import thin

PACKAGES = ("napari-cellseg-ssl", "numpy", "scikit-image", "torch")
BATCH_ENDINGS = ("batch", "batch_size")
"""How methods name the options that decide how much memory a step takes."""


def train(request: TrainRequest, control: Control | None = None) -> Iterator[RunEvent]:
    """Train a method; the last event is `TrainFinished`, also after a stop.

    With `request.out` the run folder is written at the end, and a checkpoint from which an interrupted training
    can go on at least every half minute before.

    Yields
    ------
    Started, Step (at most 10 a second), Validated, Note, Preview, TrainFinished

    Raises
    ------
    CellSegError
        If something is wrong that the user can mend; before any work is done wherever that is possible.
    NotSaved
        If there is a model and its run cannot be written; the error holds the model.
    """
    control = control or Control()
    with guarded("Training"):
        yield from thin(_train(request, control))


def training_set(request: TrainRequest) -> TrainingSet:
    """Pair images with what is known of them and find their diameters, as `train` does; it raises the same."""
    info = get_method(request.method_id).info
    return _training_set(request, _settings(request, info), info)[0]


def _train(request: TrainRequest, control: Control) -> Iterator[RunEvent]:
    method = get_method(request.method_id)
    if request.out is not None and not request.resume:
        require_own_run(request.out, request.method_id, overwrite=request.overwrite)
    resumed = load_checkpoint(request) if request.resume else None
    settings = resumed.settings if resumed else _settings(request, method.info)
    data, sizes = _training_set(request, settings, method.info)
    yield from volume_notes(request.images, [item.diameter for item in data.items])
    parent, keeps, why = _start(request, settings, method.info, resumed)
    request = replace(request, start_from=parent)
    start = parent and for_channels(get_method(parent.method_id), parent, data.n_channels)
    device = device_for(method.info, settings.device, request.threads)
    recorder = Recorder(request, settings, data, control, resumed)
    run = Run(
        device=device.name,
        seed=settings.seed,
        should_stop=control.should_stop,
        elapsed=control.elapsed,
        time_budget=settings.time_budget,
        start_from=start,
        keeps_start=keeps,
        resume=resumed.checkpoint if resumed else None,
    )
    with nullcontext() if request.out is None else claimed(request.out):
        recorder.claim_folder()
        if resumed:
            yield Note(messages.continuing(resumed.checkpoint.step))
        replaced = what_is_replaced(request.out) if request.out is not None and not resumed else ""
        for text in (replaced, sizes, f"Device: {device.why}.", why):
            if text:
                yield Note(text)
        control.start_clock(resumed.seconds if resumed else 0.0)
        yield from _attempts(request, method, data, run, recorder)


def _attempts(
    request: TrainRequest, method: Method, data: TrainingSet, run: Run, recorder: Recorder
) -> Iterator[RunEvent]:
    """Train, with half the batch each time that it does not fit into memory."""
    while True:
        settings = recorder.settings
        try:
            yield from _attempt(request, method, data, settings, run, recorder)
            return
        except (MemoryError, RuntimeError) as problem:
            smaller = _half_batch(settings.options) if is_out_of_memory(problem) else None
            if smaller is None:
                raise
            forget(problem)
        release_memory()
        recorder.settings = replace(settings, options=smaller)
        run = replace(run, resume=recorder.checkpoint or run.resume)
        sizes = ", ".join(str(size) for size in _batches(smaller).values())
        yield Note(messages.smaller_batch(sizes))


def _attempt(
    request: TrainRequest, method: Method, data: TrainingSet, settings: Settings, run: Run, recorder: Recorder
) -> Iterator[RunEvent]:
    """Pass a method's events on; checkpoints are saved and snapshots become previews on the way."""
    previewer = Previewer(request.preview, data, method)
    with closed_after(method.train(data, settings.options, run)) as events:
        for event in _begun(events, run):
            match event:
                case Checkpoint():
                    recorder.save_checkpoint(event)
                case Snapshot():
                    yield from previewer.show(event)
                case TrainFinished():
                    yield _finish(event, request, settings, run, recorder)
                    return
                case _:
                    if isinstance(event, Step | Validated):
                        recorder.note(event)
                    yield event
    raise messages.method_without_model(request.method_id)


def _begun(events: Iterator[TrainEvent], run: Run) -> Iterator[TrainEvent]:
    """Pass events on; what goes wrong before the first one of a resumed training is the fault of its checkpoint."""
    if run.resume is not None:
        with blaming(f"The checkpoint of step {run.resume.step}"):
            first = next(events, None)
        if first is not None:
            yield first
    yield from events


def _finish(
    event: TrainFinished, request: TrainRequest, settings: Settings, run: Run, recorder: Recorder
) -> TrainFinished:
    bundle = event.bundle
    provenance = replace(
        bundle.provenance,
        seed=settings.seed,
        device=run.device,
        seconds=round(run.elapsed(), 1),
        steps=bundle.provenance.steps or recorder.last_step,
        reason=event.reason,
        preset=settings.preset,
        versions=_versions(),
        images=recorder.fingerprints,
        parent=request.start_from.id if isinstance(request.start_from, ModelBundle) else "",
    )
    bundle = replace(
        bundle,
        name=request.name or bundle.name,
        object_diameter=settings.object_diameter,
        provenance=provenance,
        history=recorder.history,
    )
    keeps_former = event.reason == "stopped" and request.out is not None and holds_finished_run(request.out)
    finished = TrainFinished(bundle, event.reason, keeps_former)
    if not keeps_former:
        recorder.save_run(finished)
    return finished


def _settings(request: TrainRequest, info: MethodInfo) -> Settings:
    options = request.options
    if options is None:
        options = info.preset(request.preset or None, ndim=spatial_ndim(request.images))
    if not isinstance(options, info.train_options):
        raise messages.not_training_options(info.id, options)
    if request.time_budget is not None and not request.time_budget > 0:
        raise messages.wrong_time_budget(request.time_budget)
    return Settings(
        options=options,
        preset=request.preset or next(iter(info.presets)),
        seed=request.seed,
        time_budget=request.time_budget,
        object_diameter=request.object_diameter,
        device=request.device,
    )


def _training_set(request: TrainRequest, settings: Settings, info: MethodInfo) -> tuple[TrainingSet, str]:
    """Pair images with what is known, refuse what cannot be trained on, then find the diameters and say which."""
    notes, found = _one_each(request, request.annotations), _one_each(request, request.pseudo_labels)
    if any(found) and not info.learns_from_results:
        raise messages.does_not_learn_from_results(info.title)
    known = (guess or note for note, guess in zip(notes, found, strict=True))
    pairs = zip(request.images, known, strict=True)
    unsized = TrainingSet(tuple(TrainingItem(image=image, annotation=note, diameter=1.0) for image, note in pairs))
    for problem in problems(unsized, info):
        raise problem
    told = request.known_diameters or (None,) * len(request.images)
    diameters, sizes = resolve_unknown(request.images, settings.object_diameter, told, one_size=request.one_size)
    for image, diameter in zip(request.images, diameters, strict=True):
        require_depth(image, diameter)
    if any(found):
        notes = with_pseudo_labels(notes, found, diameters)
    items = (
        TrainingItem(image=image, annotation=note, diameter=diameter)
        for image, note, diameter in zip(request.images, notes, diameters, strict=True)
    )
    return TrainingSet(tuple(items)), sizes


def _one_each(request: TrainRequest, notes: tuple[Annotation | None, ...]) -> tuple[Annotation | None, ...]:
    notes = notes or (None,) * len(request.images)
    if len(notes) != len(request.images):
        raise messages.annotations_for_each_image(len(request.images), len(notes))
    return notes


def _start(
    request: TrainRequest, settings: Settings, info: MethodInfo, resumed: Resumed | None
) -> tuple[ModelBundle | None, bool, str]:
    """Return what the training begins or began with, whether it may be given back as it was, and why in a sentence."""
    start = request.start_from
    if resumed and not isinstance(start, ModelBundle):
        start = load_starter(resumed.starter) if resumed.starter else None
    look: dict[str, Any] = {"object_diameter": settings.object_diameter, "device": settings.device}
    look["threads"] = request.threads
    if start == "auto":
        picked, why = pick(info, settings.options, request.images, **look)
        return picked, picked is not None, why
    if start is None:
        return None, False, ""
    _check_start(start, info)
    if not is_starter(start):
        return start, False, ""
    fit = fits(start, request.images, **look)
    doubt = "" if fit.fits else ", though it does not seem to fit"
    return start, fit.fits, "" if resumed else f"Starting from {start.name}{doubt}. {fit.why}"


def _check_start(start: ModelBundle, info: MethodInfo) -> None:
    if not info.accepts(start):
        own = (PREFIX + one.name for one in starters() if one.method_id == info.id)
        choices = ", ".join([f"a run of '{info.id}'", *own])
        raise messages.cannot_start_from(info.title, start.name, start.method_id, choices)


def _half_batch(options: Any) -> Any | None:
    """Return options with half of every batch, or None where there is nothing to halve."""
    smaller = {name: size // 2 for name, size in _batches(options).items() if size > 1}
    return replace(options, **smaller) if smaller else None


def _batches(options: Any) -> dict[str, int]:
    return {f.name: int(getattr(options, f.name)) for f in fields(options) if f.name.endswith(BATCH_ENDINGS)}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
