"""The end of a training: the starter or what was learned from it, thresholds, the bundle, what is said of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from napari_cellseg_ssl.core.methods.events import Reason, TrainEvent
from napari_cellseg_ssl.core.methods.maunet import messages, network, validation
from napari_cellseg_ssl.core.methods.maunet.options import MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.train import MaunetLearning
from napari_cellseg_ssl.core.methods.maunet.uncertainty import SCORE, doubtful_share
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.held_out import Judged, Score, best_candidate, within_area
from napari_cellseg_ssl.core.training.warm_start import START, as_it_was
from napari_cellseg_ssl.core.training.weights import weights_of

LEARNED = "learned"
JUDGED_PIXELS, STOPPED_PIXELS = 1_000_000, 100_000
"""What is looked at for the final thresholds, and where somebody waits for them."""


class MaunetTraining(MaunetLearning):
    """The whole training: what was learned and the starter are compared, the better one becomes the model."""

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Choose what is returned, and make the model."""
        return _finish(self, reason)


def _finish(work: MaunetLearning, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
    """Choose between the starter and what was learned, then the thresholds; make the bundle."""
    is_quick = reason == "stopped"
    pixels = STOPPED_PIXELS if is_quick else JUDGED_PIXELS
    starter = as_it_was(work.run, work.judged, lambda: network.build(work.architecture))
    candidates = {**starter, LEARNED: work.result}
    judged = within_area(work.judged, pixels) if work.judged else ()
    scores = {name: work.search(judged, nets)[1] for name, nets in candidates.items()} if judged else {}
    chosen = best_candidate(scores) if scores else LEARNED
    painted = work.painted(pixels)
    maps = work.maps(painted, candidates[chosen])
    if chosen == START and work.run.start_from is not None:  # with its thresholds, which many more cells chose
        segment_options, tuned = work.run.start_from.segment_options, None
    else:
        segment_options, tuned = _tuned(work, maps, painted, is_quick)
    for text in messages.after(chosen, scores, segment_options, tuned, maps):
        yield work.note(text)
    numbers = {f"{START}_f1": scores[START].f1} if START in scores else {}
    if scores:
        numbers |= {"f1": scores[chosen].f1, "iou": scores[chosen].iou}
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    if maps:
        numbers[SCORE] = sum(doubtful_share(one.probabilities, one.ambiguity) for one in maps) / len(maps)
    return ModelBundle(
        name="maunet",
        method_id="maunet",
        train_options=work.options,
        segment_options=segment_options,
        architecture={**work.architecture, "returned": chosen},
        intensity=work.intensity,
        weights=weights_of(candidates[chosen]),
        provenance=Provenance(scores=numbers),
    )


def _tuned(
    work: MaunetLearning, maps: Sequence[validation.Maps], painted: Sequence[Judged], is_quick: bool
) -> tuple[MaunetSegmentOptions, Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not work.judged:
        return work.segment_options, None
    return validation.search_thresholds(
        maps,
        painted,
        work.segment_options,
        quick=is_quick,
        should_stop=lambda: not is_quick and work.run.should_stop(),
    )
