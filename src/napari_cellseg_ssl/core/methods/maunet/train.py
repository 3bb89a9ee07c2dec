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

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.events import TrainEvent
from napari_cellseg_ssl.core.methods.maunet import messages, network, validation
from napari_cellseg_ssl.core.methods.maunet.losses import Losses
from napari_cellseg_ssl.core.methods.maunet.options import NONE, ONE, STAIRS, MaunetOptions, MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Sampler
from napari_cellseg_ssl.core.nets.detector_encoder import is_detector
from napari_cellseg_ssl.core.nets.names import AT_RANDOM
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.averaging import share_of_the_work
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.frames import load_frames
from napari_cellseg_ssl.core.training.held_out import Judged, Score, hold_out, judge, within_area
from napari_cellseg_ssl.core.training.rates import CONTINUED_SHARE, learning_rate
from napari_cellseg_ssl.core.training.warm_start import as_large
from napari_cellseg_ssl.core.training.weights import start_from

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport

VALIDATIONS = 20
STAIR, N_STAIRS = 0.95, 100
QUICKLY_JUDGED_PIXELS = 250_000
"""What is looked at while the training goes on."""
SAME = ("tag", "in_channels", "encoders", "depth", "width", "proxy", "distance")
"""What a model to start from has to share."""
PRETRAINED = "pretrained"
"""In a checkpoint: whether the encoders began with weights from elsewhere."""

BALANCED = MaunetSegmentOptions(outline_threshold=0.45)
"""Where cells and background count equally in the distance field, it makes cells too wide."""
WITHOUT_DISTANCE = MaunetSegmentOptions(watershed=ONE, outline_threshold=0.0)
"""How to make instances where there is no distance field."""


class MaunetLearning(Training):
    """Train on painted pixels, and with consistency on others too.

    Attributes
    ----------
    frames : tuple of Frame
        With everything that is known, what is held out included.
    judged : tuple of Judged
        What is held out.
    segment_options : MaunetSegmentOptions
        Where the search for thresholds starts.
    beginnings : tuple of str
        What the networks begin with, in words.

    Raises
    ------
    WrongAnnotation
        If no cell is annotated.
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` belongs to another network.
    """

    options: MaunetOptions
    training_share = 0.97
    net_prefix = "learning."

    def __init__(self, data: TrainingSet, options: MaunetOptions, run: Run) -> None:
        from napari_cellseg_ssl.core.nets.resnet_encoder import FEWEST_CROPS, freeze_statistics

        if data.n_cells == 0:
            raise shared.no_cell_painted()
        sized = ""
        if run.start_from and not is_detector(run.start_from):
            options, sized = as_large(options, run.start_from, network.sizes(run.start_from.architecture))
        self.architecture: Mapping[str, Any] = network.architecture(options, data.n_channels)
        nets, reports = _networks(self.architecture, options, run)
        super().__init__(options, run, nets, average=share_of_the_work(options.average), keeps_best=False)
        self.beginnings = (*([sized] if sized else []), *(str(report) for report in reports))
        if not self.beginnings and run.start_from is None and run.resume is None:
            self.beginnings = (AT_RANDOM,)
        self.is_pretrained = _is_pretrained(options, run)
        if self.is_pretrained and options.batch < FEWEST_CROPS:
            for net in self.net:
                freeze_statistics(net.encoder)
        self.optimisers["optimiser."] = self._optimiser(options.encoder_rate if self.is_pretrained else 1.0)
        self.frames = load_frames(data, self.intensity, options.working_diameter, run.seed)
        learning, judged = hold_out(self.frames, run.seed)
        self.judged = within_area(judged, QUICKLY_JUDGED_PIXELS)
        self.validations = VALIDATIONS if self.judged else 0
        self.losses = Losses(Sampler(learning, options), options, run.device)
        self.segment_options = _first_guess(options)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what is annotated and what would help."""
        for text in messages.before(self.frames, self.judged, self.beginnings, agree=self.options.consistency > 0):
            yield self.note(text)
        return True

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step."""
        peak = self.options.rate * (CONTINUED_SHARE if self.goes_on else 1.0)
        if self.options.schedule == STAIRS:
            return float(peak * STAIR ** int(progress.done * N_STAIRS))
        return learning_rate(peak, progress.step, progress.done)

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step; returns the losses, means over the networks."""
        losses, optimiser = self.losses(self.net, self.rng), self.optimisers["optimiser."]
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimiser.step()
        return {name: float(loss.detach()) / len(self.net) for name, loss in losses.items()}

    def validate(self) -> dict[str, float]:
        """Score held-out cells."""
        found = self.search(self.judged)[1]
        return {"f1": found.f1, "iou": found.iou}

    @property
    def goes_on(self) -> bool:
        """Whether a trained model of this method learns on."""
        return self.run.start_from is not None and not is_detector(self.run.start_from)

    @property
    def result(self) -> nn.ModuleList:
        """The averaged networks as they are now, those that predict."""
        return super().result[: len(self.architecture["encoders"])]

    def predictor(self, nets: nn.ModuleList | None = None) -> network.MaunetPredictor:
        """Wrap networks, by default the result as it is now."""
        return network.MaunetPredictor(self.result if nets is None else nets, self.architecture, self.run.device)

    def painted(self, pixels: int) -> tuple[Judged, ...]:
        """Everything to validate on, learned from or held out, up to so many pixels."""
        return within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)

    def maps(self, judged: Sequence[Judged], nets: nn.ModuleList | None = None) -> list[validation.Maps]:
        """Predict each piece, by the statistics of what it shows."""
        predict = self.predictor(nets)
        found = [predict(one.pixels[None], network.NOWHERE) for one in judged]
        return [validation.Maps(one["probability"][0], one["distance"][0, 0], one["ambiguity"][0, 0]) for one in found]

    def search(self, judged: Sequence[Judged], nets: nn.ModuleList | None = None) -> tuple[MaunetSegmentOptions, Score]:
        """Find out quickly how good the networks are, with the best of a few thresholds."""
        return validation.search_thresholds(self.maps(judged, nets), judged, self.segment_options, quick=True)

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on, and how the encoders began."""
        arrays, state = super().state()
        return arrays, {**state, PRETRAINED: self.is_pretrained}

    def _optimiser(self, encoder_share: float) -> Optimizer:
        import torch

        encoders = [p for net in self.net for p in net.encoder.parameters()]
        taken = {id(p) for p in encoders}
        others = [p for p in self.net.parameters() if id(p) not in taken]
        groups = [{"params": others, "share": 1.0}, {"params": encoders, "share": encoder_share}]
        return torch.optim.AdamW(groups, lr=1e-3, weight_decay=self.options.weight_decay)


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
    nets = network.build(described)
    has_own = bool(run.start_from or run.resume)
    reports = network.load_encoders(nets, described, NONE if has_own else options.encoder_weights)
    if run.start_from and is_detector(run.start_from):
        reports = network.begin_with_detector(nets, described, run.start_from)
    elif run.start_from:
        start_from(nets, run.start_from, {key: described[key] for key in SAME})
    if options.consistency > 0 and len(nets) == 1:  # one to agree with, of the same design, which predicts nothing
        twin = network.build(described)
        network.load_encoders(twin, described, NONE if run.resume else options.encoder_weights)
        if run.start_from and is_detector(run.start_from):
            network.begin_with_detector(twin, described, run.start_from)
        nets.extend(twin)
    return nets, reports
