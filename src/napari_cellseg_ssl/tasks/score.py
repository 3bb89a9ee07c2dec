"""Label images compared with the truth, frame by frame: their axes are known, asked for, or assumed and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core import messages as core_messages
from napari_cellseg_ssl.core.data.images import CHANNEL_AXES, SAMPLE_AXES, Array, ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.io.image_files import read_with_axes
from napari_cellseg_ssl.core.metrics.scores import ImageScores, image_scores
from napari_cellseg_ssl.tasks import messages

_ASSUMED = {2: "YX", 3: "TYX", 4: "TZYX"}
"""Axes of bare label arrays, as those of bare images are understood and as `segment` returns them."""
_UNKNOWN = "?"


@dataclass(frozen=True)
class LabelImage:
    """Labels in the order of axes that they came in.

    Parameters
    ----------
    array : integer, perhaps lazy
    axes : str, optional
        One letter per axis out of T, S, N, C, Z, Y, X, where that is known.
    name : str
        For sentences.
    """

    array: Any
    axes: str | None
    name: str

    @classmethod
    def read(cls, path: Path) -> "LabelImage":
        """Read a label file.

        Raises
        ------
        WrongImage, WrongAnnotation
            If it cannot be read, or is a picture in colour.
        """
        array, axes = read_with_axes(path)
        if (axes or "").endswith("YXC") or (axes is None and path.suffix.lower() == ".png" and array.ndim == 3):
            raise messages.labels_in_colour(path)
        return cls(array, axes, path.name)

    def squeezed(self, asked: str | None) -> "LabelImage":
        """Take what was asked for the axes, and leave out all but Y and X that have one entry."""
        ndim, shape = self.array.ndim, self.array.shape
        letters = asked if asked and len(asked) == ndim else self.axes or _UNKNOWN * (ndim - 2) + "YX"
        kept = [k for k in range(ndim) if letters[k] in "YX" or shape[k] > 1]
        array = self.array[tuple(slice(None) if k in kept else 0 for k in range(ndim))]
        axes = "".join(letters[k] for k in kept)
        if asked and len(asked) != ndim and len(kept) > 2:
            axes = asked
        return LabelImage(array, None if _UNKNOWN in axes else axes, self.name)


def frame_scores(
    truth: LabelImage,
    prediction: LabelImage,
    *,
    axes: str | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[ImageScores]:
    """Score every frame, or volume, of a label image.

    Parameters
    ----------
    axes : str, optional
        What the axes of both are, for example "ZYX". When absent, they are those that either of them states; a bare
        array is taken for frames over time (TYX), of four axes for volumes over time (TZYX).
    tell : (text) -> None, optional
        Hears what was assumed.

    Raises
    ------
    WrongAnnotation
        If shapes or axes do not fit.
    """
    asked = axes.upper() if axes else None
    pair = truth.squeezed(asked), prediction.squeezed(asked)
    true, found = (_frames(one, axes) for one, axes in zip(pair, _understood(*pair, tell), strict=True))
    if true.shape != found.shape:
        raise core_messages.shapes_differ(_shape(truth), _shape(prediction))
    return [image_scores(np.asarray(true[n, 0]), np.asarray(found[n, 0])) for n in range(len(true))]


def _understood(truth: LabelImage, prediction: LabelImage, tell: Callable[[str], None]) -> Sequence[str]:
    """Decide on the axes of both: stated by one they hold for the other, and time goes before depth."""
    stated = [one.axes for one in (truth, prediction) if one.axes]
    if truth.array.ndim != prediction.array.ndim:  # their shapes are going to be refused
        return [one.axes or _assumed(one.array.ndim) for one in (truth, prediction)]
    if not stated:
        assumed = _assumed(truth.array.ndim)
        if len(assumed) > 2:
            what = "volumes" if "Z" in assumed else "frames"
            volume = "" if "Z" in assumed else " Say the axes ZYX if it is a volume."
            tell(f"'{truth.name}' of shape {_shape(truth)} is scored as {assumed}, {what} over time.{volume}")
        return assumed, assumed
    if len(stated) == 2 and set(stated[0]) != set(stated[1]):
        if not all(axes.endswith("YX") for axes in stated):
            raise messages.axes_differ(truth.name, stated[0], stated[1])
        chosen = max(stated, key=lambda axes: sum(axis in SAMPLE_AXES + CHANNEL_AXES for axis in axes))
        tell(f"'{truth.name}' has the axes {stated[0]}, its prediction {stated[1]}: both are scored as {chosen}.")
        return chosen, chosen
    return [one.axes or stated[0] for one in (truth, prediction)]


def _frames(labels: LabelImage, axes: str) -> Array:
    """Sort the axes of labels -> (N, 1, *S); channels are frames, since each is a label image."""
    sample = next(axis for axis in SAMPLE_AXES if axis not in axes)
    try:
        return ImageStack.from_array(labels.array, axes.replace(CHANNEL_AXES, sample), name=labels.name).frames
    except WrongImage as problem:
        raise WrongAnnotation(problem.message, problem.hint) from problem


def _assumed(ndim: int) -> str:
    if ndim not in _ASSUMED:
        raise messages.axes_required(ndim)
    return _ASSUMED[ndim]


def _shape(labels: LabelImage) -> tuple[int, ...]:
    return tuple(labels.array.shape)
