"""Tuning against simulated painting: trials per second, scores before and after, and what the partial score is worth.

    python -m benchmarks.accuracy.tuning DATA [--sets NAME ...] [--methods ID ...] [--budget SECONDS] [--images N]
                                         [--trials N]
                                [--settings N] [--seed N] [--runs FOLDER] [--json]

Of each set N evenly spaced images are taken; four of them get five painted cells and three strokes of background each
(`painting.sparse`). Each method trains on them (`--runs` keeps the models, so that a second call only tunes), and its
segmentation options are tuned to the painting. F1 at IoU 0.5, pooled over objects: `partial` is the score that the
search sees, `full` that of the complete truth of the same four images, `unseen` that of up to eight others, each before
and after; `best_full` is what a search with the complete truth reaches. The correlation of partial and full scores is
that over `--settings` random ones from the search space, their mean difference is the bias. One thread; CPU seconds are
told too, for machines on which something else runs.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr

from benchmarks._lib.datasets import find_sets
from benchmarks._lib.painting import Painted, sparse
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import match_instances, pooled_f1, sparse_score
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import RUN_FILE
from napari_cellseg_ssl.tasks import PredictRequest, TrainRequest, TuneFinished, TuneRequest, predict, train, tune
from napari_cellseg_ssl.tasks.search_space import search_space

SETS = ("dsb2018_fluo", "mouse_nuclei", "bbbc039", "phase_psc")
UNSEEN = 8


@dataclass(frozen=True)
class Case:
    """Painted images with their maps, and some that nobody painted."""

    method_id: str
    painted: list[tuple[Painted, PredictionMaps]]
    unseen: list[tuple[Painted, PredictionMaps]]

    @property
    def notes(self) -> tuple[Annotation, ...]:
        """What is painted."""
        return tuple(Annotation.from_painting(image.painting) for image, _ in self.painted)

    def partial(self, options: Any) -> float:
        """Score of the painting."""
        method = get_method(self.method_id)
        pairs = zip(self.painted, self.notes, strict=True)
        return pooled_f1(
            [sparse_score(note.cells[0], note.known[0], method.segment(maps, options)[0]) for (_, maps), note in pairs]
        )

    def full(self, options: Any, images: Sequence[tuple[Painted, PredictionMaps]]) -> float:
        """Score of the complete truth."""
        method = get_method(self.method_id)
        return pooled_f1([match_instances(image.truth, method.segment(maps, options)[0]) for image, maps in images])


def read(data: Path, name: str, count: int, seed: int) -> list[Painted]:
    (found,) = (one for one in find_sets(data, names=(name,)) if one.name == name)
    items = found.items[:: max(1, len(found) // count)][:count]
    images = [
        Painted(name=item.name, source=item.name, pixels=item.read_image(), truth=item.read_labels()) for item in items
    ]
    return sparse(images, seed=seed)


def stack(image: Painted) -> ImageStack:
    return ImageStack.from_array(image.pixels, "CYX", name=image.name)


def model(method_id: str, images: list[Painted], folder: Path | None, arguments: argparse.Namespace) -> ModelBundle:
    """Train, or open the model that an earlier call kept."""
    if folder is not None and (folder / RUN_FILE).exists():
        return ModelBundle.load(folder)
    paintings = (image.painting for image in images)
    learns_from_labels = get_method(method_id).info.labels != "none"
    request = TrainRequest(
        method_id=method_id,
        images=tuple(stack(image) for image in images),
        annotations=tuple(
            Annotation.from_painting(p) if p is not None and learns_from_labels else None for p in paintings
        ),
        one_size=False,
        device="cpu",
        seed=arguments.seed,
        time_budget=arguments.budget,
        out=folder,
        threads=1,
    )
    return last_of(train(request), TrainFinished).bundle


def case(bundle: ModelBundle, images: list[Painted]) -> Case:
    def with_maps(chosen: list[Painted]) -> list[tuple[Painted, PredictionMaps]]:
        requests = [PredictRequest(bundle=bundle, image=stack(image), device="cpu", threads=1) for image in chosen]
        return [(image, last_of(predict(r), MapsReady).maps) for image, r in zip(chosen, requests, strict=True)]

    return Case(
        bundle.method_id,
        with_maps([image for image in images if image.painting is not None]),
        with_maps([image for image in images if image.painting is None][:UNSEEN]),
    )


def tuned(one: Case, start: Any, notes: tuple[Annotation, ...], arguments: argparse.Namespace) -> TuneFinished:
    request = TuneRequest(
        method_id=one.method_id,
        maps=tuple(maps for _, maps in one.painted),
        annotations=notes,
        options=start,
        trials=arguments.trials,
        seed=arguments.seed,
    )
    return last_of(tune(request), TuneFinished)


def gains(one: Case, start: Any, arguments: argparse.Namespace) -> dict[str, object]:
    """Time a search, and score what it found."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = tuned(one, start, one.notes, arguments)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    truth = tuple(Annotation.from_dense(image.truth) for image, _ in one.painted)
    pixels = sum(maps.arrays[next(iter(maps.arrays))][0, 0].size for _, maps in one.painted)
    best = {"partial": found.score, **_full(one, found.options)}
    before = {"partial": found.default_score, **_full(one, start)}
    return {
        "trials": len(found.trials),
        "trials_per_s": round(len(found.trials) / seconds, 2),
        "trials_per_cpu_s": round(len(found.trials) / cpu_seconds, 2),
        "working_mpx": round(pixels / 1e6, 2),
        **{name: (round(value, 3), round(best[name], 3)) for name, value in before.items()},
        "best_full": round(tuned(one, start, truth, arguments).score, 3),
    }


def _full(one: Case, options: Any) -> dict[str, float]:
    return {"full": one.full(options, one.painted), "unseen": one.full(options, one.unseen)}


def correlation(one: Case, start: Any, arguments: argparse.Namespace) -> dict[str, object]:
    """Compare partial and full scores of random settings."""
    rng, space = np.random.default_rng(arguments.seed), search_space(start)
    draws = [
        {name: values[rng.integers(len(values))] for name, values in space.items() if rng.random() < 0.5}
        for _ in range(arguments.settings - 1)
    ]
    settings = [start, *(replace(start, **draw) for draw in draws)]
    partial = np.array([one.partial(options) for options in settings])
    full = np.array([one.full(options, one.painted) for options in settings])
    return {
        "settings": len(settings),
        "pearson": round(float(pearsonr(partial, full)[0]), 3),
        "spearman": round(float(spearmanr(partial, full)[0]), 3),
        "bias": round(float((partial - full).mean()), 3),
        "spread": round(float((partial - full).std()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--methods", nargs="*", default=["cellulus", "actis", "classical"])
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--settings", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for name in arguments.sets:
        images = read(arguments.data, name, arguments.images, arguments.seed)
        for method_id in arguments.methods:
            folder = arguments.runs / f"{name}-{method_id}" if arguments.runs else None
            bundle = model(method_id, images, folder, arguments)
            one = case(bundle, images)
            row: dict[str, object] = {"set": name, "method": method_id, "seed": arguments.seed}
            row |= gains(one, bundle.segment_options, arguments)
            row |= correlation(one, bundle.segment_options, arguments)
            print(json.dumps(row) if arguments.json else row, flush=True)


if __name__ == "__main__":
    main()
