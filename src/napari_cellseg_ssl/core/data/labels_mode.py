"""Whether a label image is a painting, in which 0 is unknown and 1 background, or complete: guessed in one place."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID, Annotation
from napari_cellseg_ssl.core.data.images import Array

LabelsMode = Literal["sparse", "dense"]
SPANNED = 0.5
"""Share of each side that the cells of a complete label image span at least."""
LARGE, LONG, UNLIKE = 4.0, 2.0, 1.2
"""So many times larger, and longer, than the median of the cells, and than the largest of them, is background."""
LOOSE = 0.35
"""By so much background is less solid than the cells: rings and bent strokes."""
SCATTERED = 2
"""A cell that a crop cuts may be in so many pieces."""


@dataclass(frozen=True)
class ModeGuess:
    """What labels are taken for, and why, in a sentence."""

    mode: LabelsMode
    why: str


def annotate(labels: Array, mode: LabelsMode) -> Annotation:
    """Decode labels (N, *S) as sparse painting or as a complete label image."""
    return Annotation.from_dense(labels) if mode == "dense" else Annotation.from_painting(labels)


def annotations_of(
    labels: Sequence[Array | None],
    names: Sequence[str],
    mode: LabelsMode | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Annotation | None, ...]:
    """Decode the labels (N, *S) of several images in one way, guessed from all of them where it is not said.

    Masks, in which all objects have one number, are split into their pieces.

    Parameters
    ----------
    tell : (text) -> None, optional
        Hears what the labels are taken for, and why.

    Raises
    ------
    WrongAnnotation
        If they hold nothing but 0 and 1: a mask, or background without a cell.
    """
    given = [array for array in labels if array is not None]
    numbers = {int(number) for array in given for number in np.unique(array) if number}
    if len(numbers) == 1 and mode != "sparse" and (pieces := sum(map(_count_pieces, given))) > 1:
        (number,) = numbers
        if number == BACKGROUND_ID and mode is None:
            raise messages.mask_or_background(next(n for n, a in zip(names, labels, strict=True) if a is not None))
        tell(messages.mask_is_split(number, pieces))
        return tuple(None if array is None else Annotation.from_dense(_pieces(array)) for array in labels)
    if given and mode is None:
        guess = guess_mode(given)
        tell(guess.why)
        mode = guess.mode
    return tuple(None if array is None else annotate(array, mode or "dense") for array in labels)


def _pieces(labels: Array) -> Array:
    """Number the connected pieces of each frame."""
    from skimage.measure import label

    return np.stack([label(frame > 0) for frame in labels])


def _count_pieces(labels: Array) -> int:
    return sum(int(frame.max()) for frame in _pieces(labels))


def guess_labels_mode(labels: Iterable[Array]) -> LabelsMode:
    """Guess whether label images (N, *S) are sparse painting, with id 1 as background, or dense; see `guess_mode`."""
    return guess_mode(labels).mode


def guess_mode(labels: Iterable[Array]) -> ModeGuess:
    """Guess whether label images (N, *S) are a painting or complete, by majority of their frames.

    In a painting, id 1 is background: strokes or rings that are larger, longer, more hollow or in more pieces than the
    cells, or cells are painted in a part of the image only. In a complete image, id 1 is a cell like the others.
    """
    frames = [frame for array in labels for frame in array if frame.any()]
    with_first = [frame for frame in frames if (frame == BACKGROUND_ID).any()]
    strokes = sum(_first_is_background(frame) for frame in with_first)
    if strokes and 2 * strokes >= len(with_first):
        return ModeGuess("sparse", messages.first_is_background())
    if sum(_spans(frame) for frame in frames) < 0.5 * len(frames):
        return ModeGuess("sparse", messages.cells_in_a_part())
    return ModeGuess("dense", messages.looks_complete())


def _spans(frame: Array) -> bool:
    """Whether cells lie across the plane, (…, Y, X), not only in a part of it."""
    for axis in (-2, -1):
        others = tuple(n for n in range(frame.ndim) if n != frame.ndim + axis)
        where = np.flatnonzero((frame > 0).any(axis=others))
        if where[-1] - where[0] + 1 < SPANNED * frame.shape[axis]:
            return False
    return True


def _first_is_background(frame: Array) -> bool:
    """Whether what has id 1 differs from the cells: in size, in shape, or because it is scattered."""
    from skimage.measure import label, regionprops

    if frame.ndim != 2:
        return bool(label(frame == BACKGROUND_ID).max() > 1)
    (first,) = regionprops((frame == BACKGROUND_ID).astype(np.uint8))
    cells = regionprops(np.where(frame > BACKGROUND_ID, frame, 0))
    n_pieces = int(label(frame == BACKGROUND_ID).max())
    if not cells:
        return n_pieces > 1
    areas, lengths, solidities = np.array([(c.area, c.axis_major_length, c.solidity) for c in cells]).T
    larger = first.area > max(LARGE * np.median(areas), UNLIKE * areas.max())
    longer = first.axis_major_length > max(LONG * np.median(lengths), UNLIKE * lengths.max())
    hollow = first.solidity < min(np.median(solidities) - LOOSE, solidities.min())
    scattered = n_pieces > SCATTERED
    return bool(larger or longer or hollow or scattered)
