"""A simulated person who corrects a model round by round, and how good the model is after each action.

    python -m benchmarks.accuracy.label_loop DATA [--sets NAME ...] [--rounds N] [--actions N] [--steps N]
                                             [--cellulus-steps N]
                                    [--seeds N ...] [--out FILE]

Every other image of a set, in a fixed random order, is for the person; the other half is only scored on. Each round she
opens the next images, begins at a random place and deals with what is nearest to it, until her actions are spent; then
ACTIS learns on from its last weights.

- With proposals ("proposals"): those of the present model. She accepts one that is a true cell at IoU >= 0.7 (its own
  pixels, not the true ones), rejects one that is no true cell at IoU > 0.5 (background, except on true cells), and
  paints a cell that has no good proposal. ACTIS learns from what she painted and, elsewhere, from what Cellulus and
  the classical method agree on; in round 0 from that alone.
- Without ("painting"): every action paints one true cell; ACTIS learns from those.

An action is one object dealt with; the thin ring of background that a painted or accepted cell offers belongs to it.
Cellulus and the classical method are scored once. Trainings take a number of steps, not of seconds, so that a seed
gives the same figures on a busy machine; the seconds of CPU time that they took are written down. One thread. One JSON
object per line: F1 (mean over images) and SEG per set, seed, loop and round.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

import napari_cellseg_ssl as cs
from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks._lib.person import Person, Picture
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.tasks.diameters import resolve_diameters


def score(model: cs.ModelBundle, pictures: Sequence[Picture]) -> dict[str, float]:
    scores = cs.score([instances(model, one) for one in pictures], [one.truth for one in pictures])
    return {name: round(scores[name], 4) for name in ("f1_50", "seg")}


def instances(model: cs.ModelBundle, picture: Picture) -> Array:
    found: Array = cs.segment(model, picture.image, object_diameter=picture.diameter)
    return found.reshape(picture.truth.shape)


def halves(data: LabelledSet) -> tuple[list[Picture], list[Picture]]:
    """Split a set in two, always the same way: to work on, and to score on."""
    images = [ImageStack.from_array(item.read_image(), "CYX", name=item.name) for item in data]
    diameters, _ = resolve_diameters(images, "auto")
    rows = [
        Picture(image=image, truth=item.read_labels(), diameter=diameter)
        for item, image, diameter in zip(data, images, diameters, strict=True)
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[i] for i in sorted(order[::2])], [rows[i] for i in sorted(order[1::2])]


@dataclass(frozen=True)
class Found:
    """What Cellulus and the classical method find in each image, (Y, X) each."""

    cellulus: Sequence[Array]
    classical: Sequence[Array]


def find_all(pictures: Sequence[Picture], cellulus: cs.ModelBundle) -> Found:
    first = [instances(cellulus, one) for one in pictures]
    classical = [cs.train("classical", images=[one.image], object_diameter=one.diameter) for one in pictures]
    return Found(first, [instances(model, one) for model, one in zip(classical, pictures, strict=True)])


def learn(
    pictures: Sequence[Picture], found: Found | None, seed: int, steps: int, parent: cs.ModelBundle | None
) -> cs.ModelBundle:
    """Train ACTIS, on from the last model."""
    painted = [one.painting if one.painting.any() else None for one in pictures]
    return cs.train(
        "actis",
        images=[one.image for one in pictures],
        labels=painted if any(one is not None for one in painted) else None,
        labels_mode="sparse",
        pseudo_labels=found and list(found.cellulus),
        agreeing_with=found and list(found.classical),
        seed=seed,
        options={"steps": steps},
        start_from=parent,
    )


@dataclass(kw_only=True)
class Loop:
    """One person, what she is shown, and the model that learns from her."""

    name: str
    person: Person
    found: Found | None
    model: cs.ModelBundle | None = None

    def round(self, actions: int, steps: int) -> dict[str, Any]:
        """Work, then learn; says what it cost."""
        if actions:
            self.person.work(actions, partial(instances, self.model) if self.found else None)
        began = time.process_time()
        self.model = learn(self.person.pictures, self.found, self.person.seed, steps, self.model)
        return {
            "loop": self.name,
            "actions": self.person.spent,
            "train_cpu_s": round(time.process_time() - began, 1),
            "threshold_score": round(self.model.provenance.scores.get("tuned_f1", float("nan")), 3),
        }


def measure(data: LabelledSet, seed: int, arguments: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    own, unseen = halves(data)
    common = {"set": data.name, "seed": seed, "images": len(unseen)}
    images = [one.image for one in own]
    cellulus = cs.train("cellulus", images=images, seed=seed, options={"steps": arguments.cellulus_steps})
    yield {**common, "loop": "cellulus", "actions": 0, **score(cellulus, unseen)}
    yield {**common, "loop": "classical", "actions": 0, **score(cs.train("classical", images=images[:1]), unseen)}
    again = [Picture(image=one.image, truth=one.truth, diameter=one.diameter) for one in own]
    proposing = Loop(name="proposals", person=Person(own, seed), found=find_all(own, cellulus))
    painting = Loop(name="painting", person=Person(again, seed), found=None)
    yield {**common, **proposing.round(0, arguments.steps), **score(proposing.model, unseen)}
    for _ in range(arguments.rounds):
        for loop in (proposing, painting):
            yield {**common, **loop.round(arguments.actions, arguments.steps), **score(loop.model, unseen)}


def write(row: Mapping[str, Any], file: TextIO) -> None:
    print(json.dumps(row), file=file, flush=True)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["dsb2018_fluo", "phase_psc"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--actions", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--cellulus-steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--out", type=argparse.FileType("a"), default=sys.stdout)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for data in find_sets(arguments.data, names=tuple(arguments.sets)):
        for seed in arguments.seeds:
            for row in measure(data, seed, arguments):
                write(row, arguments.out)


if __name__ == "__main__":
    main()
