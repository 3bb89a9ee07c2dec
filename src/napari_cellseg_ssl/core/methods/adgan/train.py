"""The training of AD-GAN: its data, its networks, and when it was best."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.adgan import messages
from napari_cellseg_ssl.core.methods.adgan.greys import CHANNEL_WEIGHTS, Greys, greys_for, greys_of
from napari_cellseg_ssl.core.methods.adgan.learner import Learner
from napari_cellseg_ssl.core.methods.adgan.model_selection import Judge
from napari_cellseg_ssl.core.methods.adgan.network import TAG, AdganPredictor, build
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions, crop_shape, segment_options
from napari_cellseg_ssl.core.methods.adgan.prior import LOOKED_AT, mask_prior
from napari_cellseg_ssl.core.methods.adgan.synthesis import COVERAGE, draw_pair
from napari_cellseg_ssl.core.methods.events import Reason, TrainEvent
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.crops import CropSampler, crop_frames
from napari_cellseg_ssl.core.training.weights import load_weights, start_from, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder

VALIDATIONS = 12
CONSTANT = 0.5
"""Share of the work after which the rate falls, in a straight line, to zero."""
JUDGED_ON = 20210722
"""Seed of the fields to judge on: the same for every run on the same images."""
DRAWN = 1
"""Seed of the objects that are shown while training."""
WIDER, FIELDS = {2: 2, 3: 1}, {2: 12, 3: 4}
"""How many times wider than a crop a field is, and how many there are, by the number of spatial axes."""
DISCRIMINATOR = "discriminator."


class AdganTraining(Training):
    """Train on images alone; what is returned is the best validation, which needs no label.

    Raises
    ------
    WrongOption
        If crops are too small for the discriminator.
    WrongRun
        If `run.start_from` belongs to another network.
    """

    options: AdganOptions
    net: AutoEncoder
    validations, validates_end, main_score = VALIDATIONS, True, "quality"

    def __init__(self, data: TrainingSet, options: AdganOptions, run: Run) -> None:
        from napari_cellseg_ssl.core.nets.domain_discriminator import DomainDiscriminator

        self.data, ndim = data, len(data.items[0].image.spatial_shape)
        # What images look like is seen before there is a network: greys are part of what describes it.
        frames, shape = crop_frames(data, run.intensity, options.working_diameter), crop_shape(options, ndim)
        sampler = CropSampler(frames, side=shape[-1], intensity=run.intensity, candidates=options.candidates)
        looked_at = sampler.draw(np.random.default_rng(run.seed), LOOKED_AT[ndim])
        greys = greys_for(looked_at, polarity=options.polarity, gamma=options.gamma)
        if run.start_from:
            greys = greys_of(run.start_from.architecture, run.start_from.weights)
        self.architecture = _architecture(data, options, greys)
        net = build(self.architecture)
        discriminator = DomainDiscriminator(width=options.width, patch=shape)
        if run.start_from:
            start_from(net, run.start_from, self.architecture)
        super().__init__(options, run, net, average=self.average_decay, keeps_best=True)
        self.learner = Learner(
            options=options,
            net=self.net,
            discriminator=discriminator.to(run.device),
            sampler=sampler,
            greys=greys,
            prior=mask_prior(options, greys(looked_at)),
            shape=shape,
            device=run.device,
        )
        self.optimisers |= {"optimiser.": self.learner.optimiser, "critic.": self.learner.critic}
        wide = CropSampler(frames, side=WIDER[ndim] * shape[-1], intensity=run.intensity)
        fields = greys(wide.draw(np.random.default_rng(JUDGED_ON), FIELDS[ndim]))
        self.judge = Judge(fields=fields, prior=self.learner.prior, options=segment_options(options))
        self.draw = self._drawn

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what the masks are like, and what will probably go wrong."""
        for text in messages.before(self.data, self.options, self.learner.prior, self.learner.greys):
            yield self.note(text)
        return True

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step: constant, then in a straight line to zero."""
        return self.options.rate * min(1.0, (1 - progress.done) / (1 - CONSTANT))

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step."""
        return self.learner.learn(self.rng)

    def average_decay(self, step: int, done: float) -> float:
        """Say how the average follows: over a number of steps, however long the training."""
        from napari_cellseg_ssl.core.training.ema import decay_for

        return decay_for(self.options.average, step - 1)

    def validate(self) -> dict[str, float]:
        """Judge what is found by how well the images can be drawn again from it."""
        return self.judge.judge(self.predictor())

    def predictor(self) -> AdganPredictor:
        """Make a predictor of the average as it is now; it moves on with the next step."""
        return AdganPredictor(
            self.result,
            self.learner.greys,
            working_diameter=self.options.working_diameter,
            device=self.run.device,
        )

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Search the threshold that suits what is returned, and make the model."""
        reading, scores = self.judge.options, self.best.scores
        if reason == "completed":
            reading, scores = self.judge.calibrate(self.predictor())
        for text in messages.after(reading, scores):
            yield self.note(text)
        return ModelBundle(
            name="adgan",
            method_id="adgan",
            train_options=self.options,
            segment_options=reading,
            architecture=self.architecture,
            intensity=self.intensity,
            weights={
                **weights_of(self.result),
                CHANNEL_WEIGHTS: self.learner.greys.weights,
                COVERAGE: np.array(self.learner.prior.coverage, np.float32),
            },
            provenance=Provenance(scores={**scores, "chosen_step": float(self.best.step)}),
        )

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on: the discriminator and what it is shown, too."""
        import torch

        arrays, state = super().state()
        arrays |= weights_of(self.learner.discriminator, DISCRIMINATOR)
        for index, pool in enumerate(self.learner.pools):
            if pool.images:
                arrays[f"pool.{index}"] = torch.stack(pool.images).cpu().numpy().copy()
        return arrays, state

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        import torch

        super().load_state(arrays, state)
        load_weights(self.learner.discriminator, arrays, DISCRIMINATOR)
        for index, pool in enumerate(self.learner.pools):
            kept = np.array(arrays.get(f"pool.{index}", np.zeros((0, 1, *self.learner.shape), np.float32)))
            pool.images = list(torch.from_numpy(kept).to(self.run.device))

    def _drawn(self, shape: Sequence[int]) -> SyntheticPair:
        """Draw an image of objects that are always the same, so that one sees how it gets better."""
        rng = np.random.default_rng(DRAWN)
        return draw_pair(self.predictor(), self.learner.greys, self.learner.prior, shape, rng)


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
