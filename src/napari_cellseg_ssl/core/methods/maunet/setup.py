"""What does not change during a training, and the questions that are asked of the networks along the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import Frame, load_frames
from napari_cellseg_ssl.core.learning.going_on import as_large
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, hold_out, judge, within_area
from napari_cellseg_ssl.core.methods.maunet import judging, networks
from napari_cellseg_ssl.core.methods.maunet.learner import PRETRAINED, Learner
from napari_cellseg_ssl.core.methods.maunet.options import NONE, ONE, MaunetOptions, MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Sampler
from napari_cellseg_ssl.core.nets.detector_encoder import is_detector
from napari_cellseg_ssl.core.torch_tools.weights import start_from

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport
    from napari_cellseg_ssl.core.training_set import TrainingSet

TRAINING_SHARE = 0.97
"""Of a time budget; the rest is for choosing thresholds."""
QUICKLY_JUDGED_PIXELS = 250_000
"""What is looked at while the training goes on or somebody waits."""
SAME = ("tag", "in_channels", "encoders", "depth", "width", "proxy", "distance")
"""What a model to start from has to share."""

BALANCED = MaunetSegmentOptions(outline_threshold=0.45)
"""Where cells and background count equally in the distance field, it makes cells too wide."""
WITHOUT_DISTANCE = MaunetSegmentOptions(watershed=ONE, outline_threshold=0.0)
"""How to make instances where there is no distance field."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training's data, networks and settings.

    Parameters
    ----------
    frames : tuple of Frame
        With everything that is known, what is held out included.
    judged : tuple of Judged
        What is held out.
    segment_options : MaunetSegmentOptions
        Where the search for thresholds starts.
    beginnings : tuple of str
        What the networks begin with, in words.
    """

    options: MaunetOptions
    run: Run
    architecture: Mapping[str, Any]
    intensity: Intensity
    frames: tuple[Frame, ...]
    judged: tuple[Judged, ...]
    learner: Learner
    sampler: Sampler
    segment_options: MaunetSegmentOptions
    beginnings: tuple[str, ...]

    def done(self) -> float:
        """Share of the training that is done."""
        done = self.run.fraction(self.learner.step, self.options.steps)
        return min(1.0, done / TRAINING_SHARE) if self.run.time_budget else done

    def painted(self, pixels: int) -> tuple[Judged, ...]:
        """Everything to judge by, learned from or held out, up to so many pixels."""
        return within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)

    @property
    def goes_on(self) -> bool:
        """Whether a trained model of this method learns on."""
        return self.run.start_from is not None and not is_detector(self.run.start_from)

    @property
    def result(self) -> nn.ModuleList:
        """The averaged networks as they are now, those that predict."""
        return self.learner.average[: len(self.architecture["encoders"])]

    def predictor(self, nets: nn.ModuleList | None = None) -> networks.MaunetPredictor:
        """Wrap networks, by default the result as it is now."""
        return networks.MaunetPredictor(self.result if nets is None else nets, self.architecture, self.run.device)

    def maps(self, judged: Sequence[Judged], nets: nn.ModuleList | None = None) -> list[judging.Maps]:
        """Predict each piece, by the statistics of what it shows."""
        predict = self.predictor(nets)
        found = [predict(one.pixels[None], networks.NOWHERE) for one in judged]
        return [judging.Maps(one["probability"][0], one["distance"][0, 0], one["ambiguity"][0, 0]) for one in found]

    def search(self, judged: Sequence[Judged], nets: nn.ModuleList | None = None) -> tuple[MaunetSegmentOptions, Score]:
        """Find out quickly how good the networks are, with the best of a few thresholds."""
        return judging.search_thresholds(self.maps(judged, nets), judged, self.segment_options, quick=True)


def prepare(data: TrainingSet, options: MaunetOptions, run: Run) -> Setup:
    """Load images, hold some of the annotation out, build the networks.

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
    beginning = ""
    if run.start_from and not is_detector(run.start_from):
        options, beginning = as_large(options, run.start_from, networks.sizes(run.start_from.architecture))
    described = networks.architecture(options, data.n_channels)
    nets, reports = _networks(described, options, run)
    learner = Learner(nets, options, device=run.device, seed=run.seed, is_pretrained=_is_pretrained(options, run))
    if run.resume:
        learner.restore(run.resume.step, run.resume.arrays, run.resume.meta)
    return Setup(
        options=options,
        run=run,
        architecture=described,
        intensity=intensity,
        frames=frames,
        judged=within_area(judged, QUICKLY_JUDGED_PIXELS),
        learner=learner,
        sampler=Sampler(learning, options),
        segment_options=_first_guess(options),
        beginnings=(*([beginning] if beginning else []), *(str(report) for report in reports)),
    )


def _first_guess(options: MaunetOptions) -> MaunetSegmentOptions:
    if not options.distance:
        return WITHOUT_DISTANCE
    return BALANCED if options.balanced_distance else MaunetSegmentOptions()


def _is_pretrained(options: MaunetOptions, run: Run) -> bool:
    """Whether the encoders begin with weights from elsewhere, or did when the run that is resumed began."""
    was_pretrained = bool(run.resume and run.resume.meta.get(PRETRAINED))
    return was_pretrained or options.encoder_weights != NONE or is_detector(run.start_from)


def _networks(described: Mapping[str, Any], options: MaunetOptions, run: Run) -> tuple[nn.ModuleList, list[LoadReport]]:
    """Build what learns, and say what its encoders begin with."""
    nets = networks.build(described)
    has_own = bool(run.start_from or run.resume)
    reports = networks.load_encoders(nets, described, NONE if has_own else options.encoder_weights)
    if run.start_from and is_detector(run.start_from):
        reports = networks.begin_with_detector(nets, described, run.start_from)
    elif run.start_from:
        start_from(nets, run.start_from, {key: described[key] for key in SAME})
    if options.consistency > 0 and len(nets) == 1:  # one to agree with, of the same design, which predicts nothing
        twin = networks.build(described)
        networks.load_encoders(twin, described, NONE if run.resume else options.encoder_weights)
        if run.start_from and is_detector(run.start_from):
            networks.begin_with_detector(twin, described, run.start_from)
        nets.extend(twin)
    return nets, reports
