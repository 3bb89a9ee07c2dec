"""The end of a training: the starter or what was learned from it, thresholds, the bundle, what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Note, Reason, TrainFinished
from napari_cellseg_ssl.core.learning.going_on import START, as_it_was
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, best_candidate, within_area
from napari_cellseg_ssl.core.methods.maunet import advice, judging, networks
from napari_cellseg_ssl.core.methods.maunet.doubt import SCORE, doubtful_share
from napari_cellseg_ssl.core.methods.maunet.options import MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.setup import Setup
from napari_cellseg_ssl.core.torch_tools.weights import weights_of

LEARNED = "learned"
JUDGED_PIXELS, STOPPED_PIXELS = 1_000_000, 100_000
"""What is looked at for the final thresholds, and where somebody waits for them."""


def finish(setup: Setup, notes: Sequence[str], reason: Reason) -> Iterator[Note | TrainFinished]:
    """Choose between the starter and what was learned, then the thresholds; make the bundle."""
    is_quick = reason == "stopped"
    pixels = STOPPED_PIXELS if is_quick else JUDGED_PIXELS
    starter = as_it_was(setup.run, setup.judged, lambda: networks.build(setup.architecture))
    candidates = {**starter, LEARNED: setup.result}
    judged = within_area(setup.judged, pixels) if setup.judged else ()
    scores = {name: setup.search(judged, nets)[1] for name, nets in candidates.items()} if judged else {}
    chosen = best_candidate(scores) if scores else LEARNED
    painted = setup.painted(pixels)
    maps = setup.maps(painted, candidates[chosen])
    if chosen == START and setup.run.start_from is not None:  # with its thresholds, which many more cells chose
        segment_options, tuned = setup.run.start_from.segment_options, None
    else:
        segment_options, tuned = _tuned(setup, maps, painted, is_quick)
    after = advice.after(chosen, scores, segment_options, tuned, maps)
    for text in after:
        yield Note(text)
    numbers = {f"{START}_f1": scores[START].f1} if START in scores else {}
    if scores:
        numbers |= {"f1": scores[chosen].f1, "iou": scores[chosen].iou}
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
        architecture={**setup.architecture, "returned": chosen},
        intensity=setup.intensity,
        weights=weights_of(candidates[chosen]),
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
