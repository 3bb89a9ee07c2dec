"""The training of Cellulus: crops, pairs, Adam; no labels anywhere."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.events import (
    Checkpoint,
    Note,
    Reason,
    Snapshot,
    Started,
    Step,
    TrainEvent,
    TrainFinished,
)
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.channels import main_mixture
from napari_cellseg_ssl.core.methods.cellulus.calibration import Calibration, calibrate
from napari_cellseg_ssl.core.methods.cellulus.embeddings import (
    CHANNEL_WEIGHTS,
    TAG,
    CellulusPredictor,
    build,
)
from napari_cellseg_ssl.core.methods.cellulus.loss import disc_shifts, lightness, offset_length, pair_loss, trivial_loss
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusOptions
from napari_cellseg_ssl.core.torch_tools.crops import CropSampler, crop_frames, random_brightness
from napari_cellseg_ssl.core.torch_tools.optimiser_state import optimiser_arrays, restore_optimiser
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate
from napari_cellseg_ssl.core.torch_tools.teacher import follow, make_teacher
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, start_from, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
AVERAGE_DECAY = 0.99
PAPER_DROPS = (0.4, 0.6)
"""Shares of the work after which the paper divides its rate by ten: epochs 20 and 30 of 50."""
STEPS_PER_ROW = 10
STEPS_TO_JUDGE, NOT_LEARNING = 150, 0.99
FEWEST_OBJECTS = 20
AVERAGE_PREFIX = "average."


@dataclass(kw_only=True)
class _Learner:
    """The parts that move: network, its average, optimiser, random numbers."""

    options: CellulusOptions
    net: CellulusUNet
    average: CellulusUNet
    optimiser: Any
    rng: np.random.Generator
    sampler: CropSampler
    device: str
    channel_weights: Array
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def learn(self, rate: float) -> dict[str, float]:
        """Make one step; returns the losses."""
        import torch

        options = self.options
        crops = random_brightness(self.sampler.draw(self.rng, options.batch), self.rng)
        every = disc_shifts(options.pair_distance, crops.ndim - 2)
        drawn = self.rng.choice(len(every), min(options.shifts, len(every)), replace=False)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        pixels = torch.from_numpy(crops).to(self.device)
        with torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=self.device.startswith("cuda")):
            offsets = self.net(pixels)
        offsets = offsets.float()
        pairs = pair_loss(
            offsets,
            tuple(every[i] for i in drawn),
            tau=options.temperature,
            sigma=options.penalty,
            weights=lightness(pixels, offsets, options.dark_pairs) if options.dark_pairs < 1 else None,
        )
        self.optimiser.zero_grad(set_to_none=True)
        (pairs + options.regularisation * offset_length(offsets)).backward()
        self.optimiser.step()
        # Early weights are far from the last ones: until 1 / (1 - decay) steps are done the memory is shorter.
        follow(self.average, self.net, min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step)))
        self.step += 1
        return {"pairs": float(pairs.detach())}

    def arrays(self) -> dict[str, Array]:
        averages = {AVERAGE_PREFIX + key: value for key, value in weights_of(self.average).items()}
        return {**weights_of(self.net), **averages, **optimiser_arrays(self.optimiser)}

    def state(self) -> dict[str, Any]:
        return {"random": copy.deepcopy(self.rng.bit_generator.state)}

    def predictor(self, seed: int) -> CellulusPredictor:
        """Make a predictor of the average as it is now; it moves on with the next step."""
        return CellulusPredictor(
            self.average,
            channel_weights=self.channel_weights,
            working_diameter=self.options.working_diameter,
            passes=self.options.passes,
            noise=self.options.noise,
            seed=seed,
            device=self.device,
        )


def train(data: TrainingSet, options: CellulusOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on images alone; see `Method.train`. What is painted chooses the bandwidth in the end.

    Raises
    ------
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    notes = _advice(data)
    for text in notes:
        yield Note(text)
    architecture = _architecture(data, options)
    intensity = run.start_from.intensity if run.start_from else Intensity()
    learner = _prepare(data, options, run, architecture, intensity)
    reason = yield from _optimise(learner, options, run)
    calibration = calibrate(data, learner.predictor(run.seed), intensity, run)
    for text in calibration.notes:
        yield Note(text)
    yield TrainFinished(_bundle(learner, run, architecture, intensity, reason, notes, calibration), reason)


def _architecture(data: TrainingSet, options: CellulusOptions) -> dict[str, Any]:
    return {
        "tag": TAG,
        "in_channels": data.n_channels,
        "spatial_ndims": len(data.items[0].image.spatial_shape),
        "width": options.width,
        "growth": options.growth,
        "last_width": options.last_width,
        "depth": options.depth,
    }


def _prepare(
    data: TrainingSet, options: CellulusOptions, run: Run, architecture: Mapping[str, Any], intensity: Intensity
) -> _Learner:
    import torch

    with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
        torch.manual_seed(run.seed)
        net = build(architecture)
    if run.start_from:
        start_from(net, run.start_from, architecture)
    frames = crop_frames(data, intensity, options.working_diameter)
    side = net.smallest_input(options.crop - net.context)
    net.to(run.device).train()
    learner = _Learner(
        options=options,
        net=net,
        average=make_teacher(net),
        optimiser=torch.optim.Adam(net.parameters(), lr=options.rate),
        rng=np.random.default_rng(run.seed),
        sampler=CropSampler(
            frames, side=side, intensity=intensity, jitter=options.scale_jitter, candidates=options.candidates
        ),
        device=run.device,
        channel_weights=np.ones(data.n_channels),
    )
    learner.channel_weights = main_mixture(learner.sampler.draw(np.random.default_rng(run.seed), 16))
    if run.resume:
        _restore(learner, run.resume)
    return learner


def _restore(learner: _Learner, checkpoint: Checkpoint) -> None:
    averages = {k.removeprefix(AVERAGE_PREFIX): v for k, v in checkpoint.arrays.items() if k.startswith(AVERAGE_PREFIX)}
    load_weights(learner.net, checkpoint.arrays)
    load_weights(learner.average, averages)
    restore_optimiser(learner.optimiser, checkpoint.arrays)
    learner.step = checkpoint.step
    try:
        state: Any = checkpoint.meta["random"]
        learner.rng.bit_generator.state = state
    except (KeyError, TypeError, ValueError) as problem:
        raise WrongRun("The checkpoint lacks the random state.", "Start the training again.") from problem


def _optimise(learner: _Learner, options: CellulusOptions, run: Run) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    every = disc_shifts(options.pair_distance, learner.net.ndim)
    trivial = trivial_loss(every, options.temperature, options.penalty)
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    while (done := run.fraction(learner.step, options.steps)) < 1.0:
        if run.should_stop():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
            return "stopped"
        rate = _rate(options, learner.step, done)
        losses = learner.learn(rate)
        losses["learnt"] = 1 - losses["pairs"] / trivial
        learner.history.append({"step": learner.step, **losses, "rate": rate})
        yield Step(learner.step, done, losses, rate)
        if learner.step == STEPS_TO_JUDGE and _mean_loss(learner) > NOT_LEARNING * trivial:
            yield Note("The loss has hardly moved yet: is the object diameter right, and do the images show cells?")
        if snapshot.is_due():
            yield Snapshot(learner.step, learner.predictor(run.seed))
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "completed"


def _rate(options: CellulusOptions, step: int, done: float) -> float:
    if options.schedule == "steps":
        return options.rate * 0.1 ** sum(done >= drop for drop in PAPER_DROPS)
    return learning_rate(options.rate, step, done)


def _mean_loss(learner: _Learner) -> float:
    return float(np.mean([row["pairs"] for row in learner.history[-50:]]))


def _advice(data: TrainingSet) -> tuple[str, ...]:
    """Say what will probably go wrong, before it does."""
    room = sum(
        len(item.image.frames) * np.prod([size / item.diameter for size in item.image.spatial_shape])
        for item in data.items
    )
    if room < FEWEST_OBJECTS:
        return (f"The images have room for only {room:.0f} objects; Cellulus learns better from more images.",)
    return ()


def _bundle(
    learner: _Learner,
    run: Run,
    architecture: Mapping[str, Any],
    intensity: Intensity,
    reason: Reason,
    notes: tuple[str, ...],
    calibration: Calibration,
) -> ModelBundle:
    return ModelBundle(
        name="cellulus",
        method_id="cellulus",
        train_options=learner.options,
        segment_options=calibration.options,
        architecture=architecture,
        intensity=intensity,
        weights={**weights_of(learner.average), CHANNEL_WEIGHTS: learner.channel_weights.astype(np.float32)},
        provenance=Provenance(
            seed=run.seed,
            device=run.device,
            steps=learner.step,
            seconds=run.elapsed(),
            reason=reason,
            parent=run.start_from.id if run.start_from else "",
            scores={**({"loss": _mean_loss(learner)} if learner.history else {}), **calibration.scores},
            notes=(*notes, *calibration.notes),
        ),
        history=tuple(learner.history[::STEPS_PER_ROW]),
    )
