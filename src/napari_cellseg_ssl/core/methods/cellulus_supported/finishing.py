"""The end of a training: thresholds, a comparison with what needs no labels, and the model."""

from __future__ import annotations

from collections.abc import Iterator

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Note, Reason, TrainEvent, TrainFinished
from napari_cellseg_ssl.core.learning.held_out import judge, within_area
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import packed
from napari_cellseg_ssl.core.methods.cellulus_supported.judging import best_options, score
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import scores_on_painted
from napari_cellseg_ssl.core.methods.cellulus_supported.setup import QUICKLY_JUDGED_PIXELS, Setup
from napari_cellseg_ssl.core.torch_tools.weights import weights_of

JUDGED_PIXELS = 500_000
"""What is looked at for the thresholds; less when somebody waits."""


def finish(setup: Setup, reason: Reason) -> Iterator[TrainEvent]:
    """Choose thresholds, compare with what the methods without labels find, make the model."""
    options, scores = SupportedSegmentOptions(), dict[str, float]()
    n_before = len(setup.notes)
    if setup.learner.step:
        options, scores = _tuned(setup, is_quick=reason == "stopped")
        scores |= _compared(setup, options)
    else:
        setup.note("Stopped before the network began to learn: resume, or train again.")
    for text in setup.notes[n_before:]:
        yield Note(text)
    yield TrainFinished(_bundle(setup, options, scores, reason), reason)


def _tuned(setup: Setup, *, is_quick: bool) -> tuple[SupportedSegmentOptions, dict[str, float]]:
    """Search thresholds on all that is known, what is learned from and pseudo-labels included.

    Held-out cells alone are few; painted cells alone know hardly any false ones, and let thresholds fall.
    """
    frames = setup.pseudo_labelled or setup.frames
    known = [judge(frame) for frame in frames if frame.has_labels]
    judged = within_area(known, QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS) if known else ()
    if not any(one.n_cells for one in judged):
        return SupportedSegmentOptions(), {}
    options, found = best_options(
        setup.maps(judged),
        judged,
        setup.options.working_diameter,
        should_stop=lambda: not is_quick and setup.run.should_stop(),
    )
    setup.note(
        f"Thresholds searched on {found.n_cells} known cells: probability {options.threshold:g}, overlap "
        f"{options.overlap:g} (F1 {found.f1:.2f})."
    )
    return options, {"tuned_f1": found.f1, "tuned_iou": found.iou}


def _compared(setup: Setup, options: SupportedSegmentOptions) -> dict[str, float]:
    """Score what is held out, and what needs no labels on everything that is painted."""
    scores: dict[str, float] = {}
    if setup.judged:
        held = score(setup.maps(setup.judged), setup.judged, setup.options.working_diameter, options)
        scores |= {"f1": held.f1, "iou": held.iou}
        setup.note(f"F1 {held.f1:.2f} on {held.n_cells} painted cells that were held out.")
    others = scores_on_painted(setup.proposals)
    if others:
        found = ", ".join(f"{source} F1 {f1:.2f}" for source, f1 in others.items())
        setup.note(f"Without labels, on the painted cells: {found}.")
    return scores | {f"{source}_f1": f1 for source, f1 in others.items()}


def _bundle(setup: Setup, options: SupportedSegmentOptions, scores: dict[str, float], reason: Reason) -> ModelBundle:
    arrays, record = packed(setup.guide) if setup.guide else ({}, None)
    parent = setup.run.start_from
    return ModelBundle(
        name="cellulus-supported",
        method_id="cellulus_supported",
        train_options=setup.options,
        segment_options=options,
        architecture={**setup.architecture, "cellulus": record},
        intensity=setup.intensity,
        weights={**weights_of(setup.learner.average), **arrays},
        provenance=Provenance(
            seed=setup.run.seed,
            device=setup.run.device,
            steps=setup.step,
            seconds=setup.run.elapsed(),
            reason=reason,
            parent=parent.id if parent else "",
            scores=scores,
            notes=setup.notes,
        ),
    )
