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
- Painted cells are pasted beside each other, and cells are cut at necks unless painted cells have necks: few labels
  show few contacts.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.events import Checkpoint, Note, Reason, Snapshot, Started, Step, TrainEvent, Validated
from napari_cellseg_ssl.core.methods.actis import advice
from napari_cellseg_ssl.core.methods.actis.choosing import finish
from napari_cellseg_ssl.core.methods.actis.judging import DEFAULTS
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.actis.setup import QUICKLY_JUDGED_PIXELS, Setup, prepare
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
VALIDATIONS = 20
CONTINUED_SHARE = 1 / 3
"""Of the learning rate, when a trained model learns on."""


def train(data: TrainingSet, options: ActisOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on painted and unpainted pixels; see `Method.train`.

    Raises
    ------
    WrongAnnotation
        If no cell is annotated.
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    setup = prepare(data, options, run)
    notes = advice.before(setup.frames, setup.judged, setup.segment_options, options.working_diameter)
    if setup.beginning:
        notes = (*notes, setup.beginning)
    for text in notes:
        yield Note(text)
    reason = yield from _optimise(setup)
    yield from finish(setup, notes, reason)


def _optimise(setup: Setup) -> Generator[TrainEvent, None, Reason]:
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
            found = setup.search(learner.teacher, setup.judged)[1]
            yield Validated(learner.step, {"f1": found.f1, "iou": found.iou}, found.f1 >= best)
            best = max(best, found.f1)
            if learner.is_refining:
                learner.calibrate(_foreground_threshold(setup))
        if snapshot.is_due():
            yield Snapshot(learner.step, setup.predictor(learner.teacher))
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "plateau" if setup.has_time_left else "completed"


def _foreground_threshold(setup: Setup) -> float:
    """Find from where on the teacher's foreground fits the painted cells."""
    if not setup.options.calibrate_teacher:
        return 0.5
    if not setup.judged:
        return DEFAULTS.foreground_threshold
    return setup.search(setup.learner.teacher, setup.painted(QUICKLY_JUDGED_PIXELS))[0].foreground_threshold


def _rate(setup: Setup, done: float) -> tuple[float, float]:
    """Learning rate, and the share of the refinement that is done."""
    options, start = setup.options, setup.refine_from
    peak = options.rate * (CONTINUED_SHARE if setup.goes_on else 1.0)
    refined = max(0.0, (done - start) / max(1e-9, 1.0 - start))
    if options.refine_optimiser == "adamw":
        return learning_rate(peak, setup.learner.step, done), refined
    if setup.learner.is_refining:
        return learning_rate(options.refine_rate, setup.learner.step, refined), refined
    return learning_rate(peak, setup.learner.step, done / max(1e-9, start)), refined
