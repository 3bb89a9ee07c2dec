"""The end of a training: thresholds, the bundle, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Note, Reason, TrainFinished
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, within_area
from napari_cellseg_ssl.core.methods.maunet import advice, judging
from napari_cellseg_ssl.core.methods.maunet.doubt import SCORE, doubtful_share
from napari_cellseg_ssl.core.methods.maunet.options import MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.setup import Setup
from napari_cellseg_ssl.core.torch_tools.weights import weights_of

JUDGED_PIXELS, STOPPED_PIXELS = 1_000_000, 100_000
"""What is looked at for the final thresholds, and where somebody waits for them."""


def finish(setup: Setup, notes: Sequence[str], reason: Reason) -> Iterator[Note | TrainFinished]:
    """Choose the thresholds and make the bundle."""
    is_quick = reason == "stopped"
    pixels = STOPPED_PIXELS if is_quick else JUDGED_PIXELS
    held_out = setup.search(within_area(setup.judged, pixels))[1] if setup.judged else None
    painted = setup.painted(pixels)
    maps = setup.maps(painted)
    segment_options, tuned = _tuned(setup, maps, painted, is_quick)
    after = advice.after(held_out, segment_options, tuned, maps)
    for text in after:
        yield Note(text)
    numbers = {"f1": held_out.f1, "iou": held_out.iou} if held_out else {}
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    if maps:
        numbers[SCORE] = sum(doubtful_share(one.probabilities, one.ambiguity) for one in maps) / len(maps)
    run = setup.run
    provenance = Provenance(
        seed=run.seed,
        device=run.device,
        steps=setup.learner.step,
        seconds=run.elapsed(),
        reason=reason,
        parent=run.start_from.id if run.start_from else "",
        scores=numbers,
        notes=(*notes, *after),
    )
    bundle = ModelBundle(
        name="maunet",
        method_id="maunet",
        train_options=setup.options,
        segment_options=segment_options,
        architecture=setup.architecture,
        intensity=setup.intensity,
        weights=weights_of(setup.result),
        provenance=provenance,
    )
    yield TrainFinished(bundle, reason)


def _tuned(
    setup: Setup, maps: Sequence[judging.Maps], painted: Sequence[Judged], is_quick: bool
) -> tuple[MaunetSegmentOptions, Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not setup.judged:
        return setup.segment_options, None
    return judging.search_thresholds(
        maps,
        painted,
        setup.segment_options,
        quick=is_quick,
        should_stop=lambda: not is_quick and setup.run.should_stop(),
    )
