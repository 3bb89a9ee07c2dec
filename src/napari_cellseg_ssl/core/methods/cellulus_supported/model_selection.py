"""The end of a training: thresholds, a comparison with what needs no labels, and the model."""

from __future__ import annotations

from collections.abc import Generator

from napari_cellseg_ssl.core.methods.cellulus_supported import messages
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import packed
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import scores_on_painted
from napari_cellseg_ssl.core.methods.cellulus_supported.train import QUICKLY_JUDGED_PIXELS, SupportedLearning
from napari_cellseg_ssl.core.methods.cellulus_supported.validation import best_options, score
from napari_cellseg_ssl.core.methods.events import Reason, TrainEvent
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.held_out import judge, within_area
from napari_cellseg_ssl.core.training.weights import weights_of

JUDGED_PIXELS = 500_000
"""What is looked at for the thresholds."""


class SupportedTraining(SupportedLearning):
    """The whole training: thresholds are searched, what needs no labels stands beside it."""

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Choose what is returned, and make the model."""
        return _finish(self, reason)


def _finish(work: SupportedLearning, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
    """Choose thresholds, compare with what the methods without labels find, make the model."""
    options, scores = SupportedSegmentOptions(), dict[str, float]()
    if work.step:
        options, scores = yield from _tuned(work, is_quick=reason == "stopped")
        scores |= yield from _compared(work, options)
    else:
        yield work.note(messages.stopped_too_early())
    arrays, record = packed(work.guide) if work.guide else ({}, None)
    return ModelBundle(
        name="cellulus-supported",
        method_id="cellulus_supported",
        train_options=work.options,
        segment_options=options,
        architecture={**work.architecture, "cellulus": record},
        intensity=work.intensity,
        weights={**weights_of(work.result), **arrays},
        provenance=Provenance(scores=scores),
    )


def _tuned(
    work: SupportedLearning, *, is_quick: bool
) -> Generator[TrainEvent, None, tuple[SupportedSegmentOptions, dict[str, float]]]:
    """Search thresholds on all that is known, what is learned from and pseudo-labels included.

    Held-out cells alone are few; painted cells alone know hardly any false ones, and let thresholds fall.
    """
    frames = work.pseudo_labelled or work.frames
    known = [judge(frame) for frame in frames if frame.has_labels]
    judged = within_area(known, QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS) if known else ()
    if not any(one.n_cells for one in judged):
        return SupportedSegmentOptions(), {}
    options, found = best_options(
        work.maps(judged),
        judged,
        work.options.working_diameter,
        should_stop=lambda: not is_quick and work.run.should_stop(),
    )
    yield work.note(messages.thresholds_searched(found.n_cells, options.threshold, options.overlap, found.f1))
    return options, {"tuned_f1": found.f1, "tuned_iou": found.iou}


def _compared(
    work: SupportedLearning, options: SupportedSegmentOptions
) -> Generator[TrainEvent, None, dict[str, float]]:
    """Score what is held out, and what needs no labels on everything that is painted."""
    scores: dict[str, float] = {}
    if work.judged:
        held = score(work.maps(work.judged), work.judged, work.options.working_diameter, options)
        scores |= {"f1": held.f1, "iou": held.iou}
        yield work.note(messages.held_out_score(held.f1, held.n_cells))
    others = scores_on_painted(work.proposals)
    if others:
        found = ", ".join(f"{source} F1 {f1:.2f}" for source, f1 in others.items())
        yield work.note(messages.scores_without_labels(found))
    return scores | {f"{source}_f1": f1 for source, f1 in others.items()}
