"""The end of a training: the best of starter, baseline, student and teacher, its thresholds, what is said of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.actis import messages, network, validation
from napari_cellseg_ssl.core.methods.actis.options import ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.train import BASELINE, QUICKLY_JUDGED_PIXELS, ActisLearning
from napari_cellseg_ssl.core.methods.events import Reason, TrainEvent
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.held_out import Judged, Score, best_candidate
from napari_cellseg_ssl.core.training.warm_start import START, as_it_was
from napari_cellseg_ssl.core.training.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import nn


OVERCONFIDENT = 0.99
JUDGED_PIXELS = 1_000_000
"""What is looked at for the final thresholds."""


class ActisTraining(ActisLearning):
    """The whole training: of starter, baseline, student and teacher the best becomes the model."""

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Choose what is returned, and make the model."""
        return _finish(self, reason)


def _finish(work: ActisLearning, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
    """Choose among starter, baseline, student and teacher, then the thresholds; make the bundle."""
    starter = as_it_was(work.run, work.judged, lambda: network.build(work.architecture))
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
    is_sure = work.is_refining and bool((work.losses.thresholds.values > OVERCONFIDENT).all())
    for text in messages.after(chosen, scores, segment_options, tuned, is_sure=is_sure):
        yield work.note(text)
    if reason == "plateau":
        yield work.note(messages.enough(work.step))
    numbers = {f"{name}_f1": one.f1 for name, one in scores.items()}
    if scores:
        numbers["f1"] = scores[chosen].f1
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    return _bundle(work, chosen, net, segment_options, numbers)


def _candidates(work: ActisLearning) -> dict[str, nn.Module]:
    """Networks to choose from, the one to prefer first.

    What learned from painted cells alone is hard to beat in minutes. Pseudo-labels have errors, and the teacher, who
    averages over the longest time, takes the fewest of them over.
    """
    if not work.is_refining:
        return {"baseline": work.result}
    baseline = network.build(work.architecture).to(work.run.device)
    load_weights(baseline, work.baseline, BASELINE)
    found = {"baseline": baseline.eval(), "teacher": work.result, "student": work.net.eval()}
    order = ("teacher", "baseline", "student") if work.has_pseudo_labels else tuple(found)
    return {name: found[name] for name in order}


def _tuned(
    work: ActisLearning, probabilities: Sequence[Array], painted: Sequence[Judged], is_quick: bool
) -> tuple[ActisSegmentOptions, Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not work.judged:
        return work.segment_options, None
    return validation.search_thresholds(
        probabilities,
        painted,
        work.options.working_diameter,
        work.segment_options,
        quick=is_quick,
        should_stop=lambda: not is_quick and work.run.should_stop(),
    )


def _bundle(
    work: ActisLearning,
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
        weights={**weights_of(net), network.THRESHOLDS: thresholds},
        provenance=Provenance(scores=scores),
    )
