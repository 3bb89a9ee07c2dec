"""The training of Cellulus: crops, pairs, Adam; no labels anywhere."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.methods.cellulus import messages
from napari_cellseg_ssl.core.methods.cellulus.calibration import calibrate
from napari_cellseg_ssl.core.methods.cellulus.embeddings import (
    CHANNEL_WEIGHTS,
    TAG,
    CellulusPredictor,
    build,
)
from napari_cellseg_ssl.core.methods.cellulus.loss import disc_shifts, lightness, offset_length, pair_loss, trivial_loss
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusOptions
from napari_cellseg_ssl.core.methods.events import Note, Reason, TrainEvent
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.channels import main_mixture
from napari_cellseg_ssl.core.training.crops import CropSampler, crop_frames, random_brightness
from napari_cellseg_ssl.core.training.rates import dropped_rate, learning_rate
from napari_cellseg_ssl.core.training.weights import start_from, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet

AVERAGE_DECAY = 0.99
PAPER_DROPS = (0.4, 0.6)
"""Shares of the work after which the paper divides its rate by ten: epochs 20 and 30 of 50."""
STEPS_TO_JUDGE, NOT_LEARNING = 150, 0.99
FEWEST_OBJECTS = 20


class CellulusTraining(Training):
    """Train on images alone. What is painted chooses the bandwidth in the end.

    Raises
    ------
    WrongRun
        If `run.start_from` belongs to another network.
    """

    options: CellulusOptions
    net: CellulusUNet
    average_prefix = "average.net."

    def __init__(self, data: TrainingSet, options: CellulusOptions, run: Run) -> None:
        import torch

        self.data, self.architecture = data, _architecture(data, options)
        net = build(self.architecture)
        if run.start_from:
            start_from(net, run.start_from, self.architecture)
        super().__init__(options, run, net, average=_decay, keeps_best=False)
        self.optimisers["optimiser."] = torch.optim.Adam(self.net.parameters(), lr=options.rate)
        self.sampler = CropSampler(
            crop_frames(data, self.intensity, options.working_diameter),
            side=net.smallest_input(options.crop - net.context),
            intensity=self.intensity,
            jitter=options.scale_jitter,
            candidates=options.candidates,
        )
        self.channel_weights = main_mixture(self.sampler.draw(np.random.default_rng(run.seed), 16))
        self._shifts = disc_shifts(options.pair_distance, net.ndim)
        self._trivial = trivial_loss(self._shifts, options.temperature, options.penalty)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what will probably go wrong, before it does."""
        room = sum(
            len(item.image.frames) * np.prod([size / item.diameter for size in item.image.spatial_shape])
            for item in self.data.items
        )
        if room < FEWEST_OBJECTS:
            text = f"The images have room for only {room:.0f} objects; Cellulus learns better from more images."
            yield self.note(text)
        return True

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step."""
        if self.options.schedule == "steps":
            return dropped_rate(self.options.rate, progress.done, PAPER_DROPS)
        return learning_rate(self.options.rate, progress.step, progress.done)

    def before(self, progress: Progress) -> Generator[TrainEvent, None, None]:
        """Say early if nothing is learned."""
        if progress.step == STEPS_TO_JUDGE and (self.recent("pairs") or 0.0) > NOT_LEARNING * self._trivial:
            yield Note(messages.loss_hardly_moves())

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step."""
        import torch

        options, optimiser = self.options, self.optimisers["optimiser."]
        crops = random_brightness(self.sampler.draw(self.rng, options.batch), self.rng)
        drawn = self.rng.choice(len(self._shifts), min(options.shifts, len(self._shifts)), replace=False)
        device = self.run.device
        pixels = torch.from_numpy(crops).to(device)
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=device.startswith("cuda")):
            offsets = self.net(pixels)
        offsets = offsets.float()
        pairs = pair_loss(
            offsets,
            tuple(self._shifts[i] for i in drawn),
            tau=options.temperature,
            sigma=options.penalty,
            weights=lightness(pixels, offsets, options.dark_pairs) if options.dark_pairs < 1 else None,
        )
        optimiser.zero_grad(set_to_none=True)
        (pairs + options.regularisation * offset_length(offsets)).backward()
        optimiser.step()
        loss = float(pairs.detach())
        return {"pairs": loss, "learnt": 1 - loss / self._trivial}

    def predictor(self) -> CellulusPredictor:
        """Make a predictor of the average as it is now; it moves on with the next step."""
        return CellulusPredictor(
            self.result,
            channel_weights=self.channel_weights,
            working_diameter=self.options.working_diameter,
            passes=self.options.passes,
            noise=self.options.noise,
            seed=self.run.seed,
            device=self.run.device,
        )

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Choose the bandwidth that suits what is painted, and make the model."""
        found = calibrate(self.data, self.predictor(), self.intensity, self.run)
        for text in found.notes:
            yield self.note(text)
        loss = self.recent("pairs")
        return ModelBundle(
            name="cellulus",
            method_id="cellulus",
            train_options=self.options,
            segment_options=found.options,
            architecture=self.architecture,
            intensity=self.intensity,
            weights={**weights_of(self.result), CHANNEL_WEIGHTS: self.channel_weights.astype(np.float32)},
            provenance=Provenance(scores={**({} if loss is None else {"loss": loss}), **found.scores}),
        )


def _decay(step: int, done: float) -> float:
    """Remember less at first: early weights are far from the last ones."""
    return min(AVERAGE_DECAY, step / (9 + step))


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
