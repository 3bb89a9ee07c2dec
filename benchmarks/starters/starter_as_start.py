"""What a starter model is worth to somebody who labels: training from it and from nothing, on images never seen.

    python -m benchmarks.starters.starter_as_start DATA [--method actis|maunet] [--set NAME]
                                                   [--start starter:NAME|RUN|none ...]
                                  [--protocols tiles|paint ...] [--seconds S ...] [--seeds N ...] [--most N] [--half]
                                  [--cpu-clock] [--json]

tiles: ten complete 128 x 128 tiles, the other tiles unlabelled. paint: twenty cells, five in each of four images, and
strokes of background. Each training has all its seconds to itself, as its schedule follows the time. Scored on the
images that nobody annotated, beside the classical method, and beside the starter as it is (0 s). Says after how many
seconds F1 0.86 was first reached. A starter that was trained on the set has seen these images; for a fair comparison
give the RUN of `train_starter.py --leave-out NAME`, or that of `train_starter.py --half`, which has seen every second
image, and `--half` here, for the others. Diameters are estimated. One thread.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks._lib.painting import Painted
from benchmarks.accuracy.actis import annotate, diameters, read_set, test, test_classical, train, training_set
from benchmarks.starters.zero_shot import greyed
from napari_cellseg_ssl.api import models
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import PREFIX, starters

GOAL = 0.86


def measure(
    images: list[Painted], seed: int, protocol: str, arguments: argparse.Namespace
) -> Iterator[dict[str, object]]:
    painted = annotate(images, protocol, seed)
    annotated = {image.source for image in painted if image.painting is not None}
    unseen = [image for image in images if image.name not in annotated][: arguments.most]
    sizes = diameters(unseen, of_truth=False)
    data = training_set(painted, of_truth=False)
    row: dict[str, object] = {"set": arguments.set, "protocol": protocol, "seed": seed, "cells": data.n_cells}
    yield {**row, "start": "classical", "seconds": 0.0, "f1": test_classical(unseen, sizes)}
    for name in arguments.start:
        begins: ModelBundle | None = None if name == "none" else models.load_run(name)
        seen = begins is not None and arguments.set in begins.provenance.images and not arguments.half
        row |= {"start": name, "seen": seen}
        if begins is not None:
            yield {**row, "seconds": 0.0, "f1": test(begins, unseen, sizes)["f1_50"]}
        for seconds in arguments.seconds:
            arguments.budget = seconds
            bundle, _ = train(data, seed, arguments, begins, get_method(arguments.method))
            f1 = test(bundle, unseen, sizes)["f1_50"]
            returned = bundle.architecture["returned"]
            yield {**row, "seconds": seconds, "steps": bundle.provenance.steps, "returned": returned, "f1": f1}


def summary(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Give the median over seeds, and when it first was good."""
    for protocol, start in dict.fromkeys((row["protocol"], row["start"]) for row in rows):
        chosen = [row for row in rows if (row["protocol"], row["start"]) == (protocol, start)]
        by_time = {
            seconds: statistics.median(float(str(row["f1"])) for row in chosen if row["seconds"] == seconds)
            for seconds in sorted({float(str(row["seconds"])) for row in chosen})
        }
        first = next((seconds for seconds, f1 in by_time.items() if f1 >= GOAL), None)
        yield {"protocol": protocol, "start": start, "median_f1": by_time, f"seconds_to_{GOAL}": first}


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", choices=("actis", "maunet"), default="actis")
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--start", nargs="*", default=[], help="none and the starters of the method when absent")
    parser.add_argument("--protocols", nargs="*", default=["tiles", "paint"], choices=("tiles", "paint", "rings"))
    parser.add_argument("--seconds", type=float, nargs="*", default=[30.0, 60.0, 180.0, 600.0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--most", type=int, default=1000, help="images to score on")
    parser.add_argument("--half", action="store_true", help="every second image, those that --half did not learn from")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    own = (PREFIX + one.name for one in starters() if one.method_id == arguments.method)
    arguments.start = arguments.start or ["none", *own]
    images = [greyed(image) for image in read_set(arguments.data, arguments.set)]
    images = images[1::2] if arguments.half else images
    rows = []
    for seed in arguments.seeds:
        for protocol in arguments.protocols:
            for row in measure(images, seed, protocol, arguments):
                rows.append(row)
                print(json.dumps(row) if arguments.json else row, flush=True)
    for row in summary(rows):
        print(json.dumps(row) if arguments.json else row)


if __name__ == "__main__":
    main()
