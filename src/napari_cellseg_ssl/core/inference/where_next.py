"""Which fields of a set of images are worth painting next: where a model is uncertain, in different images.

Clues of doubt are taken from the maps that a method announces, by their kind, so that every method is served alike.
Doubt runs from 0 to 1 per pixel:

- class probabilities and foreground: their entropy, divided by that of a coin with as many sides (uncertainty
  sampling; Settles, "Active Learning Literature Survey", 2009, section 3.1);
- confidence: what is missing to 1;
- the uncertainty of an embedding, which is low inside objects and high outside: how close it is to the threshold
  between the two, min(u / t, t / u), with Otsu's t;
- ambiguity: as it is;
- disagreement: 1 on instances that only one of two segmentations has.

A field is a box of a few diameters. Its score is the mean doubt where there are objects, in what is still unknown of
it, averaged over the clues. The plain mean would count cells, for there is some doubt at the edge of each; what was
measured is in `docs/benchmarks.md`. Fields do not overlap, and those of an image count less with each that was taken
from it before, because a second look at the same image teaches less than one at another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Box
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_linear
from napari_cellseg_ssl.core.metrics.disagreement import disagreements
from napari_cellseg_ssl.core.segmentation.otsu import otsu

FIELD_DIAMETERS = 7.0
STEPS_PER_FIELD = 4
"""Positions that are tried per side of a field."""
FEWEST_UNKNOWN = 0.5
"""Share of a field that has to be unknown still."""
FIELDS_PER_IMAGE = 8
LEAST_OBJECT = 0.02
"""Share of a field that counts as object even in an empty one: without it a single doubtful pixel would win."""

TINY = 1e-9

REASONS = {
    "probability": "classes uncertain",
    "foreground": "cell or background uncertain",
    "confidence": "teacher not sure",
    "embedding-uncertainty": "unclear where cells end",
    "ambiguity": "ambiguous",
    "disagreement": "the classical result differs",
}
"""What tells of doubt, most of it kinds of maps, and what a person reads."""


@dataclass(frozen=True, kw_only=True)
class Clue:
    """What one map says about the doubt of a model in one image.

    Parameters
    ----------
    kind : str
        A key of `REASONS`.
    doubt : (N, *S) float32
        From 0 to 1, on the image's own grid.
    objects : (N, *S) float32
        How probable it is that there is an object; doubt counts only where there may be one.
    """

    kind: str
    doubt: Array
    objects: Array


@dataclass(frozen=True, kw_only=True)
class Field:
    """A part of a frame that is worth painting.

    Parameters
    ----------
    image : int
        Position of the image in its set.
    frame : int
    box : Box
    doubts : {clue: float}
        Mean doubt about objects by each clue, from 0 to 1.
    reason : str
        The clue that stands out, in words; "" until the field is ranked.
    """

    image: int
    frame: int
    box: Box
    doubts: Mapping[str, float]
    reason: str = ""

    @property
    def score(self) -> float:
        """Mean of all clues, from 0 to 1."""
        return sum(self.doubts.values()) / max(1, len(self.doubts))


def clues_of(maps: PredictionMaps) -> tuple[Clue, ...]:
    """Read the clues that the maps of an image hold; none where no map tells of doubt."""
    told = [spec for spec in maps.specs.values() if spec.kind in REASONS and spec.name in maps.arrays]
    objects = next((o for spec in told if (o := _objects(spec, maps.arrays[spec.name])) is not None), None)
    shape = (len(next(iter(maps.arrays.values()))), *maps.source_shape)
    weights = np.ones(shape, np.float32) if objects is None else _to_source(objects, maps)
    return tuple(
        Clue(kind=spec.kind, doubt=_to_source(_doubt(spec, maps.arrays[spec.name]), maps), objects=weights)
        for spec in told
    )


def disagreement_of(labels: Array, reference: Array) -> Clue:
    """Take as a clue where two segmentations, (N, *S) integer, do not have the same instances."""
    alone = np.stack([disagreements(*pair) > 0 for pair in zip(labels, reference, strict=True)])
    objects = (labels > 0) | (reference > 0)
    return Clue(kind="disagreement", doubt=alone.astype(np.float32), objects=objects.astype(np.float32))


def fields_of(
    clues: Sequence[Clue], known: Array, side: int, image: int = 0, count: int = FIELDS_PER_IMAGE
) -> list[Field]:
    """Find the fields of one image in which doubt is greatest, best first; they do not overlap.

    Parameters
    ----------
    known : (N, *S) bool
        What is painted: it is in no doubt.
    side : int, px
        Side of a field; the image's own where that is shorter.
    image : int
        Position of the image in its set, for the record.
    """
    found: list[Field] = []
    for frame, painted in enumerate(known):
        shown = [(clue.kind, clue.doubt[frame], clue.objects[frame]) for clue in clues]
        best = _fields_of_frame(shown, ~painted, side, count)
        found += [Field(image=image, frame=frame, box=box, doubts=doubts) for box, doubts in best]
    return sorted(found, key=lambda field: -field.score)[:count]


def rank(candidates: Sequence[Field], count: int, painted: Sequence[int] = ()) -> tuple[Field, ...]:
    """Order fields of several images: the greatest doubt first, but not all from the same image.

    Parameters
    ----------
    painted : sequence of int
        Fields that are painted already, per image.
    """
    left, taken = list(candidates), dict(enumerate(painted))
    kinds = candidates[0].doubts if candidates else ()
    usual = {kind: float(np.mean([field.doubts[kind] for field in candidates])) + TINY for kind in kinds}
    ranked: list[Field] = []
    while left and len(ranked) < count:
        best = max(left, key=lambda field: field.score / (1 + taken.get(field.image, 0)))
        telling = max(best.doubts, key=lambda kind: best.doubts[kind] / usual[kind], default="")
        ranked.append(replace(best, reason=REASONS.get(telling, "")))
        left.remove(best)
        taken[best.image] = taken.get(best.image, 0) + 1
    return tuple(ranked)


def _doubt(spec: MapSpec, values: Array) -> Array:
    """Doubt of one map (N, c, *Sw) -> (N, *Sw)."""
    match spec.kind:
        case "probability" | "foreground":
            return _entropy(values)
        case "confidence":
            return np.clip(1 - values[:, 0], 0, 1)
        case "embedding-uncertainty":
            return np.stack([_closeness(frame) for frame in values[:, 0]])
    return np.clip(values[:, 0], 0, 1)


def _objects(spec: MapSpec, values: Array) -> Array | None:
    """Probability that there is an object, (N, *Sw), from one map (N, c, *Sw); None where it cannot be told."""
    match spec.kind:
        case "probability" | "foreground":
            return values[:, 0] if values.shape[1] == 1 else 1 - values[:, 0]
        case "embedding-uncertainty":
            return np.stack([frame < otsu(frame)[0] for frame in values[:, 0]]).astype(np.float32)
    return None


def _to_source(frames: Array, maps: PredictionMaps) -> Array:
    return np.stack([resize_linear(frame, maps.source_shape) for frame in frames])


def _entropy(probabilities: Array) -> Array:
    """Entropy of (N, c, *S), as a share of the greatest possible; one channel is taken as that of two classes."""
    p = np.clip(probabilities, 1e-6, 1)
    if p.shape[1] == 1:
        p = np.concatenate([p, np.clip(1 - p, 1e-6, 1)], axis=1)
    entropy: Array = -(p * np.log(p)).sum(axis=1) / np.float32(np.log(p.shape[1]))
    return np.clip(entropy, 0, 1)


def _closeness(uncertainty: Array) -> Array:
    """How close positive values are to the threshold that divides them."""
    threshold = max(otsu(uncertainty)[0], 1e-6)
    ratio = np.maximum(uncertainty, 1e-6) / np.float32(threshold)
    return np.minimum(ratio, 1 / ratio)


def _fields_of_frame(
    clues: Sequence[tuple[str, Array, Array]], unknown: Array, side: int, count: int
) -> Iterator[tuple[Box, dict[str, float]]]:
    """Yield the best fields of a frame, and what each clue says of them."""
    sides = tuple(min(side, size) for size in unknown.shape)
    share = _window_means(unknown.astype(np.float32), sides)
    means = [_mean_doubt(doubt, objects * unknown, share, sides) for _, doubt, objects in clues]
    score = np.where(share >= FEWEST_UNKNOWN, np.mean(means, axis=0), 0.0) if means else np.zeros_like(share)
    for _ in range(count):
        place = np.unravel_index(score.argmax(), score.shape)
        if score[place] <= 0:
            return
        starts = [_starts(n, length)[i] for i, n, length in zip(place, unknown.shape, sides, strict=True)]
        box = tuple((start, start + length) for start, length in zip(starts, sides, strict=True))
        yield box, {kind: float(mean[place]) for (kind, _, _), mean in zip(clues, means, strict=True)}
        score[_overlapping(unknown.shape, sides, box)] = 0.0


def _mean_doubt(doubt: Array, objects: Array, share: Array, sides: Sequence[int]) -> Array:
    """Mean doubt about the objects of every field that is tried."""
    amount = _window_means(objects, sides) + LEAST_OBJECT * share + TINY
    return _window_means(doubt * objects, sides) / amount


def _starts(size: int, length: int) -> list[int]:
    """Where fields of a length may begin along an axis, first and last pixel included."""
    n = 1 + -(-(size - length) * STEPS_PER_FIELD // length)
    return [round(start) for start in np.linspace(0, size - length, n)]


def _window_means(values: Array, sides: Sequence[int]) -> Array:
    """Mean of every field that is tried, by sums over everything before (summed-area table), axis by axis."""
    for axis, length in enumerate(sides):
        starts = np.array(_starts(values.shape[axis], length))
        sums = np.cumsum(values, axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis=axis)
        values = (sums.take(starts + length, axis) - sums.take(starts, axis)) / length
    return values


def _overlapping(shape: Sequence[int], sides: Sequence[int], box: Box) -> tuple[Array, ...]:
    """Index of all fields that share pixels with a box."""
    near = []
    for size, length, (start, stop) in zip(shape, sides, box, strict=True):
        starts = np.array(_starts(size, length))
        near.append(np.flatnonzero((starts < stop) & (starts + length > start)))
    return np.ix_(*near)
