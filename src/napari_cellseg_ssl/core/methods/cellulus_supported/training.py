"""The training from end to end: Cellulus, pseudo-labels, the supported network, thresholds.

Wolf et al., "Unsupervised Learning of Object-Centric Embeddings for Cell Instance Segmentation in Microscopy Images",
ICCV 2023, section 4.2 and appendix B. The package's `__init__` lists what differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.events import Note, Reason, Snapshot, Started, Step, TrainEvent, Validated
from napari_cellseg_ssl.core.learning.frames import Frame
from napari_cellseg_ssl.core.methods.cellulus.embeddings import TAG as CELLULUS_TAG
from napari_cellseg_ssl.core.methods.cellulus_supported.crops import Crops
from napari_cellseg_ssl.core.methods.cellulus_supported.finishing import finish
from napari_cellseg_ssl.core.methods.cellulus_supported.guide import propose, train_guide, unpacked
from napari_cellseg_ssl.core.methods.cellulus_supported.judging import rough_score
from napari_cellseg_ssl.core.methods.cellulus_supported.learner import PSEUDO, SPARSE
from napari_cellseg_ssl.core.methods.cellulus_supported.networks import TAG
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import pseudo_labelled
from napari_cellseg_ssl.core.methods.cellulus_supported.setup import Setup, prepare
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
VALIDATIONS = 10
PROPOSING_SHARE = 0.2
"""Of the time that is left after Cellulus; images that are not reached give no pseudo-labels."""
PART = 256
"""Side, px, of what is used of a frame that has no painted cell."""
ENOUGH_CELLS = 20
"""Painted ones, from which on the last steps need no pseudo-labels."""
CONTINUED_SHARE = 1 / 3
"""Of the learning rate, when a trained model learns on."""
PAPER_DROPS = (0.15, 0.4, 0.8)
"""Shares of the work after which the paper divides its rate by ten: epochs 30, 80 and 160 of 200."""


def train(data: TrainingSet, options: SupportedOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on painted cells, if any, and on pseudo-labels; see `Method.train`.

    Raises
    ------
    WrongRun
        If `run.start_from` or `run.resume` do not fit.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    setup = prepare(data, options, run)
    reason: Reason = "stopped"
    if setup.wants_guide:
        setup.guide = yield from _guide(setup, data)
    elif options.alpha > 0:
        yield setup.note(f"{setup.n_painted} cells are painted: nothing else needs to be learned from.")
    if setup.guide or not setup.wants_guide:
        yield from _label(setup)
        if setup.learner.step == 0:
            setup.begun = setup.done()
        reason = yield from _optimise(setup)
    yield from finish(setup, reason)


def _guide(setup: Setup, data: TrainingSet) -> Generator[TrainEvent, None, ModelBundle | None]:
    """Take the Cellulus model that there is, or train one; None after a stop."""
    run, options = setup.run, setup.options
    given = _given_guide(run)
    if given is not None:
        if given.architecture["in_channels"] != data.n_channels:
            raise WrongRun(
                f"The Cellulus model expects {given.architecture['in_channels']} channel(s), not {data.n_channels}.",
                "Start from a run on the same kind of images.",
            )
        return given
    yield Note("Cellulus learns first, from the images alone.")
    steps = min(round(options.cellulus_share * options.steps), options.steps - 1)
    guide = yield from train_guide(data, options.cellulus_preset, run, steps=steps, share=options.cellulus_share)
    if guide is not None:
        setup.guide_steps = guide.provenance.steps
    return guide


def _given_guide(run: Run) -> ModelBundle | None:
    """Return the Cellulus model of the interrupted training, or that of the model to start from."""
    if run.resume:
        record: Any = run.resume.meta.get("guide")
        return unpacked(run.resume.arrays, record) if record else None
    parent = run.start_from
    if parent is None or parent.architecture.get("tag") == CELLULUS_TAG:
        return parent
    record = parent.architecture.get("cellulus")
    return unpacked(parent.weights, record) if record else None


def _label(setup: Setup) -> Iterator[TrainEvent]:
    """Make pseudo-labels for as many frames as there is time for, those with painted cells first."""
    if setup.guide is None:
        return
    run, options, begun = setup.run, setup.options, setup.done()
    latest = begun + PROPOSING_SHARE * (1 - begun)
    found = []
    rng = np.random.default_rng(run.seed)
    frames = (frame if frame.has_labels else _part(frame, rng) for frame in setup.learning)
    for one in propose(setup.guide, frames, options.working_diameter, run.device, run.should_stop):
        found.append(one)
        if run.time_budget and setup.done() > latest:
            break
    setup.proposals = tuple(found)
    setup.pseudo_labelled = pseudo_labelled(found, options.pseudo_labels, options.agreement, options.working_diameter)
    yield setup.note(f"Pseudo-labels ({options.pseudo_labels}) for {len(found)} of {len(setup.learning)} images.")


def _part(frame: Frame, rng: np.random.Generator) -> Frame:
    """Cut a window out of a frame: parts of many images teach more than one large image as a whole."""
    corner = [int(rng.integers(max(1, size - PART + 1))) for size in frame.known.shape]
    window = tuple(slice(at, at + PART) for at in corner)
    return Frame(pixels=frame.pixels[(slice(None), *window)], cells=frame.cells[window], known=frame.known[window])


def _parts(setup: Setup) -> dict[str, Crops]:
    """Where the crops of a batch come from: painted pixels, pseudo-labels."""
    side, pasted = setup.learner.side, setup.options.pasted
    frames = {SPARSE: setup.learning, PSEUDO: setup.pseudo_labelled}
    return {name: Crops(some, side, pasted) for name, some in frames.items() if any(f.has_labels for f in some)}


def _alpha(setup: Setup, done: float) -> float:
    """Share of the pseudo-labels now; it falls the more, the more cells are painted, since those have no errors."""
    options = setup.options
    if not options.falling_alpha:
        return options.alpha
    return options.alpha * (1 - done * min(1.0, setup.n_painted / ENOUGH_CELLS))


def _optimise(setup: Setup) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    learner, run = setup.learner, setup.run
    parts = _parts(setup)
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    best, validated = 0.0, int(setup.learned() * VALIDATIONS)
    while (done := setup.learned()) < 1.0:
        if run.should_stop():
            yield setup.checkpoint()
            return "stopped"
        rate = _rate(setup, done)
        losses = learner.learn(parts, _alpha(setup, done), rate, done)
        yield Step(setup.step, setup.done(), losses, rate, "supported")
        if setup.judged and int(done * VALIDATIONS) > validated:
            validated = int(done * VALIDATIONS)
            found = rough_score(setup.maps(setup.judged), setup.judged, setup.options.working_diameter)
            yield Validated(setup.step, {"f1": found.f1, "iou": found.iou}, found.f1 >= best)
            best = max(best, found.f1)
        if snapshot.is_due():
            yield Snapshot(setup.step, setup.predictor())
        if checkpoint.is_due():
            yield setup.checkpoint()
    return "completed"


def _rate(setup: Setup, done: float) -> float:
    options = setup.options
    if options.schedule == "steps":
        return options.rate * 0.1 ** sum(done >= drop for drop in PAPER_DROPS)
    parent = setup.run.start_from
    is_continued = parent is not None and parent.architecture.get("tag") == TAG
    return learning_rate(options.rate * (CONTINUED_SHARE if is_continued else 1.0), setup.learner.step, done)
