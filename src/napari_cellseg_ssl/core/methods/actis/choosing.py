"""The end of a training: the best of starter, baseline, student and teacher, its thresholds, what is said of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import Reason, TrainEvent
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.learning.going_on import START, as_it_was
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, best_candidate
from napari_cellseg_ssl.core.methods.actis import advice, judging, networks
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.methods.actis.training import ActisTraining

BASELINE = "baseline."
"""Of the names of its weights in a checkpoint."""
JUDGED_PIXELS, QUICKLY_JUDGED_PIXELS = 1_000_000, 250_000
"""What is looked at for the final thresholds, and while the training goes on or somebody waits."""


def finish(work: ActisTraining, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
    """Choose among starter, baseline, student and teacher, then the thresholds; make the bundle."""
    starter = as_it_was(work.run, work.judged, lambda: networks.build(work.architecture))
    candidates = {**starter, **_candidates(work)}
    parent = work.run.start_from
    own = {START: parent.segment_options} if parent else {}  # with its options, which many more cells chose
    judged = work.judged
    scores = {name: work.search(net, judged, own.get(name))[1] for name, net in candidates.items()} if judged else {}
    chosen = best_candidate(scores) if scores else next(iter(candidates))
    net = candidates[chosen]
    is_quick = reason == "stopped"
    painted = work.painted(QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS)
    probabilities = work.probabilities(net, painted)
    if not work.is_refining:
        work.losses.observe(probabilities)
    if chosen in own:
        segment_options, tuned = own[chosen], None
    else:
        segment_options, tuned = _tuned(work, probabilities, painted, is_quick)
    for text in advice.after(chosen, scores, segment_options, tuned, work):
        yield work.note(text)
    if reason == "plateau":
        yield work.note(advice.enough(work.step))
    numbers = {f"{name}_f1": one.f1 for name, one in scores.items()}
    if scores:
        numbers["f1"] = scores[chosen].f1
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    return _bundle(work, chosen, net, segment_options, numbers)


def _candidates(work: ActisTraining) -> dict[str, nn.Module]:
    """Networks to choose from, the one to prefer first.

    What learned from painted cells alone is hard to beat in minutes. Pseudo-labels have errors, and the teacher, who
    averages over the longest time, takes the fewest of them over.
    """
    if not work.is_refining:
        return {"baseline": work.result}
    baseline = networks.build(work.architecture).to(work.run.device)
    load_weights(baseline, work.baseline, BASELINE)
    found = {"baseline": baseline.eval(), "teacher": work.result, "student": work.net.eval()}
    order = ("teacher", "baseline", "student") if work.has_pseudo_labels else tuple(found)
    return {name: found[name] for name in order}


def _tuned(
    work: ActisTraining, probabilities: Sequence[Array], painted: Sequence[Judged], is_quick: bool
) -> tuple[ActisSegmentOptions, Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not work.judged:
        return work.segment_options, None
    return judging.search_thresholds(
        probabilities,
        painted,
        work.options.working_diameter,
        work.segment_options,
        quick=is_quick,
        should_stop=lambda: not is_quick and work.run.should_stop(),
    )


def _bundle(
    work: ActisTraining,
    chosen: str,
    net: nn.Module,
    segment_options: ActisSegmentOptions,
    scores: Mapping[str, float],
) -> ModelBundle:
    thresholds = work.losses.thresholds.values.nan_to_num(0.0).numpy().copy()
    odds = work.losses.background_odds
    return ModelBundle(
        name=f"actis-{chosen}",
        method_id="actis",
        train_options=work.options,
        segment_options=segment_options,
        architecture={**work.architecture, "returned": chosen, "background_odds": odds},
        intensity=work.intensity,
        weights={**weights_of(net), networks.THRESHOLDS: thresholds},
        provenance=Provenance(scores=scores),
    )
