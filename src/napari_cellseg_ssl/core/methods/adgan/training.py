"""The training of AD-GAN: events around the steps of its learner."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
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
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.adgan.greys import CHANNEL_WEIGHTS, greys_for
from napari_cellseg_ssl.core.methods.adgan.learner import Learner
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions, AdganSegmentOptions
from napari_cellseg_ssl.core.methods.adgan.prediction import TAG, AdganPredictor, build
from napari_cellseg_ssl.core.methods.adgan.prior import LOOKED_AT, mask_prior
from napari_cellseg_ssl.core.torch_tools.crops import CropFrame, CropSampler
from napari_cellseg_ssl.core.torch_tools.steps import Every
from napari_cellseg_ssl.core.torch_tools.teacher import make_teacher
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
STEPS_PER_ROW = 10
CONSTANT = 0.5
"""Share of the work after which the rate falls, in a straight line, to zero."""


def train(data: TrainingSet, options: AdganOptions, run: Run) -> Iterator[TrainEvent]:
    """Train on images alone; see `Method.train`.

    Raises
    ------
    WrongOption
        If crops are too small for the discriminator.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    intensity = run.start_from.intensity if run.start_from else Intensity()
    learner, architecture = _prepare(data, options, run, intensity)
    reason = yield from _optimise(learner, options, run)
    yield TrainFinished(_bundle(learner, run, architecture, intensity, reason), reason)


def _prepare(data: TrainingSet, options: AdganOptions, run: Run, intensity: Intensity) -> tuple[Learner, dict[str, Any]]:
    import torch

    from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator

    ndim = len(data.items[0].image.spatial_shape)
    shape = (options.crop,) * ndim
    sampler = CropSampler(
        _frames(data, options, intensity), side=options.crop, intensity=intensity, candidates=options.candidates
    )
    looked_at = sampler.draw(np.random.default_rng(run.seed), LOOKED_AT)
    greys = greys_for(looked_at, polarity=options.polarity, gamma=options.gamma)
    architecture = {
        "tag": TAG,
        "in_channels": data.n_channels,
        "spatial_ndim": ndim,
        "width": options.width,
        "blocks": options.blocks,
        "upsampling": options.upsampling,
        "objects_are_dark": greys.is_dark,
        "gamma": greys.gamma,
    }
    with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
        torch.manual_seed(run.seed)
        net = build(architecture)
        discriminator = DomainDiscriminator(width=options.width, patch=shape)
    if run.start_from:
        _start_from(net, run.start_from, architecture)
    net.to(run.device).train()
    learner = Learner(
        options=options,
        net=net,
        average=make_teacher(net),
        discriminator=discriminator.to(run.device),
        rng=np.random.default_rng(run.seed),
        sampler=sampler,
        greys=greys,
        prior=mask_prior(options, greys(looked_at)),
        shape=shape,
        device=run.device,
    )
    if run.resume:
        learner.restore(run.resume)
    return learner, architecture


def _frames(data: TrainingSet, options: AdganOptions, intensity: Intensity) -> list[CropFrame]:
    return [
        CropFrame(pixels=frame, limits=intensity.limits(frame), scale=options.working_diameter / item.diameter)
        for item in data.items
        for frame in item.image.frames
    ]


def _start_from(net: Any, parent: ModelBundle, architecture: Mapping[str, Any]) -> None:
    for key, value in architecture.items():
        if parent.architecture.get(key) != value:
            raise WrongRun(
                f"Model '{parent.name}' has {key} {parent.architecture.get(key)}, this training {value}.",
                "Choose the same preset and channels, or start from no model.",
            )
    load_weights(net, parent.weights)


def _optimise(learner: Learner, options: AdganOptions, run: Run) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    while (done := run.fraction(learner.step, options.steps)) < 1.0:
        if run.should_stop():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
            return "stopped"
        rate = options.rate * min(1.0, (1 - done) / (1 - CONSTANT))
        losses = learner.learn(rate)
        learner.history.append({"step": learner.step, **losses, "rate": rate})
        yield Step(learner.step, done, losses, rate)
        if snapshot.is_due():
            yield Snapshot(learner.step, predictor_of(learner))
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "completed"


def predictor_of(learner: Learner) -> AdganPredictor:
    """Make a predictor of the average as it is now; it moves on with the next step."""
    return AdganPredictor(
        learner.average,
        learner.greys,
        working_diameter=learner.options.working_diameter,
        device=learner.device,
    )


def _bundle(
    learner: Learner, run: Run, architecture: Mapping[str, Any], intensity: Intensity, reason: Reason
) -> ModelBundle:
    return ModelBundle(
        name="adgan",
        method_id="adgan",
        train_options=learner.options,
        segment_options=AdganSegmentOptions(),
        architecture=architecture,
        intensity=intensity,
        weights={**weights_of(learner.average), CHANNEL_WEIGHTS: learner.greys.weights},
        provenance=Provenance(
            seed=run.seed,
            device=run.device,
            steps=learner.step,
            seconds=run.elapsed(),
            reason=reason,
            parent=run.start_from.id if run.start_from else "",
        ),
        history=tuple(learner.history[::STEPS_PER_ROW]),
    )
