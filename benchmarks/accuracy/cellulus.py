"""Cellulus, one set of defaults, on every labelled set of a data folder, trained without a label; classical beside it.

    python -m benchmarks.accuracy.cellulus DATA [--sets NAME ...] [--budget SECONDS ...] [--seeds N ...] [--preset NAME]
                                  [--diameter auto|image|set] [--first N] [--option NAME=VALUE ...]
                                  [--segment NAME=VALUE ...] [--cpu-clock] [--runs FOLDER] [--json]

Trains on all images of a set and segments the same images; the movies of one Cell Tracking Challenge set train together
and are scored apart; images with unequal channels give their mean. `--diameter auto` estimates each image's from its
pixels, `image` takes each image's true median, `set` the set's. `--cpu-clock` counts the budget in CPU seconds, for
busy machines. `--first` takes the first N images only. One thread. One line per set, budget and seed;
scores are means over images. `--runs` keeps each run there, and uses one that is there already instead of training.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets, median_diameter
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cellulus import INFO, METHOD
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks.diameters import resolve_diameters

SHOWN = ("f1_50", "seg", "s_dsb", "dice", "seg_pooled")


def groups(sets: Sequence[LabelledSet]) -> dict[str, list[LabelledSet]]:
    """Sets that train together, by the name they share."""
    found: dict[str, list[LabelledSet]] = {}
    for one in sets:
        found.setdefault(one.name.partition("/dev")[0], []).append(one)
    return found


def read(sets: Sequence[LabelledSet], mode: str, first: int | None) -> tuple[TrainingSet, list[Array]]:
    """Read images and truths; the truths say at most the diameters."""
    items = [item for one in sets for item in one.items[:first]]
    images = [item.read_image() for item in items]
    if len({len(image) for image in images}) > 1:  # what one network cannot learn: their mean over channels
        images = [image.mean(axis=0, keepdims=True) for image in images]
    stacks = [ImageStack.from_array(image, "CYX", name=item.name) for image, item in zip(images, items, strict=True)]
    truths = [item.read_labels() for item in items]
    if mode == "auto":
        diameters = resolve_diameters(stacks, "auto")[0]
    else:
        of_image = [median_diameter(truth) for truth in truths]
        of_set = float(np.median([d for d in of_image if d]))
        diameters = [of_set if mode == "set" or not d else d for d in of_image]
    rows = zip(stacks, diameters, strict=True)
    return TrainingSet(tuple(TrainingItem(image=image, diameter=diameter) for image, diameter in rows)), truths


def train_once(data: TrainingSet, name: str, budget: float, seed: int, arguments: argparse.Namespace) -> ModelBundle:
    """Train, or load what was trained before."""
    if not arguments.runs:
        return train(data, budget, seed, arguments)
    folder = arguments.runs / f"{name.replace('/', '_')}-{arguments.preset}-{budget:g}s-seed{seed}"
    if not folder.exists():
        train(data, budget, seed, arguments).save(folder)
    return ModelBundle.load(folder)


def train(data: TrainingSet, budget: float, seed: int, arguments: argparse.Namespace) -> ModelBundle:
    options = with_values(INFO.preset(arguments.preset), dict(pair.split("=") for pair in arguments.option))
    clock = time.process_time if arguments.cpu_clock else time.perf_counter
    start = clock()
    run = Run(seed=seed, elapsed=lambda: clock() - start, time_budget=budget)
    return last_of(METHOD.train(data, options, run), TrainFinished).bundle


def predict(data: TrainingSet, bundle: ModelBundle) -> list[PredictionMaps]:
    predictor = METHOD.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in INFO.maps}
    return [
        last_of(
            predict_tiled(item.image, predictor, diameter=item.diameter, specs=specs, intensity=bundle.intensity),
            MapsReady,
        ).maps
        for item in data.items
    ]


def classical(data: TrainingSet) -> list[Array]:
    options, labels = ClassicalSegmentOptions(), []
    for item in data.items:
        intensity = Intensity().normalise(item.image.frames[0]).mean(axis=0)
        labels.append(segment_frame(intensity, item.diameter, options))
    return labels


def measure(
    name: str, sets: Sequence[LabelledSet], budget: float, seed: int, arguments: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """Train once; one row per set."""
    data, truths = read(sets, arguments.diameter, arguments.first)
    started = time.perf_counter()
    bundle = train_once(data, name, budget, seed, arguments)
    trained = time.perf_counter()
    maps = predict(data, bundle)
    predicted = time.perf_counter()
    options = with_values(CellulusSegmentOptions(), dict(pair.split("=") for pair in arguments.segment))
    labels = [METHOD.segment(one, options)[0] for one in maps]
    times = np.diff([started, trained, predicted, time.perf_counter()]).round(1).tolist()
    simple, begin = classical(data), 0
    for one in sets:
        part = slice(begin, begin + len(one.items[: arguments.first]))
        begin = part.stop
        scores = scored(truths[part], labels[part])
        yield {
            "set": one.name,
            "images": part.stop - part.start,
            "budget_s": budget,
            "seed": seed,
            "steps": bundle.provenance.steps,
            "loss": round(bundle.provenance.scores.get("loss", float("nan")), 4),
            **{name: round(scores[name], 4) for name in SHOWN},
            "classical_f1_50": round(scored(truths[part], simple[part])["f1_50"], 4),
            **dict(zip(("train_s", "predict_s", "segment_s"), times, strict=True)),
        }


def scored(truths: list[Array], labels: list[Array]) -> dict[str, float]:
    return set_scores([image_scores(truth, found) for truth, found in zip(truths, labels, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--budget", nargs="*", type=float, default=[180.0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--diameter", choices=("auto", "image", "set"), default="auto")
    parser.add_argument("--first", type=int)
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--segment", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cpu-clock", action="store_true")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for name, sets in groups(find_sets(arguments.data, names=tuple(arguments.sets))).items():
        for budget in arguments.budget:
            for seed in arguments.seeds:
                for row in measure(name, sets, budget, seed, arguments):
                    text = json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items())
                    print(text, flush=True)


if __name__ == "__main__":
    main()
