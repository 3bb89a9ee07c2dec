"""The training of MAUNet from end to end.

Li et al., "MAUNet: Modality-Aware Anti-Ambiguity U-Net for Multi-Modality Cell Segmentation", 2022. What differs from
the paper and its reference code, besides what `targets`, `segmentation` and `ambiguity_losses` list:

- Anything may be unknown. Unknown pixels enter no loss, no target and no score.
- A part of what is annotated is held out, thresholds are searched, and the weights are an average over the last steps.
  The reference has no validation, and returns the last weights that a multiple of ten epochs left.
- Images are brought to one size of cells, so that random rescaling can be mild (preset "paper": as published).
- Released encoder weights get images shifted and scaled as those that they were trained on.
- A pre-trained encoder keeps its statistics where a step sees less than eight crops.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.events import Checkpoint, Note, Reason, Snapshot, Started, Step, TrainEvent, Validated
from napari_cellseg_ssl.core.methods.maunet import advice
from napari_cellseg_ssl.core.methods.maunet.choosing import finish
from napari_cellseg_ssl.core.methods.maunet.options import STAIRS, MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.setup import Setup, prepare
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
VALIDATIONS = 20
CONTINUED_SHARE = 1 / 3
"""Of the learning rate, when a trained model learns on."""
STAIR, N_STAIRS = 0.95, 100


def train(data: TrainingSet, options: MaunetOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on painted pixels, and with consistency on others too; see `Method.train`.

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
    notes = advice.before(setup)
    for text in notes:
        yield Note(text)
    reason = yield from _optimise(setup)
    yield from finish(setup, notes, reason)


def _optimise(setup: Setup) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    learner = setup.learner
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    best = 0.0
    validated = int(setup.done() * VALIDATIONS)
    while (done := setup.done()) < 1.0:
        if setup.run.should_stop():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
            return "stopped"
        rate = _rate(setup, done)
        losses = learner.learn(setup.sampler, rate, done)
        yield Step(learner.step, done, losses, rate)
        if setup.judged and int(done * VALIDATIONS) > validated:
            validated = int(done * VALIDATIONS)
            found = setup.search(setup.judged)[1]
            yield Validated(learner.step, {"f1": found.f1, "iou": found.iou}, found.f1 >= best)
            best = max(best, found.f1)
        if snapshot.is_due():
            yield Snapshot(learner.step, setup.predictor())
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "completed"


def _rate(setup: Setup, done: float) -> float:
    """Learning rate after a share of the work."""
    peak = setup.options.rate * (CONTINUED_SHARE if setup.goes_on else 1.0)
    if setup.options.schedule == STAIRS:
        return float(peak * STAIR ** int(done * N_STAIRS))
    return learning_rate(peak, setup.learner.step, done)
