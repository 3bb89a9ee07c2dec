"""Cellulus-supported supervision: against painted cells alone, and without any painted cell, on labelled sets.

    python -m benchmarks.accuracy.supported DATA [--set NAME] [--shares P ...] [--alphas A ...] [--seeds N ...]
                                            [--budget S]
                                   [--cellulus FOLDER] [--option NAME=VALUE ...] [--every K] [--cpu-clock]
    python -m benchmarks.accuracy.supported DATA --label-free [--sets NAME ...] [--budget SECONDS]
                                            [--cellulus FOLDER] ...

The first form paints a share of the cells of every other image, drawn by chance over all of them, and the background
within 30 px of these cells, as the paper does; scores are those of the other half of the images. Alpha 0 learns from
the painted pixels alone. The second form trains on all images of a set without any label and segments the same images;
beside it, ACTIS learns from what Cellulus and the classical method agree on, finding which is not part of its budget.
`--cellulus` is a folder with a run of Cellulus for each set, by the set's name, to start from; without it, which only
the first form allows, Cellulus is trained first, within the budget. `--compare` scores it too. Diameters are estimated.
One thread. Scores are means over images. `--json` prints one record per line.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks.accuracy.cellulus import classical, groups, read, scored
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Method, Run, get_method
from napari_cellseg_ssl.core.methods.cellulus_supported import INFO
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.training.pseudo_labels import agreed, with_pseudo_labels

NEAR = 30
"""px around painted cells within which background is annotated too (the paper's section 4.2)."""
SHOWN = ("f1_50", "seg")


def paint(truths: Sequence[Array], share: float, rng: np.random.Generator) -> list[Annotation | None]:
    """Annotate a share of all cells, and the background near them."""
    cells = [(index, cell) for index, truth in enumerate(truths) for cell in np.unique(truth)[1:]]
    chosen = [cells[i] for i in rng.permutation(len(cells))[: max(1, round(share * len(cells)))]]
    notes: list[Annotation | None] = []
    for index, truth in enumerate(truths):
        painted = np.isin(truth, [cell for where, cell in chosen if where == index]) & (truth > 0)
        if painted.any():
            near = ndimage.distance_transform_edt(~painted) < NEAR
            notes.append(
                Annotation(cells=np.where(painted, truth, 0)[None], known=(painted | (near & (truth == 0)))[None])
            )
        else:
            notes.append(None)
    return notes


def train(data: TrainingSet, seed: int, arguments: argparse.Namespace, **options: object) -> ModelBundle:
    values = {**dict(pair.split("=") for pair in arguments.option), **options}
    chosen = with_values(INFO.preset(arguments.preset), values)
    clock = time.process_time if arguments.cpu_clock else time.perf_counter
    start = clock()
    parent = ModelBundle.load(arguments.cellulus / arguments.run) if arguments.cellulus else None
    run = Run(seed=seed, time_budget=arguments.budget, elapsed=lambda: clock() - start, start_from=parent)
    return last_of(get_method(INFO.id).train(data, chosen, run), TrainFinished).bundle


def segmented(bundle: ModelBundle, items: Sequence[TrainingItem]) -> Iterator[Array]:
    method: Method = get_method(bundle.method_id)
    predictor = method.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in method.info.maps}
    for item in items:
        events = predict_tiled(item.image, predictor, diameter=item.diameter, specs=specs, intensity=bundle.intensity)
        yield method.segment(last_of(events, MapsReady).maps, bundle.segment_options)[0]


def found_by_cellulus(arguments: argparse.Namespace, items: Sequence[TrainingItem]) -> list[Array]:
    return list(segmented(ModelBundle.load(arguments.cellulus / arguments.run), items)) if arguments.compare else []


def measure_shares(sets: Sequence[LabelledSet], arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per share, seed and alpha, scored on the half that gave no label."""
    data, truths = read(sets, "auto", None)
    test = slice(1, None, 2 * arguments.every)
    reference = round(scored(truths[test], classical(TrainingSet(data.items[test])))["f1_50"], 4)
    others = found_by_cellulus(arguments, data.items[test])
    cellulus = round(scored(truths[test], others)["f1_50"], 4) if others else None
    for share in arguments.shares:
        for seed in arguments.seeds:
            notes = paint(truths[::2], share, np.random.default_rng(seed))
            items = [replace(item, annotation=note) for item, note in zip(data.items[::2], notes, strict=True)]
            for alpha in arguments.alphas:
                bundle = train(TrainingSet(tuple(items)), seed, arguments, alpha=alpha)
                scores = scored(truths[test], list(segmented(bundle, data.items[test])))
                yield {
                    "set": sets[0].name,
                    "share": share,
                    "cells": sum(note.n_cells for note in notes if note is not None),
                    "seed": seed,
                    "alpha": alpha,
                    "steps": bundle.provenance.steps,
                    **{name: round(scores[name], 4) for name in SHOWN},
                    "cellulus_f1": cellulus,
                    "classical_f1": reference,
                    "told": dict(bundle.provenance.scores),
                }


def actis_on(
    agreement: Sequence[Annotation], data: TrainingSet, seed: int, arguments: argparse.Namespace
) -> ModelBundle:
    """Train ACTIS, with the same budget, on what Cellulus and the classical method agree on."""
    notes = with_pseudo_labels([None] * len(agreement), agreement, [item.diameter for item in data.items])
    items = (replace(item, annotation=note) for item, note in zip(data.items, notes, strict=True))
    clock = time.process_time if arguments.cpu_clock else time.perf_counter
    start = clock()
    run = Run(seed=seed, time_budget=arguments.budget, elapsed=lambda: clock() - start)
    method = get_method("actis")
    return last_of(method.train(TrainingSet(tuple(items)), method.info.preset(), run), TrainFinished).bundle


def measure_label_free(sets: Sequence[LabelledSet], arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per set and seed, beside the two methods whose agreement is learned from."""
    data, truths = read(sets, "auto", None)
    first = list(segmented(ModelBundle.load(arguments.cellulus / arguments.run), data.items))
    second = classical(data)
    agreement = [agreed(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    for seed in arguments.seeds:
        bundles = {"supported": train(data, seed, arguments), "actis": actis_on(agreement, data, seed, arguments)}
        begin = 0
        for one in sets:
            part = slice(begin, begin + len(one), arguments.every)
            begin += len(one)
            found = {name: list(segmented(bundle, data.items[part])) for name, bundle in bundles.items()}
            found |= {"cellulus": first[part], "classical": second[part]}
            scores = {name: scored(truths[part], labels) for name, labels in found.items()}
            yield {
                "set": one.name,
                "images": len(truths[part]),
                "seed": seed,
                **{f"{name}_{key}": round(of_one[key], 4) for name, of_one in scores.items() for key in SHOWN},
                **{f"{name}_steps": bundle.provenance.steps for name, bundle in bundles.items()},
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--label-free", action="store_true")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--shares", nargs="*", type=float, default=[0.01, 0.05, 0.2, 1.0])
    parser.add_argument("--alphas", nargs="*", type=float, default=[0.0, 0.5])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--budget", type=float, default=75.0)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--cellulus", type=Path, help="folder with a run for each set")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--every", type=int, default=1, help="score every K-th image only")
    parser.add_argument("--compare", action="store_true", help="segment with the runs in --cellulus too")
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    names = tuple(arguments.sets) if arguments.label_free else (arguments.set,)
    for name, sets in groups(find_sets(arguments.data, names=names)).items():
        arguments.run = name.replace("/", "_")
        rows = measure_label_free(sets, arguments) if arguments.label_free else measure_shares(sets, arguments)
        for row in rows:
            print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
