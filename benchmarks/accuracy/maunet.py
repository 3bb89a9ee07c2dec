"""MAUNet from a tenth of the cells of a mixed set, scored by modality, with ACTIS and the ablations beside it.

    python -m benchmarks.accuracy.maunet DATA [--sets NAME ...] [--variants NAME ...] [--budget SECONDS] [--seeds N ...]
                                [--share SHARE] [--most N] [--option NAME=VALUE ...] [--true-diameter] [--cpu-clock]
                                [--runs FOLDER] [--three-scales] [--json]

Of each set, images are visited in random order, and up to two of their 256 x 256 px tiles are annotated completely,
until a tenth of the set's cells are. Images of which nothing is annotated are scored on, at most `--most` of each set.
All images get three channels; grey ones have three times the same. Diameters are estimated, as a user's are.

Variants: "maunet"; "actis", its supervised part with the same labels and time; the ablations "no-distance", "no-proxy",
"softmax-focal", and "consistency", which also learns from the other tiles of the visited images. Those that have a
distance field are also segmented by one watershed ("one_step"), with `--three-scales` also from predictions that are
averaged over three scales ("three_scales"). With `--runs`, what was trained is kept, and not trained again. One thread.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks._lib.painting import Painted, tiles
from benchmarks.accuracy.actis import diameters, stack, training_set
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values

SETS = ("dsb2018_fluo", "dsb2018_other", "phase_psc", "he_gbm40")
SIDE, TILES_PER_IMAGE = 256, 2
VARIANTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "maunet": ("maunet", {}),
    "actis": ("actis", {"refine_share": 0.0}),
    "no-distance": ("maunet", {"distance": False}),
    "no-proxy": ("maunet", {"proxy": False}),
    "softmax-focal": ("maunet", {"focal": "softmax"}),
    "consistency": ("maunet", {"consistency": 1.5}),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One modality: tiles to learn from, some of them annotated, and images to score on."""

    name: str
    learned: list[Painted]
    unseen: list[Painted]
    n_cells: int


def in_colour(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels[:3]


def split(data: LabelledSet, seed: int, share: float, most: int) -> Part:
    """Annotate tiles until enough cells are, and keep all other images to score on."""
    rng = np.random.default_rng(seed)
    wanted = share * sum(len(np.unique(item.read_labels())) - 1 for item in data)
    learned: list[Painted] = []
    order, n_cells = list(rng.permutation(len(data))), 0
    while order and n_cells < wanted:
        image = read(data, order.pop(0))
        pieces = tiles([image], labelled=TILES_PER_IMAGE, side=min(SIDE, *image.truth.shape), seed=seed)
        n_cells += sum(len(np.unique(piece.truth)) - 1 for piece in pieces if piece.painting is not None)
        learned += pieces
    unseen = [read(data, index) for index in sorted(order[:most])]
    return Part(name=data.name, learned=learned, unseen=unseen, n_cells=n_cells)


def read(data: LabelledSet, index: int) -> Painted:
    item = data.items[index]
    pixels = in_colour(item.read_image())
    return Painted(name=item.name, source=item.name, pixels=pixels, truth=item.read_labels())


def train(data: TrainingSet, variant: str, seed: int, arguments: argparse.Namespace) -> ModelBundle:
    method_id, changes = VARIANTS[variant]
    method = get_method(method_id)
    given = dict(one.split("=") for one in arguments.option) if method_id == "maunet" else {}
    options = with_values(method.info.preset(arguments.preset), {**given, **changes})
    clock = time.process_time if arguments.cpu_clock else time.perf_counter
    start = clock()
    run = Run(seed=seed, time_budget=arguments.budget, elapsed=lambda: clock() - start)
    return last_of(method.train(data, options, run), TrainFinished).bundle


def labels_of(
    bundle: ModelBundle, image: Painted, diameter: float, three_scales: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Segment an image in all the ways that the model allows."""
    method, options = get_method(bundle.method_id), bundle.segment_options
    maps = predict(bundle, image, diameter)
    yield "as_trained", method.segment(maps, options)[0]
    if bundle.architecture.get("distance"):
        yield "one_step", method.segment(maps, replace(options, watershed="one step"))[0]
    if three_scales and bundle.method_id == "maunet":
        scaled = replace(bundle, architecture={**bundle.architecture, "scales": 3})
        yield "three_scales", method.segment(predict(scaled, image, diameter), options)[0]


def predict(bundle: ModelBundle, image: Painted, diameter: float) -> PredictionMaps:
    method = get_method(bundle.method_id)
    events = predict_tiled(
        stack(image),
        method.predictor(bundle, "cpu"),
        diameter=diameter,
        specs={spec.name: spec for spec in method.info.maps},
        intensity=bundle.intensity,
    )
    return last_of(events, MapsReady).maps


def test(bundle: ModelBundle, part: Part, of_truth: bool, three_scales: bool) -> dict[str, dict[str, float]]:
    scores: dict[str, list[object]] = {}
    for image, diameter in zip(part.unseen, diameters(part.unseen, of_truth), strict=True):
        for way, labels in labels_of(bundle, image, diameter, three_scales):
            scores.setdefault(way, []).append(image_scores(image.truth, labels))
    return {
        way: {name: round(set_scores(found)[name], 4) for name in ("f1_50", "seg", "f1_pooled", "n_images")}
        for way, found in scores.items()
    }


def measure(parts: list[Part], variant: str, seed: int, arguments: argparse.Namespace) -> dict[str, object]:
    learned = [tile for part in parts for tile in part.learned]
    data = training_set(learned, arguments.true_diameter)
    folder = arguments.runs and arguments.runs / f"{variant}-{seed}"
    if folder and folder.exists():
        bundle = ModelBundle.load(folder)
    else:
        bundle = train(data, variant, seed, arguments)
        if folder:
            bundle.save(folder)
    found = {part.name: test(bundle, part, arguments.true_diameter, arguments.three_scales) for part in parts}
    ways = next(iter(found.values()))
    return {
        "variant": variant,
        "seed": seed,
        "budget_s": arguments.budget,
        "steps": bundle.provenance.steps,
        "cells": {part.name: part.n_cells for part in parts},
        "held_out": dict(bundle.provenance.scores),
        "thresholds": str(bundle.segment_options),
        "mean_f1": {way: round(float(np.mean([found[p.name][way]["f1_50"] for p in parts])), 4) for way in ways},
        "by_set": found,
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--variants", nargs="*", default=["maunet", "actis"], choices=list(VARIANTS))
    parser.add_argument("--budget", type=float, default=1200.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE", help="of MAUNet")
    parser.add_argument("--true-diameter", action="store_true")
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    parser.add_argument("--runs", type=Path, help="where trained models are kept")
    parser.add_argument("--three-scales", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        sets = [one for name in arguments.sets for one in find_sets(arguments.data, names=(name,)) if one.name == name]
        parts = [split(one, seed, arguments.share, arguments.most) for one in sets]
        for variant in arguments.variants:
            row = measure(parts, variant, seed, arguments)
            print(json.dumps(row) if arguments.json else f"{variant} seed {seed}: {row['mean_f1']}", flush=True)


if __name__ == "__main__":
    main()
