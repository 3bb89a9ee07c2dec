"""What CUPre's pre-training is worth to a detector that is fine-tuned on few annotated images.

    python -m benchmarks.accuracy.cupre DATA [--set NAME] [--source PATH] [--pretrain SECONDS] [--equal-time]
                               [--fine SECONDS] [--shares X ...] [--arms NAME ...] [--seeds N ...] [--most N]
                               [--runs FOLDER] [--option NAME=VALUE ...] [--cpu-clock] [--json]

Some images of the set are kept to score on. The others, and the set's pool of unlabelled images, are what is
pre-trained on, their labels hidden, for --pretrain seconds: "scratch" not at all, "source" on the annotated source
alone, "moco" on the images alone, "cupre" on both in turn, so much longer that it learns the source for as long as
"source" does; with --equal-time, in the same time. Then each is fine-tuned for --fine seconds on a share of the
120 images (5 %: six of them), all their cells annotated. Diameters are estimated, as a user's are. AP is COCO's, mean
over IoU 0.5 to 0.95, on the images' own grid; F1 at IoU 0.5, mean over images. One thread. Every row has the classical
method on the same images beside it.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

import napari_cellseg_ssl as cs
from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks._lib.detection_scores import coco_scores, judged
from benchmarks._lib.painting import Painted
from benchmarks.accuracy.actis import diameters, stack
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.cupre.options import PRESETS, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.phases import plan_phases
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values

SCRATCH, SOURCE, MOCO, CUPRE = "scratch", "source", "moco", "cupre"
ARMS = (SCRATCH, SOURCE, MOCO, CUPRE)


@dataclass(frozen=True)
class Split:
    """Images to score on, the others, and images without labels."""

    unseen: list[Painted]
    others: list[Painted]
    pool: list[Painted]


def split(data: LabelledSet, seed: int, most: int) -> Split:
    order = np.random.default_rng(seed).permutation(len(data))
    images = [
        Painted(name=item.name, source=item.name, pixels=item.read_image(), truth=item.read_labels())
        for item in (data.items[i] for i in order)
    ]
    files = sorted((data.images_folder.parent.parent / "pool_unlabelled" / "images").glob("*.tif"))
    pool = [
        Painted(name=file.stem, source=file.stem, pixels=tifffile.imread(file)[None], truth=np.zeros((1, 1), np.int32))
        for file in files
    ]
    return Split(unseen=images[:most], others=images[most:], pool=[one for one in pool if one.pixels.ndim == 3])


def items(images: list[Painted], *, labelled: bool) -> TrainingSet:
    return TrainingSet(
        tuple(
            TrainingItem(
                image=stack(image),
                annotation=Annotation.from_dense(image.truth) if labelled else None,
                diameter=diameter,
            )
            for image, diameter in zip(images, diameters(images, False), strict=True)
        )
    )


def options_of(arguments: argparse.Namespace, **changes: object) -> CupreOptions:
    chosen = {**dict(one.split("=") for one in arguments.option), **changes}
    return with_values(CupreOptions(**PRESETS[arguments.preset]), chosen)


def share_of_source(arguments: argparse.Namespace) -> float:
    """Return the share of CUPre's pre-training in which the source is learned."""
    phases = plan_phases(options_of(arguments), has_source=True, has_learned=False)
    starts = [0.0, *(phase.end for phase in phases)]
    return sum(phase.end - start for phase, start in zip(phases, starts, strict=False) if phase.kind == SOURCE)


def train(data: TrainingSet, budget: float, seed: int, arguments: argparse.Namespace, start: ModelBundle | None,
          **changes: object) -> ModelBundle:  # fmt: skip
    method, options = get_method("cupre"), options_of(arguments, **changes)
    clock: Callable[[], float] = time.process_time if arguments.cpu_clock else time.perf_counter
    begin = clock()
    run = Run(seed=seed, time_budget=budget, elapsed=lambda: clock() - begin, start_from=start)
    return last_of(method.train(data, options, run), TrainFinished).bundle


def pretrained(arm: str, parts: Split, seed: int, arguments: argparse.Namespace) -> ModelBundle | None:
    """Pre-train, or open what an earlier call kept."""
    if arm == SCRATCH:
        return None
    folder = arguments.runs and arguments.runs / f"{arm}-{seed}-{arguments.pretrain:.0f}"
    if folder and folder.exists():
        return ModelBundle.load(folder)
    source = "" if arm == MOCO else arguments.source
    share = {"contrast_share": 0.0} if arm == SOURCE else {}
    budget = arguments.pretrain / (1.0 if arm != CUPRE or arguments.equal_time else share_of_source(arguments))
    bundle = train(
        items([*parts.others, *parts.pool], labelled=False), budget, seed, arguments, None,
        stage="pre-train", source=source, **share,
    )  # fmt: skip
    if folder:
        bundle.save(folder)
    return bundle


def test(bundle: ModelBundle, unseen: list[Painted]) -> dict[str, object]:
    seen, scores, counts = [], [], []
    for image in unseen:
        maps = cs.predict(bundle, stack(image))
        labels = np.asarray(cs.segment(bundle, maps)).reshape(image.truth.shape)
        seen.append(judged(image.truth, maps.detections_to_source()[0]))
        scores.append(image_scores(image.truth, labels))
        counts.append((len(np.unique(image.truth)) - 1, int(labels.max()), len(maps.detections[0])))
    boxes, masks, summary = coco_scores(seen, "bbox"), coco_scores(seen, "segm"), set_scores(scores)
    found = {
        "ap_box": boxes.ap,
        "ap_mask": masks.ap,
        "ap50_mask": masks.ap_50,
        "f1": summary["f1_50"],
        "f1_pooled": summary["f1_pooled"],
    }
    per_image = dict(zip(("true", "drawn", "detected"), np.mean(counts, axis=0).round(1).tolist(), strict=True))
    return {**{name: round(float(value), 4) for name, value in found.items()}, "objects_per_image": per_image}


def classical(unseen: list[Painted]) -> dict[str, float]:
    bundle = cs.train("classical", images=[image.pixels[0] for image in unseen[:1]])
    found = [np.asarray(cs.segment(bundle, stack(image))).reshape(image.truth.shape) for image in unseen]
    scores = [image_scores(image.truth, labels) for image, labels in zip(unseen, found, strict=True)]
    return {"f1": round(float(set_scores(scores)["f1_50"]), 4)}


def measure(data: LabelledSet, seed: int, arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    parts = split(data, seed, arguments.most)
    yield {"arm": "classical", "seed": seed, **classical(parts.unseen)}
    for arm in arguments.arms:
        start = pretrained(arm, parts, seed, arguments)
        if start is not None:
            known = start.provenance
            yield {
                "arm": arm,
                "seed": seed,
                "pretrained": known.steps,
                "scores": dict(known.scores),
                "notes": known.notes,
            }
        for share in arguments.shares:
            learned = parts.others[: round(share * len(data))]
            bundle = train(items(learned, labelled=True), arguments.fine, seed, arguments, start, stage="fine-tune")
            yield {
                "arm": arm,
                "seed": seed,
                "share": share,
                "images": len(learned),
                "cells": sum(len(np.unique(image.truth)) - 1 for image in learned),
                "steps": bundle.provenance.steps,
                "held_out": dict(bundle.provenance.scores),
                "least_score": bundle.segment_options.score,
                **test(bundle, parts.unseen),
            }


def medians(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Summarise over the seeds."""
    keys = sorted({(row["share"], row["arm"]) for row in rows if "share" in row}, key=str)
    for share, arm in keys:
        chosen = [row for row in rows if row.get("share") == share and row["arm"] == arm]
        names = ("ap_box", "ap_mask", "ap50_mask", "f1", "f1_pooled")
        yield {
            "median": arm,
            "share": share,
            "seeds": len(chosen),
            **{name: statistics.median(float(str(row[name])) for row in chosen) for name in names},
        }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--source", help="default: bbbc039 of the data folder, and drawn shapes")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--pretrain", type=float, default=300.0)
    parser.add_argument("--equal-time", action="store_true", help="CUPre gets no longer than the others")
    parser.add_argument("--fine", type=float, default=120.0)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.05, 0.1])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--most", type=int, default=24, help="images to score on")
    parser.add_argument("--runs", type=Path, help="keep pre-trained models here, and use those that are there")
    parser.add_argument("--cpu-clock", action="store_true", help="count seconds that the process computed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.source = arguments.source or os.pathsep.join([str(arguments.data / "bbbc039" / "dev"), "shapes"])
    torch.set_num_threads(1)
    data = next(one for one in find_sets(arguments.data, names=(arguments.set,)) if one.name == arguments.set)
    rows = []
    for seed in arguments.seeds:
        for row in measure(data, seed, arguments):
            rows.append(row)
            print(json.dumps(row) if arguments.json else row, flush=True)
    for row in medians(rows):
        print(json.dumps(row) if arguments.json else row, flush=True)


if __name__ == "__main__":
    main()
