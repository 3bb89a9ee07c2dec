"""What each command does: paths in, a request to `tasks`, and its events told."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api import inputs, models
from napari_cellseg_ssl.cli import messages
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.data.volumes import spatial_ndim
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_folder import require_own_run
from napari_cellseg_ssl.core.model.starters import PREFIX, default_start
from napari_cellseg_ssl.core.options import options_to_json, with_values
from napari_cellseg_ssl.tasks import (
    Control,
    PredictRequest,
    TrainRequest,
    TuneFinished,
    TuneRequest,
)
from napari_cellseg_ssl.tasks import predict as predict_events
from napari_cellseg_ssl.tasks import train as train_events
from napari_cellseg_ssl.tasks import tune as tune_events
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.events import best_trials
from napari_cellseg_ssl.tasks.predict import bundle_ndims

BEST_SHOWN = 5


def train(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Train a method and write its run folder."""
    info = get_method(arguments.method).info
    if not arguments.resume:  # before images are read, which may take long
        require_own_run(arguments.out, info.id, overwrite=arguments.overwrite)
    images, annotations, found = inputs.collect(
        arguments.images,
        arguments.labels,
        arguments.pseudo_labels,
        arguments.agreeing_with,
        reading=reading_of(arguments, info.spatial_ndims),
        labels_mode=arguments.labels_mode,
        tell=console.remark,
    )
    preset = info.preset(arguments.preset or None, ndim=spatial_ndim(images))
    request = TrainRequest(
        method_id=info.id,
        images=images,
        annotations=annotations,
        pseudo_labels=found,
        options=with_values(preset, option_values(arguments.set)),
        preset=arguments.preset,
        object_diameter=arguments.object_diameter,
        device=arguments.device,
        seed=arguments.seed,
        time_budget=arguments.time_budget,
        start_from=models.start(arguments.start_from or default_start(info.id)),
        out=arguments.out,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        name=arguments.out.name,
    )
    for event in console.follow(train_events(request, control), f"Training {info.id}"):
        if isinstance(event, TrainFinished):
            _tell_trained(event, arguments.out, console)


def _tell_trained(event: TrainFinished, out: Path, console: Console) -> None:
    bundle, origin = event.bundle, event.bundle.provenance
    where = f"the finished run in {out} is kept" if event.kept_former else f"saved in {out}"
    console.say(f"{bundle.method_id}: {origin.steps} steps in {origin.seconds:.0f} s ({event.reason}), {where}")
    for text in origin.notes:
        console.say(f"  {text}")
    if origin.scores:
        console.say("  " + ", ".join(f"{name} {value:.3f}" for name, value in origin.scores.items()))
    if event.reason == "stopped":
        console.note(messages.continue_with_resume())
    console.result(
        {
            "run": str(out),
            "method": bundle.method_id,
            "reason": event.reason,
            "steps": origin.steps,
            "seconds": origin.seconds,
            "device": origin.device,
            "object_diameter": bundle.object_diameter,
            "scores": dict(origin.scores),
            "notes": list(origin.notes),
            "segment_options": options_to_json(bundle.segment_options),
        }
    )


def tune(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Search segmentation options on painted cells, and keep the best ones in the run."""
    if arguments.model.startswith(PREFIX):
        raise messages.starter_is_not_changed(arguments.model)
    bundle = models.load_run(arguments.model)
    images, annotations, _ = inputs.collect(
        arguments.images,
        arguments.labels,
        reading=reading_of(arguments, bundle_ndims(bundle)),
        labels_mode=arguments.labels_mode,
        tell=console.remark,
    )
    labelled = [(image, note) for image, note in zip(images, annotations, strict=True) if note is not None]
    maps = []
    for image, _ in labelled:
        request = PredictRequest(
            bundle=bundle, image=image, object_diameter=arguments.object_diameter, device=arguments.device
        )
        events = console.follow(predict_events(request, control), image.name)
        maps += [event.maps for event in events if isinstance(event, MapsReady)]
    if control.is_stopping:
        return
    request_ = TuneRequest(
        method_id=bundle.method_id,
        maps=tuple(maps),
        annotations=tuple(note for _, note in labelled),
        options=bundle.segment_options,
        trials=arguments.trials,
        seed=arguments.seed,
    )
    for event in console.follow(tune_events(request_, control), "Tuning"):
        if isinstance(event, TuneFinished):
            _tell_tuned(event, bundle, Path(arguments.model), console)


def _tell_tuned(event: TuneFinished, bundle: ModelBundle, folder: Path, console: Console) -> None:
    default = options_to_json(bundle.segment_options)
    console.say(f"score {event.default_score:.3f} as it was, {event.score:.3f} with the best of {len(event.trials)}")
    for trial in best_trials(event.trials, BEST_SHOWN):
        changed = {name: value for name, value in options_to_json(trial.options).items() if value != default[name]}
        words = " ".join(f"{name}={_short(value)}" for name, value in changed.items()) or "as it was"
        console.say(f"  {trial.score:.3f}  overlap {trial.overlap:.3f}  {words}")
    dataclasses.replace(bundle, segment_options=event.options).save(folder)
    console.say(f"The best options are stored in {folder}.")
    trials = [{"score": t.score, "overlap": t.overlap, "options": options_to_json(t.options)} for t in event.trials]
    console.result(
        {
            "run": str(folder),
            "score": event.score,
            "default_score": event.default_score,
            "options": options_to_json(event.options),
            "trials": trials,
        }
    )


def reading_of(arguments: argparse.Namespace, spatial_ndims: Sequence[int]) -> Reading:
    """Say how images are to be read."""
    return Reading(
        axes=arguments.axes,
        channels=arguments.channels,
        z=arguments.z,
        spacing=arguments.spacing,
        spatial_ndims=spatial_ndims,
    )


def option_values(pairs: Sequence[str]) -> dict[str, str]:
    """Parse what was said by --set."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise messages.option_without_value(pair)
        values[name.strip().replace("-", "_")] = value.strip()
    return values


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
