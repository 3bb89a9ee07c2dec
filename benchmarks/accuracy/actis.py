"""ACTIS from simulated annotation of a labelled set, scored on the images that nobody annotated.

    python -m benchmarks.accuracy.actis DATA [--protocol tiles|paint|rings] [--set NAME] [--budget SECONDS]
                                        [--seeds N ...]
                               [--preset NAME] [--option NAME=VALUE ...] [--compare-baseline] [--compare-continued]
                               [--cpu-clock] [--json]

tiles: ten complete 128 x 128 tiles, the other tiles unlabelled. paint: four images with five cells and three strokes
of background each, the others unlabelled. rings: the same with rings of background around the cells. Diameters are
estimated, for each training image and for each image to segment; `--true-diameter` takes those of the truth.
`--compare-baseline` also trains by painted pixels only, for as many steps; `--compare-continued` the same until the
time is up. One thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._lib.datasets import find_sets, median_diameter
from benchmarks._lib.painting import Painted, sparse, tiles
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.actis import METHOD
from napari_cellseg_ssl.core.methods.base import Method, Run, get_method
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.starters import is_starter
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks.diameters import resolve_diameters
from napari_cellseg_ssl.tasks.starter_selection import fits

FALLBACK = 24.0


def read_set(data: Path, name: str) -> list[Painted]:
    (found,) = (one for one in find_sets(data, names=(name,)) if one.name == name)
    return [
        Painted(name=item.name, source=item.name, pixels=item.read_image(), truth=item.read_labels()) for item in found
    ]


def annotate(images: list[Painted], protocol: str, seed: int) -> list[Painted]:
    return tiles(images, seed=seed) if protocol == "tiles" else sparse(images, seed=seed, rings=protocol == "rings")


def stack(image: Painted) -> ImageStack:
    return ImageStack.from_array(image.pixels, "CYX", name=image.name)


def diameters(images: list[Painted], of_truth: bool) -> list[float]:
    if of_truth:
        return [median_diameter(image.truth) or FALLBACK for image in images]
    return resolve_diameters([stack(image) for image in images], "auto")[0]


def training_set(painted: list[Painted], of_truth: bool) -> TrainingSet:
    return TrainingSet(
        tuple(
            TrainingItem(
                image=stack(image),
                annotation=None if image.painting is None else Annotation.from_painting(image.painting),
                diameter=diameter,
            )
            for image, diameter in zip(painted, diameters(painted, of_truth), strict=True)
        )
    )


def train(
    data: TrainingSet,
    seed: int,
    arguments: argparse.Namespace,
    start_from: ModelBundle | None = None,
    method: Method = METHOD,
    **options: object,
) -> tuple[ModelBundle, list[str]]:
    given = dict(one.split("=") for one in arguments.option)
    chosen = with_values(method.info.preset(arguments.preset), {**given, **options})
    keeps = (
        start_from is not None and is_starter(start_from) and fits(start_from, [one.image for one in data.items]).fits
    )
    clock = time.process_time if arguments.cpu_clock else time.perf_counter
    begin = clock()
    run = Run(
        seed=seed,
        time_budget=arguments.budget,
        elapsed=lambda: clock() - begin,
        start_from=start_from,
        keeps_start=keeps,
    )
    events = list(_kept(method.train(data, chosen, run)))
    return last_of(events, TrainFinished).bundle, [event.text for event in events if isinstance(event, Note)]


def _kept(events: Iterator[object]) -> Iterator[object]:
    return (event for event in events if isinstance(event, Note | TrainFinished))


def test(bundle: ModelBundle, images: list[Painted], sizes: list[float]) -> dict[str, float]:
    method = get_method(bundle.method_id)
    predictor = method.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in method.info.maps}
    scores = []
    for image, diameter in zip(images, sizes, strict=True):
        predicted = predict_tiled(stack(image), predictor, diameter=diameter, specs=specs, intensity=bundle.intensity)
        labels = method.segment(last_of(predicted, MapsReady).maps, bundle.segment_options)
        scores.append(image_scores(image.truth, labels[0]))
    return {name: round(value, 4) for name, value in set_scores(scores).items()}


def test_classical(images: list[Painted], sizes: list[float]) -> float:
    scores = [
        image_scores(
            image.truth,
            segment_frame(Intensity().normalise(image.pixels).mean(axis=0), diameter, ClassicalSegmentOptions()),
        )
        for image, diameter in zip(images, sizes, strict=True)
    ]
    return round(set_scores(scores)["f1_50"], 4)


def measure(images: list[Painted], seed: int, arguments: argparse.Namespace) -> dict[str, object]:
    painted = annotate(images, arguments.protocol, seed)
    annotated = {image.source for image in painted if image.painting is not None}
    unseen = [image for image in images if image.name not in annotated]
    sizes = diameters(unseen, arguments.true_diameter)
    data = training_set(painted, arguments.true_diameter)
    bundle, notes = train(data, seed, arguments)
    row: dict[str, object] = {"set": arguments.set, "protocol": arguments.protocol, "seed": seed}
    row |= {"budget_s": arguments.budget, "steps": bundle.provenance.steps, "cells": data.n_cells}
    row |= {"returned": bundle.architecture["returned"], "held_out": dict(bundle.provenance.scores), "notes": notes}
    row |= test(bundle, unseen, sizes)
    row["classical_f1"] = test_classical(unseen, sizes)
    if arguments.compare_baseline:
        baseline, _ = train(data, seed, arguments, refine_share=0.0)
        row |= {"baseline_f1": test(baseline, unseen, sizes)["f1_50"], "baseline_steps": baseline.provenance.steps}
    if arguments.compare_continued:
        continued, _ = train(data, seed, arguments, refine_share=0.0, steps_per_cell=0.0)
        row |= {"continued_f1": test(continued, unseen, sizes)["f1_50"], "continued_steps": continued.provenance.steps}
    return row


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--protocol", choices=("tiles", "paint", "rings"), default="tiles")
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--budget", type=float, default=900.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--true-diameter", action="store_true")
    parser.add_argument("--compare-baseline", action="store_true")
    parser.add_argument("--compare-continued", action="store_true")
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = read_set(arguments.data, arguments.set)
    rows = []
    for seed in arguments.seeds:
        rows.append(measure(images, seed, arguments))
        if not arguments.json:
            shown = ("seed", "steps", "returned", "f1_50", "seg", "baseline_f1", "continued_f1", "classical_f1")
            print(" ".join(f"{name} {rows[-1][name]}" for name in shown if name in rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps(rows))
    else:
        print(f"median f1_50 {statistics.median(float(str(row['f1_50'])) for row in rows):.3f}")


if __name__ == "__main__":
    main()
