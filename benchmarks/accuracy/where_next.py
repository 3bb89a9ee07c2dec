"""Does it pay to paint where the model is in doubt? A simulated user paints one field a round, completely.

    python -m benchmarks.accuracy.where_next DATA [--set NAME] [--seeds N ...] [--rounds N] [--budget SECONDS]
                                             [--images N]
                                    [--cpu-clock] [--json]

Both users start from the same field and the same model. Then one paints the field that `core.inference.where_next`
ranks first, the other any field with a cell in it, each image being as likely. After each round ACTIS learns on from
its model for the budget, from all fields painted so far, and is scored on images that nobody may paint. Half of
`--images` may be painted, half is scored on. Before that, the errors (false and missed cells) of the first model are
counted in the ten fields that are ranked first and in a hundred random ones; `--rounds 0` does nothing else. One
thread.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks._lib.painting import Painted
from benchmarks.accuracy.actis import diameters, read_set, stack, test
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.inference.where_next import (
    FIELD_DIAMETERS,
    Field,
    clues_of,
    disagreement_of,
    fields_of,
    rank,
)
from napari_cellseg_ssl.core.methods.actis import INFO, METHOD
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.matching import match_instances
from napari_cellseg_ssl.core.model.bundle import ModelBundle

LISTED, ANY_FIELDS = 10, 100
"""Fields in which the errors of the first model are counted: the first of the list, and of any."""
Choice = Literal["ranked", "random"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Images that may be painted and their sizes, those that are scored on, and how long a round learns."""

    pool: list[Painted]
    pool_sizes: list[float]
    unseen: list[Painted]
    unseen_sizes: list[float]
    budget: float
    cpu_clock: bool


@dataclass(frozen=True, kw_only=True)
class User:
    """What one user has painted, and the model that came of it."""

    known: list[np.ndarray]
    painted: list[int]
    bundle: ModelBundle | None = None

    def after(self, field: Field, bundle: ModelBundle | None) -> "User":
        """Paint a field."""
        known = [array.copy() for array in self.known]
        known[field.image][tuple(slice(start, stop) for start, stop in field.box)] = True
        painted = [n + (i == field.image) for i, n in enumerate(self.painted)]
        return replace(self, known=known, painted=painted, bundle=bundle)


def table(data: Path, arguments: argparse.Namespace, seed: int) -> Table:
    images = read_set(data, arguments.set)
    order = np.random.default_rng(seed).permutation(len(images))[: arguments.images]
    half = len(order) // 2
    pool, unseen = [images[i] for i in order[:half]], [images[i] for i in order[half:]]
    return Table(
        pool=pool,
        pool_sizes=diameters(pool, False),
        unseen=unseen,
        unseen_sizes=diameters(unseen, False),
        budget=arguments.budget,
        cpu_clock=arguments.cpu_clock,
    )


def side_of(image: Painted, size: float) -> int:
    return min(round(FIELD_DIAMETERS * size), *image.truth.shape)


def any_field(given: Table, user: User, rng: np.random.Generator) -> Field:
    """Point at a random field with a cell that is not painted yet."""
    while True:
        i = int(rng.integers(len(given.pool)))
        truth, side = given.pool[i].truth, side_of(given.pool[i], given.pool_sizes[i])
        start = [int(rng.integers(size - side + 1)) for size in truth.shape]
        window = tuple(slice(s, s + side) for s in start)
        if (truth[window] * ~user.known[i][window]).any() and user.known[i][window].mean() < 0.5:
            return Field(image=i, frame=0, box=tuple((s, s + side) for s in start), doubts={})


def look(given: Table, user: User) -> tuple[list[Field], list[np.ndarray]]:
    """Run the model over the pool: candidates for painting, and the instances (Y, X) of each image."""
    assert user.bundle is not None
    predictor, specs = METHOD.predictor(user.bundle, "cpu"), {spec.name: spec for spec in INFO.maps}
    candidates, found = [], []
    for i, (image, size) in enumerate(zip(given.pool, given.pool_sizes, strict=True)):
        events = predict_tiled(stack(image), predictor, diameter=size, specs=specs, intensity=user.bundle.intensity)
        maps = last_of(events, MapsReady).maps
        labels = METHOD.segment(maps, user.bundle.segment_options)
        found.append(labels[0])
        clues = (*clues_of(maps), disagreement_of(labels, classical(image, size)))
        candidates += fields_of(clues, user.known[i][None], side_of(image, size), i)
    return candidates, found


def quality(given: Table, user: User, seed: int) -> Iterator[dict[str, object]]:
    """Say how wrong the model is in the fields that are ranked first, and in any."""
    candidates, labels = look(given, user)
    rng = np.random.default_rng(2000 + seed)
    chosen = {
        "ranked": rank(candidates, LISTED, user.painted),
        "random": [any_field(given, user, rng) for _ in range(ANY_FIELDS)],
    }
    for choice, fields in chosen.items():
        windows = [(field.image, tuple(slice(*side) for side in field.box)) for field in fields]
        matches = [match_instances(given.pool[i].truth[window], labels[i][window]) for i, window in windows]
        n, errors = sum(m.n_truth for m in matches), sum(m.fp + m.fn for m in matches)
        row = {"seed": seed, "choice": choice, "fields": len(fields), "cells_per_field": round(n / len(fields), 1)}
        yield row | {"errors_per_field": round(errors / len(fields), 2), "errors_per_cell": round(errors / n, 3)}


def classical(image: Painted, size: float) -> np.ndarray:
    """Segment an image without learning -> (1, Y, X)."""
    grey = Intensity().normalise(image.pixels).mean(axis=0)
    return segment_frame(grey, size, ClassicalSegmentOptions())[None]


def learn(given: Table, user: User, seed: int) -> ModelBundle:
    items = (
        TrainingItem(
            image=stack(image),
            annotation=Annotation(cells=np.where(known, image.truth, 0)[None].astype(np.int32), known=known[None])
            if known.any()
            else None,
            diameter=size,
        )
        for image, known, size in zip(given.pool, user.known, given.pool_sizes, strict=True)
    )
    clock = time.process_time if given.cpu_clock else time.perf_counter
    start = clock()
    run = Run(seed=seed, time_budget=given.budget, elapsed=lambda: clock() - start, start_from=user.bundle)
    events = METHOD.train(TrainingSet(tuple(items)), INFO.preset("fast"), run)
    return last_of((event for event in events if isinstance(event, TrainFinished)), TrainFinished).bundle


def cells_of(given: Table, user: User) -> int:
    painted = zip(given.pool, user.known, strict=True)
    return sum(int(np.count_nonzero(np.unique(image.truth[known]))) for image, known in painted)


def rounds(given: Table, start: User, choice: Choice, seed: int, count: int) -> Iterator[dict[str, object]]:
    """Paint and learn on, round by round; yields a row per round."""
    rng, user = np.random.default_rng(1000 + seed), start
    for number in range(1, count + 1):
        ranked = rank(look(given, user)[0], 1, user.painted) if choice == "ranked" else ()
        field = ranked[0] if ranked else any_field(given, user, rng)
        user = user.after(field, user.bundle)
        user = replace(user, bundle=learn(given, user, seed + number))
        yield row(given, user, choice, seed, number)


def row(given: Table, user: User, choice: str, seed: int, number: int) -> dict[str, object]:
    assert user.bundle is not None
    scores = test(user.bundle, given.unseen, given.unseen_sizes)
    return {"seed": seed, "choice": choice, "round": number, "cells": cells_of(given, user), "f1": scores["f1_50"]}


def first(given: Table, seed: int) -> User:
    """Paint one random field and learn from it."""
    blank = User(known=[np.zeros(i.truth.shape, bool) for i in given.pool], painted=[0] * len(given.pool))
    user = blank.after(any_field(given, blank, np.random.default_rng(seed)), None)
    return replace(user, bundle=learn(given, user, seed))


def measure(data: Path, arguments: argparse.Namespace, seed: int) -> Iterator[dict[str, object]]:
    given = table(data, arguments, seed)
    start = first(given, seed)
    yield from quality(given, start, seed)
    if not arguments.rounds:
        return
    yield row(given, start, "start", seed, 0)
    for choice in ("ranked", "random"):
        yield from rounds(given, start, choice, seed, arguments.rounds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="dsb2018_fluo")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--cpu-clock", action="store_true", help="count the process's own seconds, on a busy machine")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    import torch

    torch.set_num_threads(1)
    arguments = parse()
    for seed in arguments.seeds:
        for found in measure(arguments.data, arguments, seed):
            shown = json.dumps(found) if arguments.json else " ".join(f"{key} {value}" for key, value in found.items())
            print(shown, flush=True)


if __name__ == "__main__":
    main()
