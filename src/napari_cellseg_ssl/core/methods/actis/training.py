"""The training of ACTIS from end to end: baseline, refinement, choice of the best, thresholds.

Rumberger et al., "ACTIS: Improving data efficiency by leveraging semi-supervised Augmentation Consistency Training
for Instance Segmentation", 2023. What differs from the paper, besides what `learner` and `confidence` list:

- Anything may be unknown. Unknown pixels enter no loss, no target and no score; in the second stage they are the
  unlabelled pixels, so one single painted image is enough.
- One cosine over both stages, so that the student is the baseline continued, plus what the unpainted pixels add. The
  preset "paper" has the published two optimisers.
- A time budget is an upper bound: once each painted cell has been seen often enough the training ends, because a
  network that goes on repeating a few cells gets worse on other images while their held-out neighbours do not tell.
- The baseline is an average over the last steps too, not only the teacher: it costs nothing and is better.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.events import (
    Checkpoint,
    Note,
    Reason,
    Snapshot,
    Started,
    Step,
    TrainEvent,
    TrainFinished,
    Validated,
)
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.actis import advice, judging, networks
from napari_cellseg_ssl.core.methods.actis.frames import Frame, load_frames
from napari_cellseg_ssl.core.methods.actis.held_out import Judged, hold_out, judge, within_area
from napari_cellseg_ssl.core.methods.actis.learner import BASELINE, Learner, class_weights
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions, ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.sampling import Sampler
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
VALIDATIONS = 20
CONTINUED_SHARE = 1 / 3
"""Of the learning rate, when a trained model learns on."""
TRAINING_SHARE = 0.97
"""Of a time budget; the rest is for choosing the best network and its thresholds."""
FEWEST_STEPS = 1200
"""Never fewer than these are enough, however few cells there are."""
JUDGED_PIXELS, QUICKLY_JUDGED_PIXELS = 1_000_000, 250_000
"""What is looked at for the thresholds in the end, and while the training goes on or somebody waits."""


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What does not change during a training."""

    options: ActisOptions
    run: Run
    architecture: Mapping[str, Any]
    intensity: Intensity
    frames: tuple[Frame, ...]
    judged: tuple[Judged, ...]
    learner: Learner
    sampler: Sampler
    enough_steps: float

    def done(self) -> float:
        """Share of the training that is done: of the steps, or of the time and of the steps that are enough."""
        done = self.run.fraction(self.learner.step, self.options.steps)
        if self.run.time_budget:
            done = max(done / TRAINING_SHARE, self.learner.step / self.enough_steps)
        return min(1.0, done)

    @property
    def has_time_left(self) -> bool:
        """Whether training ended since the painted cells have been seen often enough."""
        return bool(self.run.time_budget) and self.learner.step >= self.enough_steps

    @property
    def refine_from(self) -> float:
        return 1.0 - self.options.refine_share


def train(data: TrainingSet, options: ActisOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on painted and unpainted pixels; see `Method.train`.

    Raises
    ------
    WrongAnnotation
        If no cell is annotated.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    setup = _prepare(data, options, run)
    notes = advice.before(setup.frames, setup.judged)
    for text in notes:
        yield Note(text)
    reason = yield from _optimise(setup)
    yield from _finish(setup, notes, reason)


def _prepare(data: TrainingSet, options: ActisOptions, run: Run) -> _Setup:
    import torch

    torch.manual_seed(run.seed)
    if data.n_cells == 0:
        raise WrongAnnotation("No cell is painted.", "Paint some whole cells, each with its own id from 2.")
    intensity = run.start_from.intensity if run.start_from else Intensity()
    frames = load_frames(data, intensity, options.working_diameter, run.seed)
    learning, judged = hold_out(frames, run.seed)
    described = networks.architecture(options, data.n_channels)
    net = networks.build(described, "" if run.start_from or run.resume else options.encoder_weights)
    if run.start_from:
        _start_from(net, run.start_from, described)
    learner = Learner(net, options, class_weights(learning, options), device=run.device, seed=run.seed)
    if run.resume:
        learner.restore(run.resume.step, run.resume.arrays, run.resume.meta)
    return _Setup(
        options=options,
        run=run,
        architecture=described,
        intensity=intensity,
        frames=frames,
        judged=within_area(judged, QUICKLY_JUDGED_PIXELS),
        learner=learner,
        sampler=Sampler(learning, options.crop),
        enough_steps=max(FEWEST_STEPS, options.steps_per_cell * data.n_cells) if options.steps_per_cell else np.inf,
    )


def _start_from(net: nn.Module, parent: ModelBundle, described: Mapping[str, Any]) -> None:
    for key in ("tag", "in_channels"):
        if parent.architecture.get(key) != described[key]:
            raise WrongRun(
                f"Model '{parent.name}' has {key} {parent.architecture.get(key)}, this training {described[key]}.",
                "Start from a model of the same method and channels, or from none.",
            )
    networks.load_weights(net, parent.weights)


def _optimise(setup: _Setup) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    learner, run = setup.learner, setup.run
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    best = 0.0
    validated = int(setup.done() * VALIDATIONS)
    while (done := setup.done()) < 1.0:
        if run.should_stop():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
            return "stopped"
        if done >= setup.refine_from and not learner.is_refining:
            learner.begin_refinement()
            learner.calibrate(_foreground_threshold(setup))
            yield Note("Baseline trained; now learning from unpainted pixels too.")
        rate, refined = _rate(setup, done)
        losses = learner.learn(setup.sampler, rate, done, refined)
        yield Step(learner.step, done, losses, rate, "refinement" if learner.is_refining else "baseline")
        if setup.judged and int(done * VALIDATIONS) > validated:
            validated = int(done * VALIDATIONS)
            found = _score(setup, learner.teacher)
            yield Validated(learner.step, {"f1": found.f1, "iou": found.iou}, found.f1 >= best)
            best = max(best, found.f1)
            if learner.is_refining:
                learner.calibrate(_foreground_threshold(setup))
        if snapshot.is_due():
            yield Snapshot(learner.step, _predictor(setup, learner.teacher))
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "plateau" if setup.has_time_left else "completed"


def _foreground_threshold(setup: _Setup) -> float:
    """Find from where on the teacher's foreground fits the painted cells."""
    if not setup.options.calibrate_teacher:
        return 0.5
    if not setup.judged:
        return judging.FOREGROUND_THRESHOLD
    painted = within_area([judge(frame) for frame in setup.frames if frame.has_labels], QUICKLY_JUDGED_PIXELS)
    probabilities = _probabilities(setup, setup.learner.teacher, painted)
    return judging.search_thresholds(probabilities, painted, setup.options.working_diameter, quick=True)[1]


def _rate(setup: _Setup, done: float) -> tuple[float, float]:
    """Learning rate, and the share of the refinement that is done."""
    options, start = setup.options, setup.refine_from
    peak = options.rate * (CONTINUED_SHARE if setup.run.start_from else 1.0)
    refined = max(0.0, (done - start) / max(1e-9, 1.0 - start))
    if options.refine_optimiser == "adamw":
        return learning_rate(peak, setup.learner.step, done), refined
    if setup.learner.is_refining:
        return learning_rate(options.refine_rate, setup.learner.step, refined), refined
    return learning_rate(peak, setup.learner.step, done / max(1e-9, start)), refined


def _predictor(setup: _Setup, net: nn.Module) -> networks.ActisPredictor:
    described = {**setup.architecture, "background_odds": setup.learner.background_odds}
    return networks.ActisPredictor(net, setup.learner.thresholds, described, setup.run.device)


def _probabilities(setup: _Setup, net: nn.Module, judged: Sequence[Judged]) -> list[Array]:
    predict = _predictor(setup, net).probabilities
    was_training = net.training
    net.eval()
    found = [predict(one.pixels[None])[0].cpu().numpy() for one in judged]
    net.train(was_training)
    return found


def _score(setup: _Setup, net: nn.Module) -> judging.Score:
    """Score a network on what is held out, with the best of a few thresholds: they will be searched in the end."""
    probabilities = _probabilities(setup, net, setup.judged)
    return judging.search_thresholds(probabilities, setup.judged, setup.options.working_diameter, quick=True)[2]


def _finish(setup: _Setup, notes: Sequence[str], reason: Reason) -> Iterator[TrainEvent]:
    """Choose among baseline, student and teacher, then the thresholds; make the bundle."""
    candidates = _candidates(setup)
    scores = {name: _score(setup, net) for name, net in candidates.items()} if setup.judged else {}
    chosen = judging.best_candidate(scores) if scores else next(iter(candidates))
    net = candidates[chosen]
    is_quick = reason == "stopped"
    painted = within_area(
        [judge(frame) for frame in setup.frames if frame.has_labels],
        QUICKLY_JUDGED_PIXELS if is_quick else JUDGED_PIXELS,
    )
    probabilities = _probabilities(setup, net, painted)
    if not setup.learner.is_refining:
        setup.learner.observe(probabilities)
    segment_options, tuned = _tuned(setup, probabilities, painted, is_quick)
    after = advice.after(chosen, scores, segment_options, tuned, setup.learner)
    if reason == "plateau":
        after = (*after, advice.enough(setup.learner.step))
    for text in after:
        yield Note(text)
    numbers = {f"{name}_f1": one.f1 for name, one in scores.items()}
    if tuned:
        numbers |= {"tuned_f1": tuned.f1, "tuned_iou": tuned.iou}
    provenance = Provenance(
        seed=setup.run.seed,
        device=setup.run.device,
        steps=setup.learner.step,
        seconds=setup.run.elapsed(),
        reason=reason,
        parent=setup.run.start_from.id if setup.run.start_from else "",
        scores=numbers,
        notes=(*notes, *after),
    )
    yield TrainFinished(_bundle(setup, chosen, net, segment_options, provenance), reason)


def _bundle(
    setup: _Setup, chosen: str, net: nn.Module, segment_options: ActisSegmentOptions, provenance: Provenance
) -> ModelBundle:
    thresholds = setup.learner.thresholds.values.nan_to_num(0.0).numpy().copy()
    return ModelBundle(
        name=f"actis-{chosen}",
        method_id="actis",
        train_options=setup.options,
        segment_options=segment_options,
        architecture={**setup.architecture, "returned": chosen, "background_odds": setup.learner.background_odds},
        intensity=setup.intensity,
        weights={**networks.weights_of(net), networks.THRESHOLDS: thresholds},
        provenance=provenance,
    )


def _candidates(setup: _Setup) -> dict[str, nn.Module]:
    """Networks to choose from, the one to prefer first."""
    learner = setup.learner
    if not learner.is_refining:
        return {"baseline": learner.teacher}
    baseline = networks.build(setup.architecture).to(setup.run.device)
    networks.load_weights(baseline, learner.baseline, BASELINE)
    return {"teacher": learner.teacher, "student": learner.student.eval(), "baseline": baseline.eval()}


def _tuned(
    setup: _Setup, probabilities: Sequence[Array], painted: Sequence[Judged], is_quick: bool
) -> tuple[ActisSegmentOptions, judging.Score | None]:
    """Search thresholds on all known pixels, those learned from included: the held-out cells alone are few."""
    if not setup.judged:
        return ActisSegmentOptions(), None
    seed, foreground, score = judging.search_thresholds(
        probabilities,
        painted,
        setup.options.working_diameter,
        quick=is_quick,
        should_stop=lambda: not is_quick and setup.run.should_stop(),
    )
    return replace(ActisSegmentOptions(), seed_threshold=seed, foreground_threshold=foreground), score
