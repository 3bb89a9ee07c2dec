"""The main job on the packaged images: no labels, then a few painted cells, judged by the truth."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.cli.comparison import Panel, save_comparison
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.user_files import read_image, read_labels
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished
from napari_cellseg_ssl.core.metrics.scores import ImageScores, image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_folder import require_own_run
from napari_cellseg_ssl.tasks import (
    Control,
    ExportRequest,
    LabelsReady,
    PredictRequest,
    SegmentRequest,
    TrainRequest,
    export,
    predict,
    segment,
    train,
)
from napari_cellseg_ssl.tasks.export import target_files

SECONDS = {"cellulus": 75.0, "actis": 150.0}
QUICK_SECONDS = 4.0
SHOWN = ("f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice")
CAPTIONS = {
    "classical": "classical, no training",
    "cellulus": "cellulus, no labels",
    "actis": "actis, few painted cells",
}


@dataclass(frozen=True)
class _Sample:
    image: ImageStack
    truth: Array
    annotation: Annotation | None


def run_demo(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Train on the packaged images, segment them, and show the results beside each other."""
    found = _load()
    picture = arguments.out / "comparison.png"
    _require_own(found, picture, arguments)
    n_painted = sum(one.annotation.n_cells for one in found if one.annotation is not None)
    n_cells = sum(len(np.unique(one.truth)) - 1 for one in found)
    console.say(f"{len(found)} fluorescence images with {n_cells} nuclei, {n_painted} of them painted.")
    results: dict[str, dict[str, tuple[Array, ImageScores]]] = {}
    for method_id, caption in CAPTIONS.items():
        console.say(f"\n{caption}")
        bundle = _train(method_id, found, arguments, console, control)
        if bundle is None or control.is_stopping:
            return
        results[method_id] = _segment_all(bundle, found, arguments, control)
        if len(results[method_id]) < len(found):
            return
    means = _tell_scores(results, console)
    save_comparison(picture, [_row(one, results) for one in found])
    console.say(f"\nLabels, maps and models are in {arguments.out}; the picture is {picture}")
    console.result({"out": str(arguments.out), "picture": str(picture), "means": means})


def _require_own(found: list[_Sample], picture: Path, arguments: argparse.Namespace) -> None:
    """Refuse to replace files of others, before minutes of training."""
    files = [picture]
    for method_id in CAPTIONS:
        require_own_run(arguments.out / "runs" / method_id, method_id, overwrite=arguments.overwrite)
        maps = get_method(method_id).info.maps
        files += [file for one in found for file in target_files(arguments.out / method_id, one.image.name, maps)]
    require_own(files, overwrite=arguments.overwrite)


def _load() -> list[_Sample]:
    found = []
    for name in samples.NAMES:
        image = read_image(samples.IMAGES / f"{name}.tif")
        painted = samples.PAINTED / f"{name}.tif"
        note = Annotation.from_painting(read_labels(painted, image)) if painted.exists() else None
        found.append(_Sample(image, read_labels(samples.LABELS / f"{name}.tif", image), note))
    return found


def _train(
    method_id: str, found: list[_Sample], arguments: argparse.Namespace, console: Console, control: Control
) -> ModelBundle | None:
    budget = SECONDS.get(method_id)
    request = TrainRequest(
        method_id=method_id,
        images=tuple(one.image for one in found),
        annotations=tuple(one.annotation for one in found) if method_id == "actis" else (),
        time_budget=min(budget, QUICK_SECONDS) if budget and arguments.quick else budget,
        out=arguments.out / "runs" / method_id,
        overwrite=arguments.overwrite,
        name=method_id,
    )
    for event in console.follow(train(request, control), "Training"):
        if isinstance(event, TrainFinished):
            return event.bundle
    return None


def _segment_all(
    bundle: ModelBundle, found: list[_Sample], arguments: argparse.Namespace, control: Control
) -> dict[str, tuple[Array, ImageScores]]:
    done = {}
    for one in found:
        maps = _last(predict(PredictRequest(bundle=bundle, image=one.image), control), MapsReady)
        if maps is None:
            break
        made: PredictionMaps = maps.maps
        request = SegmentRequest(method_id=bundle.method_id, maps=made, options=bundle.segment_options)
        labels = next(event.labels for event in segment(request) if isinstance(event, LabelsReady))
        folder = arguments.out / bundle.method_id
        order = ExportRequest(folder=folder, image=one.image, labels=labels, maps=made, overwrite=arguments.overwrite)
        for _ in export(order):
            pass
        done[one.image.name] = (labels, image_scores(one.truth, labels))
    return done


def _last(events: Any, kind: type) -> Any:
    return next((event for event in events if isinstance(event, kind)), None)


def _tell_scores(
    results: dict[str, dict[str, tuple[Array, ImageScores]]], console: Console
) -> dict[str, dict[str, float]]:
    console.say("\nMean over the three images, against the packaged truth:")
    console.say(" ".join([f"{'':<10}", *(f"{name:>9}" for name in SHOWN)]))
    means = {}
    for method_id, done in results.items():
        means[method_id] = set_scores([scores for _, scores in done.values()])
        console.say(" ".join([f"{method_id:<10}", *(f"{means[method_id][name]:>9.3f}" for name in SHOWN)]))
    return means


def _row(one: _Sample, results: dict[str, dict[str, tuple[Array, ImageScores]]]) -> list[Panel]:
    image, name = one.image.frames[0, 0], one.image.name
    note = one.annotation
    if note is None:
        first = Panel(name, image)
    else:
        first = Panel(f"{name}: painted", image, note.cells[0], note.known[0] & (note.cells[0] == 0))
    panels = [first]
    for method_id, caption in CAPTIONS.items():
        labels, scores = results[method_id][name]
        panels.append(Panel(f"{caption}: F1 {scores.f1_50:.2f}", image, labels[0]))
    return [*panels, Panel("truth", image, one.truth[0].astype(np.int32))]
