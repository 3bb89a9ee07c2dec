"""What a method brings to a training; `loop.train` does what is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.events import Note, Reason, TrainEvent
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training import messages
from napari_cellseg_ssl.core.training.averaging import Decay
from napari_cellseg_ssl.core.training.rates import learning_rate

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
    from napari_cellseg_ssl.core.inference.predictor import Predictor
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.methods.events import Checkpoint
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

LATEST = 50
"""Steps over which `Training.recent` takes the mean of a loss."""


@dataclass(frozen=True)
class Progress:
    """How far a training is before a step: steps made, and the share, 0 to 1, of the learning that is done."""

    step: int
    done: float


@dataclass(frozen=True)
class Best:
    """The best validation so far: after which step, its scores, and the weights where they are kept."""

    step: int
    scores: Mapping[str, float]
    weights: Mapping[str, Array]


class Training(ABC):
    """A method while it learns: its data, what changes, and one step.

    A subclass takes (data, options, run), hands its network to `__init__`, and says in attributes what it wants of the
    loop. Everything random comes from `rng`, or from torch, whose random numbers are those of this training meanwhile.

    Parameters
    ----------
    options
        The method's training options, with at least `steps`.
    net : nn.Module
        What learns.
    average : Decay, optional
        How the average follows that predicts instead of the network itself; None where there is none.
    keeps_best : bool
        Whether `finish` finds the weights of the best validation in `result`, else those of the last step.
    """

    training_share = 1.0
    """Of a time budget; the rest is for `finish`."""
    enough_steps: float = inf
    """After which a training with a time budget ends early."""
    validations = 0
    """So often `validate` is called, evenly over the work."""
    validates_end = False
    """Whether the end is validated too; then the share of the work is taken after a step, else before it."""
    main_score = "f1"
    """Of what `validate` returns, the score by which the best is found."""
    seconds_between_snapshots = 3.0
    seconds_between_checkpoints = 15.0
    net_prefix, average_prefix = "net.", "average."
    """Of the names of their weights in a checkpoint."""
    phase = ""
    """Of the latest step, where there are several kinds."""
    draw: Callable[[Sequence[int]], SyntheticPair] | None = None
    """See `Snapshot`."""

    def __init__(self, options: Any, run: Run, net: nn.Module, *, average: Decay | None, keeps_best: bool) -> None:
        from napari_cellseg_ssl.core.training.ema import make_teacher

        self.options, self.run = options, run
        self.net = net.to(run.device).train()
        self.average = make_teacher(self.net) if average else None
        self.keeps_best = keeps_best
        self.rng = np.random.default_rng(run.seed)
        self.optimisers: dict[str, Optimizer] = {}
        """By the prefix of their state in a checkpoint; the loop sets their rates, times the "share" of a group."""
        self.intensity = run.intensity
        self.step = 0
        self.steps_before, self.begun = 0, 0.0
        """What another training did before, whose work this one goes on with: steps, and the share of all work."""
        self.notes: tuple[str, ...] = ()
        self.best = Best(0, {}, {})
        self._decay = average
        self._latest: dict[str, deque[float]] = {}

    @abstractmethod
    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step, and return its losses."""

    @abstractmethod
    def predictor(self) -> Predictor:
        """Return a predictor of `result` as it is now; it may move on with the next step."""

    @abstractmethod
    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Make the model; the loop adds its history and all of its provenance but the scores.

        Parameters
        ----------
        reason : Reason
            After "stopped" somebody waits.
        """

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step."""
        return learning_rate(self.options.rate, progress.step, progress.done)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what is learned from, and do what comes before the first step; return False after a stop."""
        yield from ()
        return True

    def before(self, progress: Progress) -> Generator[TrainEvent, None, None]:
        """Change or say what is due before a step."""
        yield from ()

    def validate(self) -> dict[str, float]:
        """Score `result` as it is now."""
        raise NotImplementedError

    @property
    def result(self) -> nn.Module:
        """What predicts: the average, or the network itself where there is none."""
        return self.net if self.average is None else self.average

    def done(self, seconds: float | None = None) -> float:
        """Share of the whole work that is done, after so many seconds; by default those of the clock."""
        done = self.run.fraction(self.total_steps, self.options.steps, seconds)
        if self.run.time_budget:
            done = max(done / self.training_share, self.step / self.enough_steps)
        return min(1.0, done)

    def learned(self, done: float) -> float:
        """Share of this training that is done, from the share of the whole work."""
        return min(1.0, (done - self.begun) / max(1e-9, 1.0 - self.begun))

    @property
    def total_steps(self) -> int:
        """Steps so far, those made before this training included."""
        return self.steps_before + self.step

    def follow(self, progress: Progress) -> None:
        """Let the average follow after a step."""
        from napari_cellseg_ssl.core.training.ema import follow

        decay = self._decay(progress.step + 1, progress.done) if self._decay else None
        if decay is not None:
            follow(self.average, self.net, decay)

    def note(self, text: str) -> Note:
        """Make a note that is kept with the model too."""
        self.notes = (*self.notes, text)
        return Note(text)

    def remember(self, losses: Mapping[str, float]) -> None:
        """Add the losses of a step to those that `recent` looks at."""
        for name, loss in losses.items():
            self._latest.setdefault(name, deque(maxlen=LATEST)).append(loss)

    def recent(self, name: str) -> float | None:
        """Mean of a loss over the latest steps that had it; None where there was none."""
        return float(np.mean(self._latest[name])) if name in self._latest else None

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that `load_state` needs to go on from here: arrays, and what is none."""
        from napari_cellseg_ssl.core.training.optimiser_state import optimiser_arrays
        from napari_cellseg_ssl.core.training.weights import weights_of

        arrays = weights_of(self.net, self.net_prefix)
        if self.average is not None:
            arrays |= weights_of(self.average, self.average_prefix)
        for prefix, optimiser in self.optimisers.items():
            arrays |= optimiser_arrays(optimiser, prefix)
        return arrays, {"random": dict(self.rng.bit_generator.state)}

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        from napari_cellseg_ssl.core.training.optimiser_state import restore_optimiser
        from napari_cellseg_ssl.core.training.weights import load_weights

        load_weights(self.net, arrays, self.net_prefix)
        if self.average is not None:
            load_weights(self.average, arrays, self.average_prefix)
        for prefix, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, arrays, prefix)
        self.rng.bit_generator.state = state["random"]

    def resume(self, checkpoint: Checkpoint) -> bool:
        """Go on where an interrupted training was; return False where it was in what comes before the first step.

        Raises
        ------
        WrongRun
            If the checkpoint is damaged, or of another network.
        """
        try:
            self.load_state(checkpoint.arrays, checkpoint.meta)
        except KeyError as missing:
            name = "random state" if missing.args == ("random",) else str(missing)
            raise messages.checkpoint_lacks(name) from missing
        except (TypeError, ValueError) as problem:
            raise messages.checkpoint_damaged(problem) from problem
        self.step = checkpoint.step - self.steps_before
        return True
