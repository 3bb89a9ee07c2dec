"""Sentences for the user: what is learned from, what will probably go wrong, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.learning.held_out import FEWEST_CELLS, Score
from napari_cellseg_ssl.core.methods.cupre.segmentation import CupreSegmentOptions

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.methods.cupre.alternating import Pretraining
    from napari_cellseg_ssl.core.methods.cupre.fine_tuning import FineTuning

FEWEST_TILES = 64
TOO_EASY, NOT_LEARNING = 0.99, 0.98
LITTLE_DRIFT, MUCH_DRIFT = 0.001, 0.3
POOR = 0.3
HARDLY_LEARNED = "Hardly any cell is found: train longer, or begin with a model that was pre-trained on a source."
STEADY = 20
"""Painted cells from which on results hardly depend on which ones they are."""


def before_pretraining(work: Pretraining) -> tuple[str, ...]:
    """Say what is learned from.

    Raises
    ------
    WrongImage
        If images without labels are to be learned from, and show one thing only.
    """
    texts = [work.beginning.told] if work.beginning.told else []
    if work.source is not None:
        texts.append(f"Source: {work.source.description}")
    else:
        texts.append(
            "Without a source the network learns what your images look like, not what objects are: it finds none "
            "before it is fine-tuned, and the paper's gain comes mostly from the source."
        )
    if work.needs_tiles:
        count = len(work.tiles.tiles)
        if count < 2:
            raise WrongImage(
                "The images show one thing only, so there is nothing to tell it apart from.", "Add images."
            )
        texts.append(
            f"{count} tiles are told apart, each from {work.options.tiles - 1 + len(work.contrast.queue)} others."
        )
        if count < FEWEST_TILES:
            texts.append(
                f"Fewer than {FEWEST_TILES} distinct tiles: contrastive learning has too few negatives; add images, or "
                "go on without it."
            )
    return tuple(texts)


def on_contrast(recent: Callable[[str], float]) -> Iterator[str]:
    """Say after some steps what looks wrong."""
    if recent("accuracy") > TOO_EASY:
        yield (
            f"{recent('accuracy'):.0%} of the views are recognised already: they are too easy, or something other "
            "than their content gives them away."
        )
    if recent("contrast") > NOT_LEARNING * recent("chance"):
        yield (
            f"The loss {recent('contrast'):.2f} is still that of chance, {recent('chance'):.2f}: try another "
            "learning rate or temperature."
        )


def on_drift(drifts: Sequence[float]) -> tuple[str, ...]:
    """Say how far the source moved the backbone in one iteration, and whether that is much or little."""
    if not drifts:
        return ()
    largest = max(drifts)
    text = f"The source moved the backbone by {largest:.1%} at most in one iteration"
    if largest < LITTLE_DRIFT:
        return (f"{text}: it is held too strongly to learn.",)
    return (f"{text}: much of what it learned without labels is forgotten." if largest > MUCH_DRIFT else f"{text}.",)


def before_fine_tuning(work: FineTuning) -> tuple[str, ...]:
    """Say what is painted, what would help, and what the detector begins with."""
    painted = [frame for frame in work.frames if frame.has_labels]
    texts = [work.beginning.told] if work.beginning.told else []
    if work.judged:
        held = sum(one.n_cells for one in work.judged)
        texts.append(f"{work.n_cells} annotated cells; {held} of them are held out to judge by.")
    else:
        texts.append(
            f"Only {work.n_cells} annotated cell(s): nothing is held out to judge by, and the least score is the usual "
            f"one. From {FEWEST_CELLS} cells on it is searched."
        )
    if work.n_cells < STEADY:
        texts.append(f"Fewer than {STEADY} cells are annotated, so the result depends on which ones they are.")
    if not any((frame.known & (frame.cells == 0)).any() for frame in painted):
        texts.append("No background is annotated, so other things may be found as well. Paint some with id 1.")
    if work.is_held:
        texts.append("The backbone is held near where it was, since few cells are painted.")
    return tuple(texts)


def after_fine_tuning(held_out: Score | None, tuned: Score | None, options: CupreSegmentOptions) -> tuple[str, ...]:
    """Say how good it is, and with which least score."""
    if held_out is None or tuned is None:
        return (f"The least score is the usual one, {options.score:g}.",)
    texts = (
        f"F1 {held_out.f1:.2f} on {held_out.n_cells} held-out cells.",
        f"Least score searched on {tuned.n_cells} annotated cells: {options.score:g} (F1 {tuned.f1:.2f}).",
    )
    return (*texts, HARDLY_LEARNED) if tuned.f1 < POOR else texts
