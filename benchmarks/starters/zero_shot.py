"""What the starter models find in images of every set, without training, beside the classical method.

    python -m benchmarks.starters.zero_shot DATA [MODEL] [--sets NAME ...] [--most N] [--half] [--cellulus SECONDS]
                                            [--json]

MODEL is `starter:NAME` or a run folder of ACTIS or MAUNet, `starter:nuclei` when absent. One line per 2D set: F1 of
cells at IoU > 0.5, the mean over its images; sets that the model was trained on have a star. `agreement` and `sure` are
what `tasks.starter_selection.fits` decides by, on three images, and `fits` is what it says. `--cellulus` also trains
Cellulus on the images of each set, for so many seconds of the process. `--half` takes every second image, those that a
model of `train_starter.py --half` has not seen. Diameters are estimated; colours become grey. One thread.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import find_sets
from benchmarks._lib.painting import Painted
from benchmarks.accuracy.actis import diameters, read_set, stack, test, test_classical
from napari_cellseg_ssl.api import models
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.starter_selection import evidence, judged


def set_names(data: Path) -> list[str]:
    return [one.name for one in find_sets(data)]


def greyed(image: Painted) -> Painted:
    """Average the channels (C, Y, X), as (1, Y, X)."""
    if len(image.pixels) == 1:
        return image
    return dataclasses.replace(image, pixels=image.pixels.mean(axis=0, keepdims=True, dtype=np.float32))


def measure(data: Path, name: str, bundle: ModelBundle, most: int = 1000, half: bool = False) -> dict[str, object]:
    """Score a model and the classical method on a set."""
    images = [greyed(image) for image in _some(data, name, most, half)]
    sizes = diameters(images, of_truth=False)
    begin = time.process_time()
    f1 = test(bundle, images, sizes)["f1_50"]
    seconds = (time.process_time() - begin) / len(images)
    found = evidence(bundle, [stack(image) for image in images])  # on three of them
    return {
        "set": name,
        "images": len(images),
        "learned": name in bundle.provenance.images,
        "f1": f1,
        "classical": test_classical(images, sizes),
        "agreement": round(found.agreement, 3),
        "sure": round(found.sure, 3),
        "fits": judged(found).fits,
        "seconds_per_image": round(seconds, 2),
    }


def _some(data: Path, name: str, most: int, half: bool) -> list[Painted]:
    return read_set(data, name)[1::2][:most] if half else read_set(data, name)[:most]


def cellulus(images: list[Painted], sizes: list[float], seconds: float) -> float:
    """Train Cellulus on the images themselves."""
    method = get_method("cellulus")
    pairs = list(zip(images, sizes, strict=True))
    data = TrainingSet(tuple(TrainingItem(image=stack(one), annotation=None, diameter=size) for one, size in pairs))
    begin = time.process_time()
    run = Run(time_budget=seconds, elapsed=lambda: time.process_time() - begin)
    bundle = last_of(method.train(data, method.info.preset("fast"), run), TrainFinished).bundle
    predictor, specs = method.predictor(bundle, "cpu"), {spec.name: spec for spec in method.info.maps}
    scores = []
    for image, size in pairs:
        events = predict_tiled(stack(image), predictor, diameter=size, specs=specs, intensity=bundle.intensity)
        labels = method.segment(last_of(events, MapsReady).maps, bundle.segment_options)
        scores.append(image_scores(image.truth, labels[0]))
    return round(set_scores(scores)["f1_50"], 4)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", nargs="?", default="starter:nuclei")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--most", type=int, default=1000, help="images of each set")
    parser.add_argument("--half", action="store_true", help="images that a model of half of each set has not seen")
    parser.add_argument("--cellulus", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle = models.load_run(arguments.model)
    for name in arguments.sets or set_names(arguments.data):
        row = measure(arguments.data, name, bundle, arguments.most, arguments.half)
        if arguments.cellulus:
            images = [greyed(one) for one in _some(arguments.data, name, arguments.most, arguments.half)]
            row["cellulus"] = cellulus(images, diameters(images, of_truth=False), arguments.cellulus)
        print(json.dumps(row) if arguments.json else _line(row), flush=True)


def _line(row: dict[str, object]) -> str:
    shown = {key: value for key, value in row.items() if key not in ("set", "learned")}
    return f"{row['set']}{'*' if row['learned'] else ''}".ljust(26) + "  ".join(f"{k} {v}" for k, v in shown.items())


if __name__ == "__main__":
    main()
