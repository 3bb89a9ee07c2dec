"""The end of a training: the best of starter, baseline, student and teacher, its thresholds, what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Note, Reason, TrainFinished
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.learning.going_on import START, as_it_was
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, best_candidate
from napari_cellseg_ssl.core.methods.actis import advice, judging, networks
from napari_cellseg_ssl.core.methods.actis.learner import BASELINE
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.setup import QUICKLY_JUDGED_PIXELS, Setup
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import nn

JUDGED_PIXELS = 1_000_000
"""What is looked at for the final thresholds."""


def finish(setup: Setup, notes: Sequence[str], reason: Reason) -> Iterator[Note | TrainFinished]:
    """Choose among starter, baseline, student and teacher, then the thresholds; make the bundle."""
    starter = as_it_was(setup.run, setup.judged, lambda: networks.build(setup.architecture))
    candidates = {**starter, **_candidates(setup)}
    parent = setup.run.start_from
    own = {START: parent.segment_options} if parent else {}  # with its options, which many more cells chose
    judged = setup.judged
    scores = {name: setup.search(net, judged, own.get(name))[1] for name, net in candidates.items()} if judged else {}
    chosen = best_candidate(scores) if scores else next(iter(candidates))
    net = candidates[chosen]
    is_quick = reason == "stopped"
    painted = setup.painted(QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS)
    probabilities = setup.probabilities(net, painted)
    if not setup.learner.is_refining:
        setup.learner.observe(probabilities)
    if chosen in own:
        segment_options, tuned = own[chosen], None
    else:
        segment_options, tuned = _tuned(setup, probabilities, painted, is_quick)
    after = advice.after(chosen, scores, segment_options, tuned, setup.learner)
    if reason == "plateau":
        after = (*after, advice.enough(setup.learner.step))
    for text in after:
        yield Note(text)
    numbers = {f"{name}_f1": one.f1 for name, one in scores.items()}
    if scores:
        numbers["f1"] = scores[chosen].f1
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    provenance = Provenance(
        seed=setup.run.seed,
        device=setup.run.device,
        steps=setup.learner.step,
        seconds=setup.run.elapsed(),
        reason=reason,
        parent=parent.id if parent else "",
        scores=numbers,
        notes=(*notes, *after),
    )
    yield TrainFinished(_bundle(setup, chosen, net, segment_options, provenance), reason)


def _candidates(setup: Setup) -> dict[str, nn.Module]:
    """Networks to choose from, the one to prefer first.

    What learned from painted cells alone is hard to beat in minutes. Pseudo-labels have errors, and the teacher, who
    averages over the longest time, takes the fewest of them over.
    """
    learner = setup.learner
    if not learner.is_refining:
        return {"baseline": learner.teacher}
    baseline = networks.build(setup.architecture).to(setup.run.device)
    load_weights(baseline, learner.baseline, BASELINE)
    found = {"baseline": baseline.eval(), "teacher": learner.teacher, "student": learner.student.eval()}
    order = ("teacher", "baseline", "student") if setup.has_pseudo_labels else tuple(found)
    return {name: found[name] for name in order}


def _tuned(
    setup: Setup, probabilities: Sequence[Array], painted: Sequence[Judged], is_quick: bool
) -> tuple[ActisSegmentOptions, Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not setup.judged:
        return setup.segment_options, None
    return judging.search_thresholds(
        probabilities,
        painted,
        setup.options.working_diameter,
        setup.segment_options,
        quick=is_quick,
        should_stop=lambda: not is_quick and setup.run.should_stop(),
    )


def _bundle(
    setup: Setup, chosen: str, net: nn.Module, segment_options: ActisSegmentOptions, provenance: Provenance
) -> ModelBundle:
    thresholds = setup.learner.thresholds.values.nan_to_num(0.0).numpy().copy()
    return ModelBundle(
        name=f"actis-{chosen}",
        method_id="actis",
        train_options=setup.options,
        segment_options=segment_options,
        architecture={**setup.architecture, "returned": chosen, "background_odds": setup.learner.background_odds},
        intensity=setup.intensity,
        weights={**weights_of(net), networks.THRESHOLDS: thresholds},
        provenance=provenance,
    )
