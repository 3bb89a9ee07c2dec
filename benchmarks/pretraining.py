"""Whether an encoder that learned from unlabelled images helps MAUNet where few cells are annotated.

    python benchmarks/pretraining.py DATA [--set NAME] [--budget SECONDS] [--fine SECONDS] [--seeds N ...]
                                     [--labelled N] [--most N] [--preset NAME] [--json]

Of the set, some images are kept to score on. On the others, without any label, a ResNet-18 learns by momentum
contrast for --budget seconds. Then MAUNet learns from completely annotated 256 x 256 px tiles of them for --fine
seconds: from an encoder at random, from the one that learned, with the encoder's share of the learning rate as it is by
default (0.1), and without slowing it down ("contrast-free"). Diameters are estimated, as a user's are. One thread; all
seconds are those that the process itself computed, and those of contrast are not taken off the others.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from actis import training_set
from datasets import LabelledSet, find_sets
from maunet import SIDE, Part, test
from painting import Painted, tiles

from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.events import TrainFinished, last_of
from napari_cellseg_ssl.core.method import Run
from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions
from napari_cellseg_ssl.core.methods.cupre.pretraining import pretrain
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.registry import get_method

RANDOM, CONTRAST, FREE = "random", "contrast", "contrast-free"
VARIANTS = {RANDOM: {}, CONTRAST: {}, FREE: {"encoder_rate": 1.0}}


@dataclass(frozen=True)
class Clock:
    """Seconds that this process computed since the clock was made."""

    start: float

    def __call__(self) -> float:
        """Return them."""
        return time.process_time() - self.start


def split(data: LabelledSet, seed: int, labelled: int, most: int) -> tuple[list[Painted], Part]:
    """Choose images to score on, and annotate tiles of the others; returns the others whole, too."""
    order = np.random.default_rng(seed).permutation(len(data))
    images = [
        Painted(name=item.name, source=item.name, pixels=item.read_image(), truth=item.read_labels())
        for item in (data.items[i] for i in order)
    ]
    unseen, others = images[:most], images[most:]
    wide = [image for image in others if min(image.truth.shape) >= SIDE]
    pieces = [tile for tile in tiles(wide, labelled=labelled, side=SIDE, seed=seed) if tile.painting is not None]
    n_cells = sum(len(np.unique(tile.truth)) - 1 for tile in pieces)
    return others, Part(name=data.name, learned=pieces, unseen=unseen, n_cells=n_cells)


def learn_encoder(images: list[Painted], seed: int, budget: float) -> ModelBundle:
    run = Run(seed=seed, time_budget=budget, elapsed=Clock(time.process_time()))
    return last_of(pretrain(training_set(images, False), ContrastOptions(), run), TrainFinished).bundle


def fine_tune(
    part: Part, weights: str, changes: dict[str, float], seed: int, budget: float, preset: str
) -> ModelBundle:
    method = get_method("maunet")
    options = with_values(method.info.preset(preset), {**changes, "encoder_weights": weights})
    run = Run(seed=seed, time_budget=budget, elapsed=Clock(time.process_time()))
    return last_of(method.train(training_set(part.learned, False), options, run), TrainFinished).bundle


def measure(data: LabelledSet, seed: int, arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    others, part = split(data, seed, arguments.labelled, arguments.most)
    encoder = learn_encoder(others, seed, arguments.budget)
    yield {
        "variant": "contrast alone",
        "seed": seed,
        "images": len(others),
        "steps": encoder.provenance.steps,
        "scores": {name: round(value, 4) for name, value in encoder.provenance.scores.items()},
        "notes": encoder.provenance.notes,
    }
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(Path(folder))
        learned = str(Path(folder) / "weights.safetensors")
        for variant, changes in VARIANTS.items():
            weights = "none" if variant == RANDOM else learned
            bundle = fine_tune(part, weights, changes, seed, arguments.fine, arguments.preset)
            yield {
                "variant": variant,
                "seed": seed,
                "cells": part.n_cells,
                "steps": bundle.provenance.steps,
                "held_out": {name: round(value, 4) for name, value in bundle.provenance.scores.items()},
                "unseen": test(bundle, part, False),
            }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--budget", type=float, default=240.0)
    parser.add_argument("--fine", type=float, default=110.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--most", type=int, default=20, help="images to score on")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = next(one for one in find_sets(arguments.data, names=(arguments.set,)) if one.name == arguments.set)
    for seed in arguments.seeds:
        for row in measure(data, seed, arguments):
            print(json.dumps(row) if arguments.json else row, flush=True)


if __name__ == "__main__":
    main()
