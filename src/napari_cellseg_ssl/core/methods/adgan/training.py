"""The training of AD-GAN: events around the steps of its learner."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.events import (
    Checkpoint,
    Note,
    Reason,
    Snapshot,
    Started,
    Step,
    TrainEvent,
    TrainFinished,
    Validated,
)
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.adgan import advice
from napari_cellseg_ssl.core.methods.adgan.choosing import MOMENTS, BestMoment, Judge
from napari_cellseg_ssl.core.methods.adgan.greys import CHANNEL_WEIGHTS, Greys, greys_for, greys_of
from napari_cellseg_ssl.core.methods.adgan.learner import Learner
from napari_cellseg_ssl.core.methods.adgan.options import (
    AdganOptions,
    AdganSegmentOptions,
    crop_shape,
    segment_options,
)
from napari_cellseg_ssl.core.methods.adgan.prediction import TAG, AdganPredictor, build
from napari_cellseg_ssl.core.methods.adgan.prior import LOOKED_AT, mask_prior
from napari_cellseg_ssl.core.methods.adgan.synthesis import COVERAGE, draw_pair
from napari_cellseg_ssl.core.torch_tools.crops import CropSampler, crop_frames
from napari_cellseg_ssl.core.torch_tools.steps import Every
from napari_cellseg_ssl.core.torch_tools.teacher import make_teacher
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, start_from, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder
    from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator
    from napari_cellseg_ssl.core.synthetic_masks import SyntheticPair
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 3.0, 15.0
STEPS_PER_ROW = 10
CONSTANT = 0.5
"""Share of the work after which the rate falls, in a straight line, to zero."""
JUDGED_ON = 20210722
"""Seed of the fields to judge on: the same for every run on the same images."""
DRAWN = 1
"""Seed of the objects that are shown while training."""
WIDER, FIELDS = {2: 2, 3: 1}, {2: 12, 3: 4}
"""How many times wider than a crop a field is, and how many there are, by the number of spatial axes."""


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
    learner, judge, architecture = _prepare(data, options, run, intensity)
    best = BestMoment(judge)
    notes = advice.before(data, options, learner.prior, learner.greys)
    for text in notes:
        yield Note(text)
    if run.resume:
        learner.restore(run.resume)
        best.restore(run.resume)
    reason = yield from _optimise(learner, best, run)
    if best.last_step != learner.step:
        yield _judged(learner, best)
    reading, scores = _calibrated(learner, best) if reason == "completed" else (judge.options, best.scores)
    last_notes = advice.after(reading, scores)
    for text in last_notes:
        yield Note(text)
    provenance = Provenance(
        seed=run.seed,
        device=run.device,
        steps=learner.step,
        seconds=run.elapsed(),
        reason=reason,
        parent=run.start_from.id if run.start_from else "",
        scores={**scores, "chosen_step": float(best.step)},
        notes=(*notes, *last_notes),
    )
    yield TrainFinished(_bundle(learner, best, architecture, intensity, reading, provenance), reason)


def _prepare(
    data: TrainingSet, options: AdganOptions, run: Run, intensity: Intensity
) -> tuple[Learner, Judge, dict[str, Any]]:
    ndim = len(data.items[0].image.spatial_shape)
    frames, shape = crop_frames(data, intensity, options.working_diameter), crop_shape(options, ndim)
    sampler = CropSampler(frames, side=shape[-1], intensity=intensity, candidates=options.candidates)
    looked_at = sampler.draw(np.random.default_rng(run.seed), LOOKED_AT[ndim])
    greys = greys_for(looked_at, polarity=options.polarity, gamma=options.gamma)
    if run.start_from:
        greys = greys_of(run.start_from.architecture, run.start_from.weights)
    architecture = _architecture(data, options, greys)
    net, discriminator = _networks(options, run, architecture)
    learner = Learner(
        options=options,
        net=net,
        average=make_teacher(net),
        discriminator=discriminator,
        rng=np.random.default_rng(run.seed),
        sampler=sampler,
        greys=greys,
        prior=mask_prior(options, greys(looked_at)),
        shape=shape,
        device=run.device,
    )
    wide = CropSampler(frames, side=WIDER[ndim] * shape[-1], intensity=intensity)
    fields = greys(wide.draw(np.random.default_rng(JUDGED_ON), FIELDS[ndim]))
    return learner, Judge(fields=fields, prior=learner.prior, options=segment_options(options)), architecture


def _architecture(data: TrainingSet, options: AdganOptions, greys: Greys) -> dict[str, Any]:
    return {
        "tag": TAG,
        "in_channels": data.n_channels,
        "spatial_ndim": len(data.items[0].image.spatial_shape),
        "width": options.width,
        "blocks": options.blocks,
        "upsampling": options.upsampling,
        "domain_in_encoder": options.domain_in_encoder,
        "objects_are_dark": greys.is_dark,
        "gamma": greys.gamma,
    }


def _networks(
    options: AdganOptions, run: Run, architecture: Mapping[str, Any]
) -> tuple[AutoEncoder, DomainDiscriminator]:
    """Build both networks on the device, the first from the model to start from, if there is one."""
    import torch

    from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator

    with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
        torch.manual_seed(run.seed)
        net = build(architecture)
        discriminator = DomainDiscriminator(width=options.width, patch=crop_shape(options, net.ndim))
    if run.start_from:
        start_from(net, run.start_from, architecture)
    return net.to(run.device).train(), discriminator.to(run.device)


def _optimise(learner: Learner, best: BestMoment, run: Run) -> Generator[TrainEvent, None, Reason]:
    """Make steps until the work is done or somebody stops it; returns the reason for the end."""
    options = learner.options
    snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
    while (done := run.fraction(learner.step, options.steps)) < 1.0:
        if run.should_stop():
            yield _checkpoint(learner, best)
            return "stopped"
        rate = options.rate * min(1.0, (1 - done) / (1 - CONSTANT))
        losses = learner.learn(rate)
        learner.history.append({"step": learner.step, **losses, "rate": rate})
        yield Step(learner.step, done, losses, rate)
        if run.fraction(learner.step, options.steps) * MOMENTS >= best.judged + 1:
            yield _judged(learner, best)
        if snapshot.is_due():
            yield Snapshot(learner.step, predictor_of(learner), draw=lambda shape: _drawn(learner, shape))
        if checkpoint.is_due():
            yield _checkpoint(learner, best)
    return "completed"


def _judged(learner: Learner, best: BestMoment) -> Validated:
    found = best.consider(predictor_of(learner), weights_of(learner.average), learner.step)
    if learner.history:
        learner.history[-1].update(found.scores)
    return found


def _checkpoint(learner: Learner, best: BestMoment) -> Checkpoint:
    arrays, state = best.arrays(), best.state()
    return Checkpoint(learner.step, learner.arrays() | arrays, learner.state() | state)


def predictor_of(learner: Learner) -> AdganPredictor:
    """Make a predictor of the average as it is now; it moves on with the next step."""
    return AdganPredictor(
        learner.average,
        learner.greys,
        working_diameter=learner.options.working_diameter,
        device=learner.device,
    )


def _drawn(learner: Learner, shape: Sequence[int]) -> SyntheticPair:
    """Draw an image of objects that are always the same, so that one sees how it gets better."""
    rng = np.random.default_rng(DRAWN)
    return draw_pair(predictor_of(learner), learner.greys, learner.prior, shape, rng)


def _calibrated(learner: Learner, best: BestMoment) -> tuple[AdganSegmentOptions, Mapping[str, float]]:
    """Go back to the best moment, and search the threshold that suits it."""
    load_weights(learner.average, best.weights)
    return best.judge.calibrate(predictor_of(learner))


def _bundle(
    learner: Learner,
    best: BestMoment,
    architecture: Mapping[str, Any],
    intensity: Intensity,
    reading: AdganSegmentOptions,
    provenance: Provenance,
) -> ModelBundle:
    return ModelBundle(
        name="adgan",
        method_id="adgan",
        train_options=learner.options,
        segment_options=reading,
        architecture=architecture,
        intensity=intensity,
        weights={
            **best.weights,
            CHANNEL_WEIGHTS: learner.greys.weights,
            COVERAGE: np.array(learner.prior.coverage, np.float32),
        },
        provenance=provenance,
        history=tuple(row for row in learner.history if row["step"] % STEPS_PER_ROW == 1 or "quality" in row),
    )
