"""Cellulus, one set of defaults, on every labelled set of a data folder, trained without a label; classical beside it.

    python benchmarks/cellulus.py DATA [--sets NAME ...] [--budget SECONDS ...] [--seeds N ...] [--preset NAME]
                                  [--diameter auto|image|set] [--first N] [--option NAME=VALUE ...]
                                  [--segment NAME=VALUE ...] [--cpu-clock] [--keep FOLDER] [--json]

Trains on all images of a set and segments the same images. `--diameter auto` estimates each image's from its pixels,
`image` takes each image's true median, `set` the set's. `--cpu-clock` counts the budget in seconds of this process'
own CPU time, for busy machines. `--first` takes the first N images only. One thread. One line per set, budget and seed;
scores are means over images. `--keep` saves each run there.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from datasets import LabelledSet, find_sets

from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.diameter import diameter_of_cells
from napari_cellseg_ssl.core.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import Run
from napari_cellseg_ssl.core.methods.cellulus import INFO, METHOD
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segmentation import segment_frame
from napari_cellseg_ssl.core.metrics import image_scores, set_scores
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.tiling import predict_tiled
from napari_cellseg_ssl.core.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.tasks.diameters import resolve_diameters

SHOWN = ("f1_50", "seg", "s_dsb", "dice", "seg_pooled")


def read(one_set: LabelledSet, mode: str, first: int | None) -> tuple[TrainingSet, list[Array]]:
    """Read images and truths; the truths say at most the diameters."""
    items = one_set.items[:first]
    stacks = [ImageStack.from_array(item.read_image(), "CYX", name=item.name) for item in items]
    truths = [item.read_labels() for item in items]
    if mode == "auto":
        diameters = resolve_diameters(stacks, "auto")[0]
    else:
        of_image = [diameter_of_cells(truth) for truth in truths]
        of_set = float(np.median([d for d in of_image if d]))
        diameters = [of_set if mode == "set" or not d else d for d in of_image]
    rows = zip(stacks, diameters, strict=True)
    return TrainingSet(tuple(TrainingItem(image=image, diameter=diameter) for image, diameter in rows)), truths


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


def classical(data: TrainingSet, truths: list[Array]) -> float:
    options, scores = ClassicalSegmentOptions(), []
    for item, truth in zip(data.items, truths, strict=True):
        intensity = Intensity().normalise(item.image.frames[0]).mean(axis=0)
        scores.append(image_scores(truth, segment_frame(intensity, item.diameter, options)))
    return set_scores(scores)["f1_50"]


def measure(
    data: TrainingSet, truths: list[Array], budget: float, seed: int, arguments: argparse.Namespace
) -> dict[str, object]:
    clock = time.perf_counter()
    bundle = train(data, budget, seed, arguments)
    trained = time.perf_counter()
    maps = predict(data, bundle)
    predicted = time.perf_counter()
    options = with_values(bundle.segment_options, dict(pair.split("=") for pair in arguments.segment))
    labels = [METHOD.segment(one, options)[0] for one in maps]
    seconds = {
        "train_s": trained - clock,
        "predict_s": predicted - trained,
        "segment_s": time.perf_counter() - predicted,
    }
    scores = set_scores([image_scores(truth, found) for truth, found in zip(truths, labels, strict=True)])
    if arguments.keep:
        bundle.save(arguments.keep)
    return {
        "budget_s": budget,
        "seed": seed,
        "steps": bundle.provenance.steps,
        "loss": round(bundle.provenance.scores.get("loss", float("nan")), 4),
        **{name: round(scores[name], 4) for name in SHOWN},
        **{name: round(value, 1) for name, value in seconds.items()},
    }


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
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for one in find_sets(arguments.data, names=tuple(arguments.sets)):
        data, truths = read(one, arguments.diameter, arguments.first)
        beside = {"set": one.name, "images": len(truths), "classical_f1_50": round(classical(data, truths), 4)}
        for budget in arguments.budget:
            for seed in arguments.seeds:
                row = {**beside, **measure(data, truths, budget, seed, arguments)}
                print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
