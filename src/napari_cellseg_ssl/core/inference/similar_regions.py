"""Which parts of an image a model takes for the same, as boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle


@dataclass(frozen=True, kw_only=True)
class Alike:
    """A part of a frame, and the parts of it that look most like it.

    Parameters
    ----------
    boxes : (N, 4) float32
        x of the left side, y of the upper, x of the right, y of the lower, in px of the image; pixel 0 reaches from 0
        to 1. That which was asked about comes first, then the others, the most similar first.
    similarity : (N,) float32, -1 to 1
        To the first, whose own is 1. 0 is how similar any two parts of the image are in the mean, and others that are
        no more similar than that are not among the boxes.
    """

    boxes: Array
    similarity: Array

    def __len__(self) -> int:
        return len(self.boxes)


@runtime_checkable
class FindsAlike(Protocol):
    """A method whose models can say which parts of an image look alike to them."""

    def alike(
        self,
        bundle: "ModelBundle",
        image: ImageStack,
        place: Sequence[int],
        *,
        diameter: float,
        count: int,
        device: str,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Alike:
        """Find what looks most like the part of an image around a place, in the same frame.

        Parameters
        ----------
        place : (frame, Y, X)
        diameter : float, px
            Of the image's objects.
        count : int
            How many to find; fewer where the image is small, or nothing else in it is like that place.

        Raises
        ------
        WrongImage
            If the place lies outside of the image.
        """
        ...


def half_steps(shape: tuple[int, int], side: int, most: int) -> Array:
    """Lay squares over a frame (Y, X), half of one apart, the last ones at its ends.

    Parameters
    ----------
    most : int
        About so many squares at most; they lie further apart where there would be more.

    Returns
    -------
    (N, 2) int
        Corners (y, x).
    """
    step = side / 2
    while np.prod([_steps(size, side, step) for size in shape]) > most:
        step *= 1.25
    places = [np.linspace(0, max(0, size - side), _steps(size, side, step)).round().astype(int) for size in shape]
    return np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 2)


def most_similar(corners: Array, side: int, similarity: Array, count: int, shared: float) -> list[int]:
    """Choose squares, the first one and then the most similar, none of which share much with another.

    Those that are less similar than any two are in the mean are not.

    Parameters
    ----------
    corners : (N, 2)
    similarity : (N,)
    shared : float
        Share of a square that may lie in another one.
    """
    chosen = [0]
    for index in np.argsort(-similarity[1:], kind="stable") + 1:
        if len(chosen) > count or similarity[index] <= 0:
            break
        apart = np.abs(corners[chosen] - corners[index])
        if (np.maximum(0, side - apart).prod(axis=1) <= shared * side**2).all():
            chosen.append(int(index))
    return chosen


def cosines(features: Array) -> Array:
    """Compare features (N, D) with the first of them, less what all have in common -> (N,) from -1 to 1."""
    apart = features - features.mean(axis=0)
    unit = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    found: Array = np.clip(unit @ unit[0], -1.0, 1.0)
    found[0] = 1.0
    return found


def _steps(size: int, side: int, step: float) -> int:
    return 1 + max(0, int(np.ceil((size - side) / step)))
