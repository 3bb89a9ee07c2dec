"""What does not change during a training, and the questions that are asked of a network along the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import Frame, load_frames
from napari_cellseg_ssl.core.learning.going_on import as_large
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, hold_out, judge, within_area
from napari_cellseg_ssl.core.methods.actis import judging, networks
from napari_cellseg_ssl.core.methods.actis.learner import PRETRAINED, Learner
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions, ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.sampling import Sampler
from napari_cellseg_ssl.core.nets.detector_encoder import is_detector
from napari_cellseg_ssl.core.torch_tools.weights import load_weights

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.bundle import ModelBundle
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

TRAINING_SHARE = 0.97
"""Of a time budget; the rest is for choosing the best network and its thresholds."""
FEWEST_STEPS = 450
"""Never fewer than these are enough, however few cells there are."""
SIZES = ("width", "depth")
"""Options that a model which learns on has decided already."""
QUICKLY_JUDGED_PIXELS = 250_000
"""What is looked at while the training goes on or somebody waits."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training's data, network and settings.

    Parameters
    ----------
    frames : tuple of Frame
        With everything that is known, what is held out and pseudo-labels included.
    has_pseudo_labels : bool
        Whether labels are learnt from that nobody painted.
    judged : tuple of Judged
        What is held out.
    segment_options : ActisSegmentOptions
        Where the search for thresholds starts; whether cells are cut at necks is decided.
    enough_steps : float
        After which a training with a time budget ends.
    beginning : str
        What the encoder begins with, in words; empty where nothing needs to be said.
    """

    options: ActisOptions
    run: Run
    architecture: Mapping[str, Any]
    intensity: Intensity
    frames: tuple[Frame, ...]
    has_pseudo_labels: bool
    judged: tuple[Judged, ...]
    learner: Learner
    sampler: Sampler
    segment_options: ActisSegmentOptions
    enough_steps: float
    beginning: str

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
    def goes_on(self) -> bool:
        """Whether a trained model of this method learns on."""
        return self.run.start_from is not None and not is_detector(self.run.start_from)

    @property
    def refine_from(self) -> float:
        """Share of the training after which the refinement begins."""
        return 1.0 - self.options.refine_share

    def painted(self, pixels: int) -> tuple[Judged, ...]:
        """Everything to judge by, learned from or held out, up to so many pixels."""
        return within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)

    def predictor(self, net: nn.Module) -> networks.ActisPredictor:
        """Wrap a network that is being trained."""
        described = {**self.architecture, "background_odds": self.learner.background_odds}
        return networks.ActisPredictor(net, self.learner.thresholds, described, self.run.device)

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
        return judging.search_thresholds(found, judged, self.options.working_diameter, others, quick=True)


def prepare(data: TrainingSet, options: ActisOptions, run: Run) -> Setup:
    """Load images, hold some of the annotation out, build the network.

    Raises
    ------
    WrongAnnotation
        If no cell is annotated.
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    import torch

    torch.manual_seed(run.seed)
    if data.n_cells == 0:
        raise WrongAnnotation("No cell is painted.", "Paint some whole cells, each with its own id from 2.")
    intensity = run.start_from.intensity if run.start_from else Intensity()
    frames = load_frames(data, intensity, options.working_diameter, run.seed)
    learning, judged = hold_out(frames, run.seed)
    parent = None if is_detector(run.start_from) else run.start_from
    beginning = ""
    if parent:
        has = {name: parent.architecture[name] for name in SIZES if name in parent.architecture}
        options, beginning = as_large(options, parent, has)
    described = networks.architecture(options, data.n_channels)
    if run.start_from and is_detector(run.start_from):
        net, beginning = networks.begin_with_detector(described, options, run.start_from)
    elif run.start_from or run.resume:
        net = networks.build(described)
    else:
        net, beginning = networks.begin(described, options)
    if parent:
        _start_from(net, parent, described)
    is_pretrained = is_detector(run.start_from) or bool(run.resume and run.resume.meta.get(PRETRAINED))
    learner = Learner(net, options, device=run.device, seed=run.seed, is_pretrained=is_pretrained)
    if run.resume:
        learner.restore(run.resume.step, run.resume.arrays, run.resume.meta)
    painted = [frame.painted for frame in frames]  # what other methods found was cut by its shape already
    neck = judging.widest_neck(painted, options.working_diameter)
    return Setup(
        options=options,
        run=run,
        architecture=described,
        intensity=intensity,
        frames=frames,
        has_pseudo_labels=any(frame.pseudo is not None for frame in frames),
        judged=within_area(judged, QUICKLY_JUDGED_PIXELS),
        learner=learner,
        sampler=Sampler(learning, options.crop),
        segment_options=ActisSegmentOptions(widest_neck=neck),
        enough_steps=max(FEWEST_STEPS, options.steps_per_cell * data.n_cells) if options.steps_per_cell else np.inf,
        beginning=beginning,
    )


def _start_from(net: nn.Module, parent: ModelBundle, described: Mapping[str, Any]) -> None:
    for key in ("tag", "in_channels"):
        if parent.architecture.get(key) != described[key]:
            raise WrongRun(
                f"Model '{parent.name}' has {key} {parent.architecture.get(key)}, this training {described[key]}.",
                "Start from a model of the same method and channels, or from none.",
            )
    load_weights(net, parent.weights)
