"""The contrastive step of CUPre from end to end: unlabelled images in, an encoder for other methods out.

What differs from the paper, besides what `torch_tools.contrast` and `torch_tools.contrast_views` list:

- Images are brought to one size of cells, that of the method which goes on with the encoder. The paper takes crops as
  they are.
- Sets of images count alike, however many images they have. The paper joins them into one list, in which one set makes
  up half.
- Tiles that show next to nothing are left out: nobody could tell them apart.
- The statistics of batch normalisation are measured in the end, on images as they are. A method that learns from few
  crops a step keeps them.

Without a source of annotated objects this is what the paper calls pre-training on cells alone, its weakest variant.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.events import Checkpoint, Note, Reason, Started, Step, TrainEvent, TrainFinished
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.cupre.contrast_learner import ContrastLearner
from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions, NoOptions
from napari_cellseg_ssl.core.methods.cupre.tiles import TileSampler, load_sets
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate
from napari_cellseg_ssl.core.torch_tools.weights import weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport
    from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
    from napari_cellseg_ssl.core.training_set import TrainingSet

TAG = "resnet-encoder"
SECONDS_BETWEEN_CHECKPOINTS = 15.0
STEPS_PER_ROW, ROWS_TO_JUDGE = 10, 50
STEPS_TO_JUDGE, TOO_EASY, NOT_LEARNING = 100, 0.99, 0.98
TILES_TO_MEASURE = 64


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One contrastive step: what learns, from what, and until when.

    Parameters
    ----------
    done : () -> float
        Share of this step's work that is done, 0 to 1.
    """

    learner: ContrastLearner
    sampler: TileSampler
    done: Callable[[], float]
    should_stop: Callable[[], bool]
    history: list[dict[str, float]] = field(default_factory=list)

    def recent(self, name: str) -> float:
        """Mean of one number over the latest steps."""
        return float(np.mean([row[name] for row in self.history[-ROWS_TO_JUDGE:]]))


def pretrain(
    data: TrainingSet, options: ContrastOptions, run: Run, domains: Sequence[Hashable] | None = None
) -> Iterator[TrainEvent]:
    """Learn an encoder from images alone; see `Method.train`. What is painted on them is not looked at.

    Parameters
    ----------
    domains : sequence, optional
        The set that each image is of; sets are drawn from alike. By default all images are of one.

    Raises
    ------
    WrongImage
        If there is nothing to tell apart.
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.resume` belongs to another network or to other images.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    intensity = Intensity()
    sampler = TileSampler(load_sets(data, domains, options, intensity, run.seed), options)
    if len(sampler.tiles) < 2:
        raise WrongImage("The images show one thing only, so there is nothing to tell it apart from.", "Add images.")
    encoder, report = _encoder(data, options, run)
    learner = ContrastLearner(
        encoder,
        encoder.widths[-1],
        options,
        inputs=_inputs(sampler, report, run.seed),
        n_tiles=len(sampler.tiles),
        device=run.device,
        seed=run.seed,
    )
    if run.resume:
        learner.restore(run.resume.step, run.resume.arrays, run.resume.meta)
    notes = _advice(sampler, learner, report)
    for text in notes:
        yield Note(text)
    step = Contrast(
        learner=learner,
        sampler=sampler,
        done=lambda: run.fraction(learner.step, options.steps),
        should_stop=run.should_stop,
    )
    reason = yield from contrast_step(step)
    learner.settle(sampler)
    yield TrainFinished(_bundle(step, encoder, intensity, run, reason, notes), reason)


def contrast_step(step: Contrast) -> Generator[TrainEvent, None, Reason]:
    """Move an encoder until the work is done or somebody stops it; returns the reason for the end."""
    learner, options = step.learner, step.learner.options
    checkpoint = Every(SECONDS_BETWEEN_CHECKPOINTS)
    while (done := step.done()) < 1.0:
        if step.should_stop():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
            return "stopped"
        rate = learning_rate(options.rate, learner.step, done)
        found = learner.learn(step.sampler, rate)
        step.history.append({"step": learner.step, **found, "rate": rate})
        yield Step(learner.step, done, found, rate, phase="contrast")
        if len(step.history) == STEPS_TO_JUDGE:
            for text in _judgement(step):
                yield Note(text)
        if checkpoint.is_due():
            yield Checkpoint(learner.step, learner.arrays(), learner.state())
    return "completed"


def encoder_weights(learner: ContrastLearner, encoder: ResNetEncoder) -> dict[str, Array]:
    """Name the weights so that `nets.encoder_weights` finds them, with the mean and spread of the images beside."""
    mean, std = (np.array(one, np.float32).reshape(1, -1, 1, 1) for one in learner.inputs)
    return {
        **weights_of(encoder, "encoder."),
        **weights_of(learner.query.projection, "projection."),
        "input_mean": mean,
        "input_std": std,
    }


def _encoder(data: TrainingSet, options: ContrastOptions, run: Run) -> tuple[ResNetEncoder, LoadReport | None]:
    import torch

    from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
    from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS
    from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        encoder = ResNetEncoder(options.encoder, data.n_channels, depth=options.depth)
    encoder.to(memory_format=torch.channels_last)  # faster on processors
    return encoder, load_encoder(encoder, options.encoder, NO_WEIGHTS if run.resume else options.encoder_weights)


def _inputs(sampler: TileSampler, report: LoadReport | None, seed: int) -> tuple[list[float], list[float]]:
    """Mean and spread per channel: those that given weights are used to, else those of the tiles."""
    if report is not None and report.inputs is not None:
        return report.inputs
    pixels = sampler.unchanged(np.random.default_rng(seed), TILES_TO_MEASURE).numpy()
    return pixels.mean((0, 2, 3)).tolist(), np.maximum(pixels.std((0, 2, 3)), 1e-3).tolist()


def _advice(sampler: TileSampler, learner: ContrastLearner, report: LoadReport | None) -> tuple[str, ...]:
    """Say what is learned from, and what will probably go wrong."""
    from napari_cellseg_ssl.core.torch_tools.contrast import FEWEST_TILES

    texts = [f"{len(sampler.tiles)} tiles are told apart, each from {len(learner.queue)} others."]
    if len(sampler.tiles) < FEWEST_TILES:
        texts.append(
            f"Fewer than {FEWEST_TILES} distinct tiles: contrastive learning has too few negatives; add images, or "
            "go on without it."
        )
    return (*texts, str(report)) if report is not None else tuple(texts)


def _judgement(step: Contrast) -> Iterator[str]:
    """Say after some steps what looks wrong."""
    if step.recent("accuracy") > TOO_EASY:
        yield (
            f"{step.recent('accuracy'):.0%} of the views are recognised already: they are too easy, or something other "
            "than their content gives them away."
        )
    if step.recent("contrast") > NOT_LEARNING * step.recent("chance"):
        yield (
            f"The loss {step.recent('contrast'):.2f} is still that of chance, {step.recent('chance'):.2f}: try another "
            "learning rate or temperature."
        )


def _bundle(
    step: Contrast, encoder: ResNetEncoder, intensity: Intensity, run: Run, reason: Reason, notes: tuple[str, ...]
) -> ModelBundle:
    learner = step.learner
    return ModelBundle(
        name=f"{learner.options.encoder} by contrast",
        method_id="cupre",
        train_options=learner.options,
        segment_options=NoOptions(),
        architecture=_architecture(learner, encoder),
        intensity=intensity,
        weights=encoder_weights(learner, encoder),
        provenance=Provenance(
            seed=run.seed,
            device=run.device,
            steps=learner.step,
            seconds=run.elapsed(),
            reason=reason,
            scores={name: step.recent(name) for name in ("contrast", "chance", "accuracy")} if step.history else {},
            notes=(*notes, f"Learned from {len(step.sampler.tiles)} unlabelled tiles; no annotated source."),
        ),
        history=tuple(step.history[::STEPS_PER_ROW]),
    )


def _architecture(learner: ContrastLearner, encoder: ResNetEncoder) -> Mapping[str, Json]:
    mean, std = learner.inputs
    return {
        "tag": TAG,
        "in_channels": len(mean),
        "spatial_ndim": 2,
        "encoder": learner.options.encoder,
        "depth": encoder.depth,
        "widths": list(encoder.widths),
        "norm": "batch",
        "input_mean": list(mean),
        "input_std": list(std),
        "working_diameter": learner.options.working_diameter,
    }
