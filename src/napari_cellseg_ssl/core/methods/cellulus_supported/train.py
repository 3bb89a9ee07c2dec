"""The training from end to end: Cellulus, pseudo-labels, the supported network, thresholds.

Wolf et al., "Unsupervised Learning of Object-Centric Embeddings for Cell Instance Segmentation in Microscopy Images",
ICCV 2023, section 4.2 and appendix B. The package's `__init__` lists what differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cellulus_supported import messages, network
from napari_cellseg_ssl.core.methods.cellulus_supported.crops import Crops
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import PHASE, given_guide, packed, propose, train_guide
from napari_cellseg_ssl.core.methods.cellulus_supported.losses import PSEUDO, SPARSE, losses_of
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import Proposal, pseudo_labelled
from napari_cellseg_ssl.core.methods.cellulus_supported.validation import rough_score
from napari_cellseg_ssl.core.methods.events import Checkpoint, Note, TrainEvent
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.averaging import share_of_the_work
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.frames import Frame, load_frames
from napari_cellseg_ssl.core.training.held_out import Judged, hold_out, within_area
from napari_cellseg_ssl.core.training.rates import CONTINUED_SHARE, dropped_rate, learning_rate
from napari_cellseg_ssl.core.training.weights import start_from

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.nets.star_unet import StarUNet

VALIDATIONS = 10
QUICKLY_JUDGED_PIXELS = 250_000
"""What is looked at while the training goes on or somebody waits."""
FEWEST_TO_HOLD_OUT = 10
"""Painted cells, from which on a fifth of them is kept for validation."""
PLENTY_OF_CELLS = 500
"""Painted ones, from which on pseudo-labels cost more time than they are worth."""
ENOUGH_CELLS = 20
"""Painted ones, from which on the last steps need no pseudo-labels."""
PROPOSING_SHARE = 0.2
"""Of the time that is left after Cellulus; images that are not reached give no pseudo-labels."""
PART = 256
"""Side, px, of what is used of a frame that has no painted cell."""
PAPER_DROPS = (0.15, 0.4, 0.8)
"""Shares of the work after which the paper divides its rate by ten: epochs 30, 80 and 160 of 200."""


class SupportedLearning(Training):
    """Train on painted cells, if any, and on pseudo-labels, which the first part of the work makes.

    Attributes
    ----------
    frames, learning : tuple of Frame
        All that is known, and without what is held out.
    judged : tuple of Judged
        What is held out.
    guide : ModelBundle or None
        The Cellulus model; it becomes known on the way, and so do the proposals and pseudo-labels that come from it.

    Raises
    ------
    WrongRun
        If `run.start_from` does not fit.
    """

    options: SupportedOptions
    net: StarUNet
    training_share = 0.95
    phase = "supported"
    net_prefix = "student."

    def __init__(self, data: TrainingSet, options: SupportedOptions, run: Run) -> None:
        import torch

        self.data, self.architecture = data, network.architecture(options, data.n_channels)
        net = network.build(self.architecture)
        parent = run.start_from
        self.goes_on = parent is not None and parent.architecture.get("tag") == network.TAG
        if parent and self.goes_on:
            start_from(net, parent, self.architecture)
        super().__init__(options, run, net, average=share_of_the_work(options.average_half_life), keeps_best=False)
        self.optimisers["optimiser."] = torch.optim.AdamW(
            self.net.parameters(), lr=options.rate, weight_decay=options.weight_decay
        )
        self.frames = load_frames(data, self.intensity, options.working_diameter, run.seed)
        holds_out = data.n_cells >= FEWEST_TO_HOLD_OUT
        self.learning, judged = hold_out(self.frames, run.seed) if holds_out else (self.frames, ())
        self.judged = within_area(judged, QUICKLY_JUDGED_PIXELS)
        self.validations = VALIDATIONS if self.judged else 0
        self.guide: ModelBundle | None = None
        self.proposals: tuple[Proposal, ...] = ()
        self.pseudo_labelled: tuple[Frame, ...] = ()

    @property
    def n_painted(self) -> int:
        """Painted cells that are learned from."""
        return sum(len(frame.cell_ids) for frame in self.learning)

    @property
    def wants_guide(self) -> bool:
        """Whether there are pseudo-labels to learn from: always, where nothing is painted, never where all is."""
        if self.options.falling_alpha and self.n_painted >= PLENTY_OF_CELLS:
            return False
        return self.options.alpha > 0 or not any(frame.has_labels for frame in self.learning)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Take the Cellulus model that there is, or train one; then make pseudo-labels."""
        if self.wants_guide:
            self.guide = given_guide(self.run, self.data.n_channels) or (yield from self._trained_guide())
            if self.guide is None:
                return False
            yield from self._label(self.guide)
        elif self.options.alpha > 0:
            yield self.note(messages.enough_painted(self.n_painted))
        if self.step == 0:
            self.begun = self.done()
        frames = {SPARSE: self.learning, PSEUDO: self.pseudo_labelled}
        side = self.net.fitting_size(self.options.crop)
        self._parts = {
            name: Crops(some, side, self.options.pasted)
            for name, some in frames.items()
            if any(frame.has_labels for frame in some)
        }
        return True

    def _trained_guide(self) -> Generator[TrainEvent, None, ModelBundle | None]:
        options = self.options
        yield Note(messages.cellulus_first())
        steps = min(round(options.cellulus_share * options.steps), options.steps - 1)
        guide = yield from train_guide(
            self.data, options.cellulus_preset, self.run, steps=steps, share=options.cellulus_share
        )
        self.steps_before = guide.provenance.steps if guide else 0
        return guide

    def _label(self, guide: ModelBundle) -> Iterator[TrainEvent]:
        """Make pseudo-labels for as many frames as there is time for, those with painted cells first."""
        run, options, begun = self.run, self.options, self.done()
        latest = begun + PROPOSING_SHARE * (1 - begun)
        found = []
        rng = np.random.default_rng(run.seed)
        frames = (frame if frame.has_labels else _part(frame, rng) for frame in self.learning)
        for one in propose(guide, frames, options.working_diameter, run.device, run.should_stop):
            found.append(one)
            if run.time_budget and self.done() > latest:
                break
        self.proposals = tuple(found)
        self.pseudo_labelled = pseudo_labelled(
            found, options.pseudo_labels, options.agreement, options.working_diameter
        )
        text = f"Pseudo-labels ({options.pseudo_labels}) for {len(found)} of {len(self.learning)} images."
        yield self.note(text)

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step."""
        if self.options.schedule == "steps":
            return dropped_rate(self.options.rate, progress.done, PAPER_DROPS)
        peak = self.options.rate * (CONTINUED_SHARE if self.goes_on else 1.0)
        return learning_rate(peak, progress.step, progress.done)

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step; returns the losses of the parts that were seen, not weighted."""
        alpha, optimiser = self._alpha(progress.done), self.optimisers["optimiser."]
        weights = {SPARSE: 1 - alpha, PSEUDO: alpha} if len(self._parts) > 1 else dict.fromkeys(self._parts, 1.0)
        losses = losses_of(self.net, self._parts, weights, self.options, device=self.run.device, rng=self.rng)
        optimiser.zero_grad(set_to_none=True)
        sum(weights[name] * loss for name, loss in losses.items()).backward()
        optimiser.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _alpha(self, done: float) -> float:
        """Share of the pseudo-labels now; it falls the more, the more cells are painted, since those have no errors."""
        options = self.options
        if not options.falling_alpha:
            return options.alpha
        return options.alpha * (1 - done * min(1.0, self.n_painted / ENOUGH_CELLS))

    def validate(self) -> dict[str, float]:
        """Score held-out cells."""
        found = rough_score(self.maps(self.judged), self.judged, self.options.working_diameter)
        return {"f1": found.f1, "iou": found.iou}

    def predictor(self) -> network.SupportedPredictor:
        """Make a predictor of the averaged network as it is now; it moves on with the next step."""
        return network.SupportedPredictor(self.result, self.architecture, self.run.device)

    def maps(self, judged: Sequence[Judged]) -> list[Mapping[str, Array]]:
        """Predict what is judged, each mirrored at its edges by as much as the network wants to see."""
        predict, halo = self.predictor(), self.net.halo
        inner = (..., slice(halo, -halo), slice(halo, -halo))
        around = ((0, 0), (halo, halo), (halo, halo))
        maps: list[Mapping[str, Array]] = []
        for one in judged:
            found = predict(np.pad(one.pixels, around, mode="symmetric")[None], np.zeros((1, 2), int))
            maps.append({name: values[0][inner] for name, values in found.items()})
        return maps

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on, the Cellulus model too."""
        arrays, state = super().state()
        guide, record = packed(self.guide) if self.guide else ({}, None)
        return arrays | guide, {**state, "guide": record, "guide_steps": self.steps_before, "begun": self.begun}

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on; the Cellulus model is taken in `begin`."""
        self.steps_before, self.begun = int(state["guide_steps"]), float(state["begun"])
        super().load_state(arrays, state)

    def resume(self, checkpoint: Checkpoint) -> bool:
        """Go on where an interrupted training was; where that was in Cellulus, Cellulus goes on in `begin`."""
        return checkpoint.meta.get("phase") != PHASE and super().resume(checkpoint)


def _part(frame: Frame, rng: np.random.Generator) -> Frame:
    """Cut a window out of a frame: parts of many images teach more than one large image as a whole."""
    corner = [int(rng.integers(max(1, size - PART + 1))) for size in frame.known.shape]
    window = tuple(slice(at, at + PART) for at in corner)
    return Frame(pixels=frame.pixels[(slice(None), *window)], cells=frame.cells[window], known=frame.known[window])
