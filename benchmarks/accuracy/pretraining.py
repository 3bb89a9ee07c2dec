"""Whether a backbone that CUPre pre-trained helps MAUNet and ACTIS where few cells are annotated.

    python -m benchmarks.accuracy.pretraining DATA RUN [--set NAME] [--methods ID ...] [--fine SECONDS] [--seeds N ...]
                                     [--labelled N] [--most N] [--cpu-clock] [--json]

RUN is the folder of a pre-trained model, such as `cupre.py --runs` keeps; the same images as there are kept to score
on, for the same seed. Each method learns from completely annotated 256 x 256 px tiles of the others for --fine seconds:
from an encoder at random, and from the backbone. ACTIS has the same residual encoder both times. Diameters are
estimated, as a user's are. One thread.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks._lib.painting import tiles
from benchmarks.accuracy.actis import training_set
from benchmarks.accuracy.cupre import split
from benchmarks.accuracy.maunet import SIDE, Part, test
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values

NETWORKS = {"maunet": {"encoder": "resnet18"}, "actis": {"encoder": "resnet18"}}


def annotated(data: LabelledSet, seed: int, labelled: int, most: int) -> Part:
    """Choose images to score on, and annotate tiles of the others."""
    images = split(data, seed, most)
    wide = [image for image in images.others if min(image.truth.shape) >= SIDE]
    pieces = [tile for tile in tiles(wide, labelled=labelled, side=SIDE, seed=seed) if tile.painting is not None]
    n_cells = sum(len(np.unique(tile.truth)) - 1 for tile in pieces)
    return Part(name=data.name, learned=pieces, unseen=images.unseen, n_cells=n_cells)


def fine_tune(part: Part, method_id: str, weights: str, seed: int, arguments: argparse.Namespace) -> ModelBundle:
    method = get_method(method_id)
    options = with_values(method.info.preset("fast"), {**NETWORKS[method_id], "encoder_weights": weights})
    clock: Callable[[], float] = time.process_time if arguments.cpu_clock else time.perf_counter
    begin = clock()
    run = Run(seed=seed, time_budget=arguments.fine, elapsed=lambda: clock() - begin)
    return last_of(method.train(training_set(part.learned, False), options, run), TrainFinished).bundle


def measure(data: LabelledSet, seed: int, arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    part = annotated(data, seed, arguments.labelled, arguments.most)
    for method_id in arguments.methods:
        for begins, weights in (
            ("at random", "none"),
            ("with the backbone", str(arguments.run / "weights.safetensors")),
        ):
            bundle = fine_tune(part, method_id, weights, seed, arguments)
            yield {
                "method": method_id,
                "begins": begins,
                "seed": seed,
                "cells": part.n_cells,
                "steps": bundle.provenance.steps,
                "held_out": {name: round(value, 4) for name, value in bundle.provenance.scores.items()},
                "unseen": test(bundle, part, False, False),
            }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--methods", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--fine", type=float, default=110.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--most", type=int, default=24, help="images to score on")
    parser.add_argument("--cpu-clock", action="store_true", help="count seconds that the process computed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = next(one for one in find_sets(arguments.data, names=(arguments.set,)) if one.name == arguments.set)
    for seed in arguments.seeds:
        for row in measure(data, seed, arguments):
            print(json.dumps(row) if arguments.json else row, flush=True)


if __name__ == "__main__":
    main()
