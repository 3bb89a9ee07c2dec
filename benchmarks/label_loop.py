"""A simulated person who corrects a model round by round, and how good the model is after each action.

    python benchmarks/label_loop.py DATA [--sets NAME ...] [--rounds N] [--actions N] [--steps N] [--cellulus-steps N]
                                    [--loops NAME ...] [--learner METHOD] [--warm] [--seeds N ...] [--out FILE]

Every other image of a set, in a fixed random order, is for the person; the other half is only scored on. Each round she
opens the next images, begins at a random place and deals with what is nearest to it, until her actions are spent:

- with proposals ("proposals"): those of the present model. She accepts one that is a true cell at IoU >= 0.7 (its own
  pixels, not the true ones), rejects one that is no true cell at IoU > 0.5 (background, except on true cells), and
  paints a cell that has no good proposal. Round 0 learns from no label.
- without ("painting"): every action paints one true cell; ACTIS learns from them.

An action is one object dealt with; the thin ring of background that a painted or accepted cell offers belongs to it.
Cellulus and the classical method are scored once. Trainings take a number of steps, not of seconds, so that a seed
gives the same figures on a busy machine; the seconds that they took are written down. One thread. One JSON object per
line: F1 (mean over images) and SEG per set, seed, loop and round.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from datasets import LabelledSet, find_sets

import napari_cellseg_ssl as cs
from napari_cellseg_ssl.core.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.matching import match_instances
from napari_cellseg_ssl.core.painting import ring_around
from napari_cellseg_ssl.tasks.diameters import resolve_diameters

FIRST_CELL_ID = BACKGROUND_ID + 1
RIGHT, ANY = 0.7, 0.5
"""IoU from which a proposal is taken as it is, and above which it is at least not deleted."""
RINGS_PER_CELL, WIDEST_RING = 8, 4
"""As the ring of the paint dock: an eighth of a diameter, at most 4 px."""


@dataclass(kw_only=True)
class Picture:
    """An image, its truth (Y, X), and what is painted on it."""

    image: ImageStack
    truth: Array
    diameter: float
    painting: Array = field(init=False)
    dealt_with: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.painting = np.zeros(self.truth.shape, np.int32)

    def add_cell(self, pixels: Array, proposals: Array | None = None) -> None:
        """Paint a cell where no other is painted, and the ring around it, but not on what is clearly another cell."""
        number = max(FIRST_CELL_ID, int(self.painting.max()) + 1)
        free = pixels & (self.painting < FIRST_CELL_ID)
        if not free.any():
            return
        self.painting[free] = number
        width = min(WIDEST_RING, max(1, round(self.diameter / RINGS_PER_CELL)))
        ring = np.zeros(pixels.shape, bool)
        ring[ring_around(self.painting, number, width, proposals)] = True
        own = np.bincount(self.truth[pixels]).argmax()
        self.painting[ring & ((self.truth == 0) | (self.truth == own))] = BACKGROUND_ID

    def add_background(self, pixels: Array) -> None:
        """Paint background, but not over a true cell: nobody would."""
        self.painting[pixels & (self.truth == 0) & (self.painting == 0)] = BACKGROUND_ID


Deed = tuple[float, Callable[[], None]]
"""How far away it is, and what to do."""


@dataclass
class Person:
    """Goes from image to image in a random order; `seed` decides the order and where she begins in each."""

    pictures: Sequence[Picture]
    seed: int
    spent: int = 0
    opened: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._order = self._rng.permutation(len(self.pictures))

    def work(self, actions: int, propose: Callable[[Picture], Array] | None) -> None:
        """Spend so many actions; fewer when there is nothing left to do anywhere."""
        for _ in range(len(self.pictures)):
            picture = self.pictures[self._order[self.opened % len(self._order)]]
            self.opened += 1
            start = self._rng.uniform(0, 1, 2) * picture.truth.shape
            deeds = sorted(to_do(picture, propose(picture) if propose else None, start), key=lambda deed: deed[0])
            for _, act in deeds[:actions]:
                act()
            self.spent += len(deeds[:actions])
            actions -= len(deeds[:actions])
            if not actions:
                return


def to_do(picture: Picture, proposals: Array | None, start: Array) -> Iterator[Deed]:
    """List what a person would do on an image."""
    right: dict[int, int] = {}
    if proposals is not None:
        found = match_instances(picture.truth, proposals, ANY)
        rows = list(zip(found.truth_ids.tolist(), found.prediction_ids.tolist(), found.iou.tolist(), strict=True))
        right = {true: proposed for true, proposed, iou in rows if iou >= RIGHT}
        for number in set(np.unique(proposals[proposals > 0]).tolist()) - {proposed for _, proposed, _ in rows}:
            pixels = proposals == number
            if 2 * np.count_nonzero(picture.painting[pixels]) <= np.count_nonzero(pixels):
                yield distance(pixels, start), partial(picture.add_background, pixels)
    for true in set(np.unique(picture.truth[picture.truth > 0]).tolist()) - picture.dealt_with:
        pixels = proposals == right[true] if true in right else picture.truth == true

        def add(true: int = true, pixels: Array = pixels) -> None:
            picture.dealt_with.add(true)
            picture.add_cell(pixels, proposals)

        yield distance(pixels, start), add


def distance(pixels: Array, start: Array) -> float:
    return float(np.hypot(*(np.argwhere(pixels).mean(axis=0) - start)))


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


def learn(method: str, pictures: Sequence[Picture], seed: int, steps: int, **more: Any) -> cs.ModelBundle:
    paintings = [one.painting if one.painting.any() else None for one in pictures]
    labels = {"labels": paintings, "labels_mode": "sparse"} if any(p is not None for p in paintings) else {}
    images = [one.image for one in pictures]
    return cs.train(method, images=images, seed=seed, options={"steps": steps}, **labels, **more)


def rounds_of(
    loop: str, pictures: Sequence[Picture], start: cs.ModelBundle, seed: int, arguments: argparse.Namespace
) -> Iterator[tuple[int, cs.ModelBundle]]:
    """Work and learn in turns; yields the number of actions and the model after each round."""
    person = Person(pictures, seed)
    with_proposals = loop == "proposals"
    model = start
    if with_proposals and arguments.learner != "actis":
        model = learn(arguments.learner, pictures, seed, arguments.steps, start_from=start)
        yield 0, model
    for _ in range(arguments.rounds):
        person.work(arguments.actions, partial(instances, model) if with_proposals else None)
        method = arguments.learner if with_proposals else "actis"
        more = {"start_from": start} if method != "actis" else {"start_from": model} if arguments.warm else {}
        model = learn(method, pictures, seed, arguments.steps, **more)
        yield person.spent, model


def measure(data: LabelledSet, seed: int, arguments: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    own, unseen = halves(data)
    row = {"set": data.name, "seed": seed, "images": len(unseen)}
    cellulus = learn("cellulus", own, seed, arguments.cellulus_steps)
    for name, model in (("cellulus", cellulus), ("classical", cs.train("classical", images=[own[0].image]))):
        yield {**row, "loop": name, "actions": 0, **score(model, unseen)}
    for loop in arguments.loops:
        fresh = [Picture(image=one.image, truth=one.truth, diameter=one.diameter) for one in own]
        began = time.process_time()
        for actions, model in rounds_of(loop, fresh, cellulus, seed, arguments):
            seconds = round(time.process_time() - began, 1)
            yield {**row, "loop": loop, "actions": actions, "cpu_s": seconds, **score(model, unseen)}
            began = time.process_time()


def write(row: Mapping[str, Any], file: TextIO) -> None:
    print(json.dumps(row), file=file, flush=True)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["dsb2018_fluo", "phase_psc"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--actions", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--cellulus-steps", type=int, default=1000)
    parser.add_argument("--loops", nargs="*", choices=("proposals", "painting"), default=["proposals", "painting"])
    parser.add_argument("--learner", default="cellulus_supported", help="what learns from corrected proposals")
    parser.add_argument("--warm", action="store_true", help="each training goes on from the model before")
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
