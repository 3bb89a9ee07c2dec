"""The end of a training: thresholds, a comparison with what needs no labels, and the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Note, Reason, TrainEvent, TrainFinished
from napari_cellseg_ssl.core.methods.actis.held_out import judge, within_area
from napari_cellseg_ssl.core.methods.actis.networks import weights_of
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import packed
from napari_cellseg_ssl.core.methods.cellulus_supported.judging import best_options, score
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import FEWEST_CELLS, Proposal, best_source
from napari_cellseg_ssl.core.methods.cellulus_supported.setup import QUICKLY_JUDGED_PIXELS, Setup

JUDGED_PIXELS = 500_000
"""What is looked at for the thresholds; less when somebody waits."""


def finish(
    setup: Setup, guide: ModelBundle | None, proposals: Sequence[Proposal], reason: Reason
) -> Iterator[TrainEvent]:
    """Choose thresholds, compare with what the methods without labels find, make the bundle."""
    segment_options, scores = SupportedSegmentOptions(), dict[str, float]()
    if setup.learner.step:
        segment_options, scores = _tuned(setup, proposals, is_quick=reason == "stopped")
    else:
        setup.notes = (*setup.notes, "Stopped before the network began to learn: resume, or train again.")
    for text in setup.notes:
        yield Note(text)
    arrays, record = packed(guide) if guide else ({}, None)
    bundle = ModelBundle(
        name="cellulus-supported",
        method_id="cellulus_supported",
        train_options=setup.options,
        segment_options=segment_options,
        architecture={**setup.architecture, "cellulus": record},
        intensity=setup.intensity,
        weights={**weights_of(setup.learner.average), **arrays},
        provenance=Provenance(
            seed=setup.run.seed,
            device=setup.run.device,
            steps=setup.step,
            seconds=setup.run.elapsed(),
            reason=reason,
            parent=setup.run.start_from.id if setup.run.start_from else "",
            scores=scores,
            notes=setup.notes,
        ),
    )
    yield TrainFinished(bundle, reason)


def _tuned(
    setup: Setup, proposals: Sequence[Proposal], *, is_quick: bool
) -> tuple[SupportedSegmentOptions, dict[str, float]]:
    """Search thresholds on all painted cells, those learned from included: the held-out ones alone are few."""
    painted = [judge(frame) for frame in setup.frames if frame.has_labels]
    if sum(one.n_cells for one in painted) < FEWEST_CELLS:
        return SupportedSegmentOptions(), {}
    painted = list(within_area(painted, QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS))
    diameter = setup.options.working_diameter
    options, tuned = best_options(setup.maps(painted), painted, diameter, lambda: is_quick or setup.run.should_stop())
    scores = {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    setup.note(
        f"Thresholds searched on {tuned.n_cells} painted cells: probability {options.threshold:g}, overlap "
        f"{options.overlap:g} (F1 {tuned.f1:.2f})."
    )
    if setup.judged:
        held = score(setup.maps(setup.judged), setup.judged, diameter, options)
        scores |= {"f1": held.f1, "iou": held.iou}
        setup.note(f"F1 {held.f1:.2f} on {held.n_cells} painted cells that were held out.")
    without_labels = best_source(proposals)[1]
    if without_labels:
        scores |= {f"{source}_f1": f1 for source, f1 in without_labels.items()}
        setup.note(
            "Without labels, on the painted cells: "
            + ", ".join(f"{source} F1 {f1:.2f}" for source, f1 in without_labels.items())
            + "."
        )
    return options, scores
