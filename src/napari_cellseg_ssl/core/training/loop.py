"""The loop in which every method learns: it owns steps, clock, stop, checkpoints, previews and validation.

A method brings a `Training`. The clock is the run's and stands still during a pause; it is looked at once after each
step, and nothing that it makes due changes what is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    Reason,
    Snapshot,
    Started,
    Step,
    TrainEvent,
    TrainFinished,
    Validated,
)
from napari_cellseg_ssl.core.training import messages
from napari_cellseg_ssl.core.training.base import Best, Progress, Training
from napari_cellseg_ssl.core.training.randomness import TorchRandom
from napari_cellseg_ssl.core.training.rates import WARM_UP_STEPS

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

ResultT = TypeVar("ResultT")
STEPS_PER_ROW = 10
BEST = "best"
"""In a checkpoint: what is known of the best validation, and the prefix of its weights."""


def train(
    prepare: Callable[[TrainingSet, Any, Run], Training], data: TrainingSet, options: Any, run: Run
) -> Iterator[TrainEvent]:
    """Train a method; see `Method.train`.

    A stop during `Training.finish` counts as one: the model is made, and the last checkpoint is there to go on from.

    Parameters
    ----------
    prepare
        Makes what learns; most often the method's own class of `Training`.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    random = TorchRandom(run.seed, run.device)
    with random:
        training = prepare(data, options, run)
    loop = Loop(training, random)
    reason = yield from loop.learn()
    loop.take_best()
    bundle = yield from loop.own(training.finish(reason))
    if reason != "stopped" and run.should_stop():
        reason = "stopped"
    yield TrainFinished(loop.signed(bundle, reason), reason)


class Loop:
    """The steps of one training, and all that happens around them."""

    def __init__(self, training: Training, random: TorchRandom) -> None:
        self.training, self.run = training, training.run
        self.history: list[dict[str, float]] = []
        """Every tenth step, and those after which was validated."""
        self._row: dict[str, float] = {}
        self._random = random
        self._validated, self._last_validated = -1, -1
        """How many times, -1 before that is known, and after which step."""
        if self.run.resume:
            self._resume(self.run.resume)

    def learn(self) -> Generator[TrainEvent, None, Reason]:
        """Make steps until the work is done or somebody stops it; returns the reason for the end."""
        training = self.training
        if not (yield from self.own(training.begin())):
            return "stopped"
        self._look()
        self._shown_at = self._saved_at = self._seconds
        reached = int(self._learned * training.validations)
        self._validated = reached if self._validated < 0 else min(self._validated, reached)  # a budget may have grown
        while self._learned < 1.0:
            if self.run.should_stop():
                yield self._checkpoint()
                yield from self._validate_end()
                return "stopped"
            before = self._learned
            yield from self._step()
            self._look()
            yield from self._between(self._learned if training.validates_end else before)
        yield from self._validate_end()
        yield self._checkpoint()
        if self.run.time_budget and training.step >= training.enough_steps:
            return "plateau"
        if self.run.time_budget and training.total_steps < WARM_UP_STEPS:
            yield training.note(messages.too_little_time(self.run.time_budget, training.total_steps))
        return "completed"

    def own(self, events: Generator[TrainEvent, None, ResultT]) -> Generator[TrainEvent, None, ResultT]:
        """Pass on what a part of the training says; while it works, torch's random numbers are its own."""
        with closing(events):
            while True:
                with self._random:
                    try:
                        event = next(events)
                    except StopIteration as end:
                        return cast(ResultT, end.value)
                yield event

    def take_best(self) -> None:
        """Put the weights of the best validation, where they are kept, into what predicts."""
        from napari_cellseg_ssl.core.training.weights import load_weights

        if self.training.best.weights:
            load_weights(self.training.result, self.training.best.weights)

    def signed(self, bundle: ModelBundle, reason: Reason) -> ModelBundle:
        """Return a model with its history, and with where it comes from."""
        training, run = self.training, self.run
        provenance = replace(
            bundle.provenance,
            seed=run.seed,
            device=run.device,
            steps=training.total_steps,
            seconds=run.elapsed(),
            reason=reason,
            parent=run.start_from.id if run.start_from else "",
            notes=training.notes,
        )
        return replace(bundle, provenance=provenance, history=tuple(self.history))

    def _look(self) -> None:
        """Look at the clock."""
        self._seconds = self.run.elapsed()
        self._done = self.training.done(self._seconds)
        self._learned = self.training.learned(self._done)

    def _step(self) -> Iterator[TrainEvent]:
        training = self.training
        progress = Progress(training.step, self._learned)
        yield from self.own(training.before(progress))
        rate = training.rate(progress)
        for optimiser in training.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
        with self._random:
            losses = training.learn(progress, rate)
        training.step += 1
        training.follow(progress)
        training.remember(losses)
        self._row = {"step": training.total_steps, **losses, "rate": rate}
        if training.total_steps % STEPS_PER_ROW == 1:
            self.history.append(self._row)
        yield Step(training.total_steps, self._done, losses, rate, training.phase)

    def _between(self, share: float) -> Iterator[TrainEvent]:
        """Validate, show and save what is due after a step; then look at the clock again, since that takes time."""
        training, now, reached = self.training, self._seconds, int(share * self.training.validations)
        if reached > self._validated:
            self._validated = reached
            yield self._validate()
            self._look()
        if now - self._shown_at >= training.seconds_between_snapshots:
            self._shown_at = now
            yield Snapshot(training.total_steps, training.predictor(), draw=training.draw)
            self._look()
        if now - self._saved_at >= training.seconds_between_checkpoints:
            self._saved_at = now
            yield self._checkpoint()
            self._look()

    def _validate(self) -> Validated:
        from napari_cellseg_ssl.core.training.weights import weights_of

        training = self.training
        with self._random:
            scores = training.validate()
        is_best = scores[training.main_score] >= training.best.scores.get(training.main_score, -inf)
        if is_best:
            weights = weights_of(training.result) if training.keeps_best else {}
            training.best = Best(training.total_steps, scores, weights)
        self._last_validated = training.total_steps
        self._row.update(scores)
        if self._row not in self.history[-1:]:
            self.history.append(self._row)
        return Validated(training.total_steps, scores, is_best)

    def _validate_end(self) -> Iterator[TrainEvent]:
        training = self.training
        if training.validations and training.validates_end and self._last_validated != training.total_steps:
            yield self._validate()

    def _checkpoint(self) -> Checkpoint:
        arrays, state = self.training.state()
        best = self.training.best
        arrays |= self._random.arrays() | {f"{BEST}.{name}": array for name, array in best.weights.items()}
        state[BEST] = {
            "step": best.step,
            "scores": dict(best.scores),
            "judged": self._validated,
            "last_step": self._last_validated,
        }
        return Checkpoint(self.training.total_steps, arrays, state)

    def _resume(self, checkpoint: Checkpoint) -> None:
        if not self.training.resume(checkpoint):
            return
        self._random.restore(checkpoint.arrays)
        known: Any = checkpoint.meta.get(BEST)
        if known is None:  # written by an earlier version
            return
        prefix = f"{BEST}."
        named = checkpoint.arrays.items()
        weights = {name.removeprefix(prefix): np.array(a) for name, a in named if name.startswith(prefix)}
        self.training.best = Best(int(known["step"]), dict(known["scores"]), weights)
        self._validated, self._last_validated = int(known["judged"]), int(known["last_step"])
