"""What a training works with: images cut and rescaled, the network, and where an interrupted training was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.events import Checkpoint, Note
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import Frame, load_frames
from napari_cellseg_ssl.core.learning.held_out import Judged, hold_out, within_area
from napari_cellseg_ssl.core.methods.cellulus_supported import networks
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import PHASE, packed
from napari_cellseg_ssl.core.methods.cellulus_supported.learner import Learner
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import Proposal
from napari_cellseg_ssl.core.torch_tools.weights import start_from

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

TRAINING_SHARE = 0.95
"""Of a time budget; the rest is for choosing thresholds."""
FEWEST_TO_HOLD_OUT = 10
"""Painted cells, from which on a fifth of them is kept to judge by."""
PLENTY_OF_CELLS = 500
"""Painted ones, from which on pseudo-labels cost more time than they are worth."""
QUICKLY_JUDGED_PIXELS = 250_000


@dataclass(kw_only=True)
class Setup:
    """What a training works with; `guide` and what comes after it become known on the way."""

    options: SupportedOptions
    run: Run
    architecture: dict[str, Any]
    intensity: Intensity
    frames: tuple[Frame, ...]
    learning: tuple[Frame, ...]
    """The frames without what is held out."""
    judged: tuple[Judged, ...]
    learner: Learner
    guide: ModelBundle | None = None
    guide_steps: int = 0
    begun: float = 0.0
    """Share of the work that was done when the network began to learn."""
    proposals: tuple[Proposal, ...] = ()
    pseudo_labelled: tuple[Frame, ...] = ()
    notes: tuple[str, ...] = ()

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

    @property
    def step(self) -> int:
        """Steps so far, those of Cellulus included."""
        return self.guide_steps + self.learner.step

    def done(self) -> float:
        """Share of the whole work that is done."""
        share = TRAINING_SHARE if self.run.time_budget else 1.0
        return min(1.0, self.run.fraction(self.step, self.options.steps) / share)

    def learned(self) -> float:
        """Share of the network's learning that is done."""
        return min(1.0, (self.done() - self.begun) / max(1e-9, 1.0 - self.begun))

    def predictor(self) -> networks.SupportedPredictor:
        """Make a predictor of the averaged network as it is now; it moves on with the next step."""
        return networks.SupportedPredictor(self.learner.average, self.architecture, self.run.device)

    def maps(self, judged: Sequence[Judged]) -> list[Mapping[str, Array]]:
        """Predict what is judged, each mirrored at its edges by as much as the network wants to see."""
        predict, halo = self.predictor(), self.learner.net.halo
        inner = (..., slice(halo, -halo), slice(halo, -halo))
        around = ((0, 0), (halo, halo), (halo, halo))
        maps: list[Mapping[str, Array]] = []
        for one in judged:
            found = predict(np.pad(one.pixels, around, mode="symmetric")[None], np.zeros((1, 2), int))
            maps.append({name: values[0][inner] for name, values in found.items()})
        return maps

    def checkpoint(self) -> Checkpoint:
        """Collect all that is needed to go on from here."""
        arrays, record = packed(self.guide) if self.guide else ({}, None)
        meta = {"guide": record, "guide_steps": self.guide_steps, "begun": self.begun, **self.learner.state()}
        return Checkpoint(self.step, {**arrays, **self.learner.arrays()}, meta)

    def note(self, text: str) -> Note:
        """Make a note that is kept with the model too."""
        self.notes = (*self.notes, text)
        return Note(text)


def prepare(data: TrainingSet, options: SupportedOptions, run: Run) -> Setup:
    """Cut images, hold some painted cells out, make the network or take the given one.

    Raises
    ------
    WrongRun
        If `run.start_from` or `run.resume` do not fit.
    """
    import torch

    described = networks.architecture(options, data.n_channels)
    with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
        torch.manual_seed(run.seed)
        net = networks.build(described)
    if run.start_from and run.start_from.architecture.get("tag") == networks.TAG:
        start_from(net, run.start_from, described)
    intensity = run.start_from.intensity if run.start_from else Intensity()
    frames = load_frames(data, intensity, options.working_diameter, run.seed)
    learning, judged = hold_out(frames, run.seed) if data.n_cells >= FEWEST_TO_HOLD_OUT else (frames, ())
    setup = Setup(
        options=options,
        run=run,
        architecture=described,
        intensity=intensity,
        frames=frames,
        learning=learning,
        judged=within_area(judged, QUICKLY_JUDGED_PIXELS),
        learner=Learner(net, options, device=run.device, seed=run.seed),
    )
    if run.resume and run.resume.meta.get("phase") != PHASE:
        _restore(setup, run.resume)
    return setup


def _restore(setup: Setup, checkpoint: Checkpoint) -> None:
    state: Any = checkpoint.meta
    try:
        setup.guide_steps, setup.begun = int(state["guide_steps"]), float(state["begun"])
        setup.learner.restore(checkpoint.step - setup.guide_steps, checkpoint.arrays, state)
    except (KeyError, TypeError, ValueError) as problem:
        raise WrongRun(f"The checkpoint is damaged ({problem!r}).", "Start the training again.") from problem
