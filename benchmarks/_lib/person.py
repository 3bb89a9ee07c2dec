"""A simulated person who corrects proposals, or paints without any; a seed decides everything."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.painting import ring_around
from napari_cellseg_ssl.core.metrics.matching import match_instances

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
