"""AD-GAN on every labelled set of a data folder, trained without a label; the classical method beside it.

    python -m benchmarks.accuracy.adgan DATA [--sets NAME ...] [--seeds N ...] [--budget SECONDS] [--preset NAME]
                                        [--every K]
                               [--option NAME=VALUE ...] [--segment NAME=VALUE ...] [--wall-clock] [--runs FOLDER]
                               [--pairs COUNT [--images-too]] [--json]

Trains on all images of a set and segments the same images; the movies of one Cell Tracking Challenge set train together
and are scored apart. Diameters are estimated from the pixels. One thread, and seconds are those of the process, so that
a busy machine does not count. One row for each moment that the training judged itself by, with its label-free scores;
the last row of a set and seed says which moment was chosen, and what it gives. Moments are scored on every
`--every`-th image, the choice on all of them. `--budget 0` trains for as many steps as the options say, so that
ablations are compared at equal steps: `--option cycle=0`, `--option aligned=no`, `--option domain_in_encoder=no`.
`--pairs` also draws so many pairs of images and labels with the model chosen, trains ACTIS on them for half of the
budget, and scores that.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks.accuracy.cellulus import classical, groups, read, scored
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.adgan import INFO, METHOD
from napari_cellseg_ssl.core.methods.adgan.options import segment_options
from napari_cellseg_ssl.core.methods.adgan.synthesis import synthetic_pairs
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, Snapshot, TrainFinished, Validated, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.training.base import Training

SHOWN = ("f1_50", "dice", "seg")
PAIR = (256, 256)


class Stopwatch:
    """Seconds of the process, or of the wall, less those that are put aside."""

    def __init__(self, wall: bool) -> None:
        self._now = time.perf_counter if wall else time.process_time
        self._start, self.aside = self._now(), 0.0

    def elapsed(self) -> float:
        """Return the seconds so far."""
        return self._now() - self._start - self.aside


def segmented(method_id: str, predictor: Predictor, options: object, items: Sequence[TrainingItem]) -> list[Array]:
    method = get_method(method_id)
    specs, labels = {spec.name: spec for spec in method.info.maps}, []
    for item in items:
        events = predict_tiled(item.image, predictor, diameter=item.diameter, specs=specs, intensity=Intensity())
        labels.append(method.segment(last_of(events, MapsReady).maps, options)[0])
    return labels


def rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(scores[name], 4) for name in SHOWN}


def measure(name: str, sets: Sequence[LabelledSet], seed: int, arguments: argparse.Namespace) -> Iterator[dict]:
    """Train once: one row per moment and set, then one per set for the moment that was chosen."""
    data, truths = read(sets, "auto", None)
    whole, begin = [], 0
    for one in sets:
        whole.append((one.name, slice(begin, begin + len(one))))
        begin += len(one)
    some = [(set_name, slice(part.start, part.stop, arguments.every)) for set_name, part in whole]
    values = dict(pair.split("=") for pair in arguments.option)
    options = with_values(INFO.preset(arguments.preset), values)
    settings = dict(pair.split("=") for pair in arguments.segment)
    reading = with_values(segment_options(options), settings)

    def rows(
        method_id: str, predictor: Predictor, how: object, parts: Sequence[tuple[str, slice]] = whole, **said: object
    ) -> Iterator[dict]:
        for set_name, part in parts:
            found = segmented(method_id, predictor, how, data.items[part])
            yield {"set": set_name, "seed": seed, **said, **rounded(scored(truths[part], found))}

    moments: list[dict] = []
    kept = arguments.runs and arguments.runs / f"{name.replace('/', '_')}-seed{seed}"
    if kept and kept.exists():
        bundle = ModelBundle.load(kept)
    else:
        clock = Stopwatch(arguments.wall_clock)
        run = Run(seed=seed, elapsed=clock.elapsed, time_budget=arguments.budget or None)
        for event in METHOD.train(data, options, run):
            if isinstance(event, Snapshot):
                predictor = event.predictor  # the average itself, which the moment judged
            if isinstance(event, Validated):
                since = clock.elapsed()
                said = {name: round(score, 4) for name, score in event.scores.items()}
                found = list(rows("adgan", predictor, reading, some, step=event.step, seconds=round(since), **said))
                moments += found
                yield from found
                clock.aside += clock.elapsed() - since
            if isinstance(event, TrainFinished):
                bundle = event.bundle
        if kept:
            bundle.save(kept)
    reading = with_values(bundle.segment_options, settings)
    chosen = {
        "chosen_step": bundle.provenance.scores["chosen_step"],
        "steps": bundle.provenance.steps,
        "threshold": reading.threshold,
    }
    final = rows("adgan", METHOD.predictor(bundle, "cpu"), reading, **chosen)
    for row, (set_name, part) in zip(final, whole, strict=True):
        of_set = [moment for moment in moments if moment["set"] == set_name]
        simple = scored(truths[part], classical(TrainingSet(data.items[part])))
        if of_set:
            row["chosen_moment_f1"] = next(one["f1_50"] for one in of_set if one["step"] == chosen["chosen_step"])
            row |= {f"best_moment_{score}": max(one[score] for one in of_set) for score in ("f1_50", "dice")}
        yield {
            **row,
            "classical_f1": round(simple["f1_50"], 4),
            "classical_dice": round(simple["dice"], 4),
        }
    if arguments.pairs:
        student = taught_by_pairs(bundle, data.items if arguments.images_too else (), seed, arguments)
        taught = {"pairs": arguments.pairs, "images_too": arguments.images_too, "steps": student.provenance.steps}
        yield from rows("actis", get_method("actis").predictor(student, "cpu"), student.segment_options, **taught)


def taught_by_pairs(
    bundle: ModelBundle, images: Sequence[TrainingItem], seed: int, arguments: argparse.Namespace
) -> ModelBundle:
    """Train ACTIS on drawn images, perhaps also on the real ones, of which nothing is known."""
    method, diameter = get_method("actis"), bundle.train_options.working_diameter
    items = [
        TrainingItem(
            image=ImageStack.from_array(pair.image, name=f"pair {number}"),
            annotation=Annotation.from_dense(pair.labels),
            diameter=diameter,
        )
        for number, pair in enumerate(synthetic_pairs(bundle, PAIR, count=arguments.pairs, seed=seed))
    ]
    clock = Stopwatch(arguments.wall_clock)
    run = Run(seed=seed, elapsed=clock.elapsed, time_budget=arguments.budget / 2 or None)
    events = method.train(TrainingSet((*items, *images)), method.info.preset(), run)
    return last_of(events, TrainFinished).bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--budget", type=float, default=240.0)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--segment", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--every", type=int, default=1, help="score moments on every K-th image only")
    parser.add_argument("--pairs", type=int, default=0, help="pairs to draw and to train ACTIS on")
    parser.add_argument("--images-too", action="store_true", help="ACTIS also learns from the images, unlabelled")
    parser.add_argument("--wall-clock", action="store_true", help="count the wall's seconds instead of the process's")
    parser.add_argument("--runs", type=Path, help="keep the runs there, and use those that are there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    Training.seconds_between_snapshots = 0.0
    for name, sets in groups(find_sets(arguments.data, names=tuple(arguments.sets))).items():
        for seed in arguments.seeds:
            for row in measure(name, sets, seed, arguments):
                print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
