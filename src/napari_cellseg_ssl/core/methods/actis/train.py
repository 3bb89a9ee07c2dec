"""The training of ACTIS from end to end: baseline, refinement, choice of the best, thresholds.

Rumberger et al., "ACTIS: Improving data efficiency by leveraging semi-supervised Augmentation Consistency Training
for Instance Segmentation", 2023. What differs from the paper, besides what `losses` and `confidence` list:

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

from collections.abc import Generator, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.actis import messages, network, validation
from napari_cellseg_ssl.core.methods.actis.losses import Losses
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions, ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.sampling import Sampler
from napari_cellseg_ssl.core.methods.actis.validation import DEFAULTS
from napari_cellseg_ssl.core.methods.events import Note, TrainEvent
from napari_cellseg_ssl.core.nets.detector_encoder import is_detector
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.averaging import share_of_the_work
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.frames import load_frames
from napari_cellseg_ssl.core.training.held_out import Judged, Score, hold_out, judge, within_area
from napari_cellseg_ssl.core.training.rates import CONTINUED_SHARE, learning_rate
from napari_cellseg_ssl.core.training.weights import weights_of

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run

VALIDATIONS = 20
BASELINE = "baseline."
"""Of the names of its weights in a checkpoint."""
QUICKLY_JUDGED_PIXELS = 250_000
"""What is looked at while the training goes on or somebody waits."""
FEWEST_STEPS = 450
"""Never fewer than these are enough, however few cells there are."""
PAPER_DECAY = 0.99
PRETRAINED = "pretrained"
"""In a checkpoint: whether the encoder began with weights from elsewhere."""
ADAMW = "adamw"
STAGES = ("baseline", "refinement")


class ActisLearning(Training):
    """Train on painted and unpainted pixels; the student learns, and the average over it is the teacher.

    Attributes
    ----------
    frames : tuple of Frame
        With everything that is known, what is held out and pseudo-labels included.
    judged : tuple of Judged
        What is held out.
    segment_options : ActisSegmentOptions
        Where the search for thresholds starts; whether cells are cut at necks is decided.
    baseline : {name: array}
        Weights with which the refinement began; empty before.

    Raises
    ------
    WrongAnnotation
        If no cell is annotated.
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` belongs to another network.
    """

    options: ActisOptions
    training_share = 0.97
    phase = STAGES[0]
    net_prefix, average_prefix = "student.", "teacher."

    def __init__(self, data: TrainingSet, options: ActisOptions, run: Run) -> None:
        from napari_cellseg_ssl.core.nets.resnet_encoder import FEWEST_CROPS, freeze_statistics

        if data.n_cells == 0:
            raise shared.no_cell_painted()
        options, net, self.architecture, self.beginning = network.prepared(data.n_channels, options, run)
        super().__init__(options, run, net, average=self.teacher_decay, keeps_best=False)
        was_pretrained = bool(run.resume and run.resume.meta.get(PRETRAINED))
        self.is_pretrained = is_detector(run.start_from) or was_pretrained or options.has_given_resnet
        if self.is_pretrained and options.fewest_crops < FEWEST_CROPS:
            freeze_statistics(self.net.encoder)
        self.optimisers["optimiser."] = self._optimiser(ADAMW)
        self.baseline: dict[str, Array] = {}
        self.frames = load_frames(data, self.intensity, options.working_diameter, run.seed)
        self.has_pseudo_labels = any(frame.pseudo is not None for frame in self.frames)
        learning, judged = hold_out(self.frames, run.seed)
        self.judged = within_area(judged, QUICKLY_JUDGED_PIXELS)
        self.validations = VALIDATIONS if self.judged else 0
        self.enough_steps = max(FEWEST_STEPS, options.steps_per_cell * data.n_cells) if options.steps_per_cell else inf
        self.losses = Losses(self.net, self.result, Sampler(learning, options.crop), options, run.device)
        painted = [frame.painted for frame in self.frames]  # what other methods found was cut by its shape already
        neck = validation.widest_neck(painted, options.working_diameter)
        self.segment_options = ActisSegmentOptions(widest_neck=neck)

    @property
    def is_refining(self) -> bool:
        """Whether the second stage has begun."""
        return bool(self.baseline)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what is annotated and what would help."""
        for text in messages.before(self.frames, self.judged, self.segment_options, self.options.working_diameter):
            yield self.note(text)
        if self.beginning:
            yield self.note(self.beginning)
        return True

    def before(self, progress: Progress) -> Generator[TrainEvent, None, None]:
        """Begin the refinement when it is time: keep the baseline, and let teacher and student go on from it."""
        if progress.done < self._refine_from or self.is_refining:
            return
        if self.options.teacher_every:
            self.result.load_state_dict(self.net.state_dict())
        self.baseline, self.phase = weights_of(self.result, BASELINE), STAGES[1]
        if self.options.refine_optimiser != ADAMW:
            self.optimisers["optimiser."] = self._optimiser(self.options.refine_optimiser)
        self.losses.calibrate(self._foreground_threshold())
        yield Note(messages.refinement_begins())

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step."""
        options, step, done = self.options, progress.step, progress.done
        peak = options.rate * (CONTINUED_SHARE if self.goes_on else 1.0)
        if options.refine_optimiser == ADAMW:
            return learning_rate(peak, step, done)
        if self.is_refining:
            return learning_rate(options.refine_rate, step, self._refined(done))
        return learning_rate(peak, step, done / max(1e-9, self._refine_from))

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step."""
        if self.is_refining:
            losses = self.losses.refinement(self.rng, self._refined(progress.done))
        else:
            losses = self.losses.baseline(self.rng)
        optimiser = self.optimisers["optimiser."]
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimiser.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def teacher_decay(self, step: int, done: float) -> float | None:
        """Say how the teacher follows the student."""
        options = self.options
        if self.is_refining and options.frozen_teacher:
            return None
        if not options.teacher_every:
            return share_of_the_work(options.teacher_half_life)(step, done)
        if not self.is_refining:
            return 0.0
        return PAPER_DECAY if step % options.teacher_every == 0 else None

    def validate(self) -> dict[str, float]:
        """Score held-out cells, and let the teacher's labels fit the painted ones again."""
        found = self.search(self.result, self.judged)[1]
        if self.is_refining:
            self.losses.calibrate(self._foreground_threshold())
        return {"f1": found.f1, "iou": found.iou}

    @property
    def goes_on(self) -> bool:
        """Whether a trained model of this method learns on."""
        return self.run.start_from is not None and not is_detector(self.run.start_from)

    @property
    def _refine_from(self) -> float:
        """Share of the training after which the refinement begins."""
        return 1.0 - self.options.refine_share

    def _refined(self, done: float) -> float:
        """Share of the refinement that is done."""
        return max(0.0, (done - self._refine_from) / max(1e-9, 1.0 - self._refine_from))

    def _foreground_threshold(self) -> float:
        """Find from where on the teacher's foreground fits the painted cells."""
        if not self.options.calibrate_teacher:
            return 0.5
        if not self.judged:
            return DEFAULTS.foreground_threshold
        return self.search(self.result, self.painted(QUICKLY_JUDGED_PIXELS))[0].foreground_threshold

    def painted(self, pixels: int) -> tuple[Judged, ...]:
        """Everything to validate on, learned from or held out, up to so many pixels."""
        return within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)

    def predictor(self, net: nn.Module | None = None) -> network.ActisPredictor:
        """Wrap a network, by default the teacher as it is now."""
        described = {**self.architecture, "background_odds": self.losses.background_odds}
        net = self.result if net is None else net
        return network.ActisPredictor(net, self.losses.thresholds, described, self.run.device)

    def probabilities(self, net: nn.Module, judged: Sequence[Judged]) -> list[Array]:
        """Class probabilities (3, Y, X) of each piece."""
        predict = self.predictor(net).probabilities
        was_training = net.training
        net.eval()
        found = [predict(one.pixels[None])[0].cpu().numpy() for one in judged]
        net.train(was_training)
        return found

    def search(
        self, net: nn.Module, judged: Sequence[Judged], options: ActisSegmentOptions | None = None
    ) -> tuple[ActisSegmentOptions, Score]:
        """Find out quickly how good a network is, with the best of a few thresholds, its other options as given."""
        found = self.probabilities(net, judged)
        others = options or self.segment_options
        return validation.search_thresholds(found, judged, self.options.working_diameter, others, quick=True)

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on: baseline, thresholds, odds, and how the encoder began, too."""
        arrays, state = super().state()
        arrays |= {**self.baseline, network.THRESHOLDS: self.losses.thresholds.values.numpy().copy()}
        return arrays, {**state, "background_odds": self.losses.background_odds, PRETRAINED: self.is_pretrained}

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        import torch

        self.baseline = {name: array for name, array in arrays.items() if name.startswith(BASELINE)}
        if self.is_refining:
            self.phase = STAGES[1]
            self.optimisers["optimiser."] = self._optimiser(self.options.refine_optimiser)
        super().load_state(arrays, state)
        self.losses.thresholds.values = torch.from_numpy(np.array(arrays[network.THRESHOLDS]))
        self.losses.background_odds = float(state["background_odds"])

    def _optimiser(self, name: str) -> Optimizer:
        import torch

        decay, groups = self.options.weight_decay, self._groups()
        if name == "sgd":
            return torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True, weight_decay=decay)
        return torch.optim.AdamW(groups, lr=1e-3, weight_decay=decay)

    def _groups(self) -> list[dict[str, Any]]:
        """List the weights by what share of the learning rate they have."""
        if not self.is_pretrained:
            return [{"params": list(self.net.parameters()), "share": 1.0}]
        encoder = list(self.net.encoder.parameters())
        taken = {id(p) for p in encoder}
        others = [p for p in self.net.parameters() if id(p) not in taken]
        return [{"params": others, "share": 1.0}, {"params": encoder, "share": self.options.encoder_rate}]
