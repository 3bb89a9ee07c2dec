"""Pre-training: momentum contrast on images without labels, in turn with learning objects from an annotated source.

Liao et al., "CUPre", 2023, sections III-B to III-D. What differs, besides what `contrast` and `source` list:

- Both kinds of steps get the shares of time that are asked for; the paper does not say how many there are of each.
- Keys are made anew in each iteration: those of the network before the source step are stale.
- Statistics of normalisation are those of each batch while it learns, and are measured on the user's images in the end.

Without a source this is what the paper calls pre-training on cells alone; without the images it is its baseline.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.events import Checkpoint, Note, Reason, Started, Step, TrainEvent, TrainFinished
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import load_frames
from napari_cellseg_ssl.core.methods.cupre import advice
from napari_cellseg_ssl.core.methods.cupre.beginning import begin, expect
from napari_cellseg_ssl.core.methods.cupre.contrast_learner import ContrastLearner
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.detector_learner import DetectorLearner
from napari_cellseg_ssl.core.methods.cupre.finishing import as_bundle
from napari_cellseg_ssl.core.methods.cupre.options import FROZEN, L2SP, PRETRAIN, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.phases import (
    ALL,
    CONTRAST,
    SOURCE,
    Phase,
    place_in,
    plan_phases,
    source_parts,
)
from napari_cellseg_ssl.core.methods.cupre.source import Source, load_source
from napari_cellseg_ssl.core.methods.cupre.tiles import TileSampler
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_CHECKPOINTS = 30.0
STEPS_PER_ROW, ROWS_TO_JUDGE, STEPS_TO_JUDGE = 10, 50, 100
UNPASTED = 0.0
"""Of a source: its objects lie as they are."""


def pretrain(data: TrainingSet, options: CupreOptions, run: Run) -> Iterator[TrainEvent]:
    """Learn from images without labels and from a source; what is painted on the images is not looked at.

    Raises
    ------
    WrongImage
        If there is nothing to tell apart.
    WrongOption, WrongAnnotation
        If weights or the source cannot be had.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """
    yield Started(None if run.time_budget else options.steps, run.device)
    if options.source:
        yield Note("Reading the source.")
    work = Pretraining(data, options, run)
    notes = advice.before_pretraining(work)
    for text in notes:
        yield Note(text)
    reason = yield from work.steps()
    after = advice.on_drift(work.drifts)
    for text in after:
        yield Note(text)
    work.settle()
    bundle = as_bundle(
        work.objects.result,
        options,
        run,
        steps=work.step,
        reason=reason,
        scores=work.scores(),
        notes=(*notes, *after),
        history=tuple(work.history[::STEPS_PER_ROW]),
    )
    yield TrainFinished(bundle, reason)


class Pretraining:
    """The data, the two learners of one detector, and where in the plan they are."""

    def __init__(self, data: TrainingSet, options: CupreOptions, run: Run) -> None:
        self.options, self.run = options, run
        intensity = run.start_from.intensity if run.start_from else Intensity()
        self.frames = load_frames(data, intensity, options.working_diameter, run.seed)
        self.source: Source | None = None
        if options.source:
            self.source = load_source(
                options.source,
                in_channels=data.n_channels,
                working_diameter=options.working_diameter,
                intensity=intensity,
                seed=run.seed,
            )
        self.beginning = begin(options, data.n_channels, run)
        self.own = ObjectCrops(self.frames, options.crop)
        if not self.beginning.has_learned and run.resume is None:
            expect(self.beginning.detector, self.own, run.seed)
        self.phases = plan_phases(options, has_source=self.source is not None, has_learned=self.beginning.has_learned)
        self.objects = DetectorLearner(
            self.beginning.detector, options, device=run.device, seed=run.seed,
            has_learned=self.beginning.has_learned, averages=False,
        )  # fmt: skip
        self.history: list[dict[str, float]] = []
        self.drifts: list[float] = []
        self.step, self._place = 0, -1
        if run.resume:
            self._restore(run.resume)

    @cached_property
    def tiles(self) -> TileSampler:
        """What is told apart."""
        return TileSampler([self.frames], self.options.contrast)

    @cached_property
    def contrast(self) -> ContrastLearner:
        """What learns to tell it apart: the backbone of the detector."""
        detector, body = self.beginning.detector, self.beginning.detector.backbone.body
        return ContrastLearner(
            body,
            body.widths[-1],
            self.options.contrast,
            inputs=(detector.input_mean.flatten().tolist(), detector.input_std.flatten().tolist()),
            n_tiles=len(self.tiles.tiles),
            device=self.run.device,
            seed=self.run.seed,
        )

    @property
    def needs_tiles(self) -> bool:
        """Whether anything is learned from images without labels."""
        return any(phase.kind == CONTRAST for phase in self.phases)

    @cached_property
    def _parts(self) -> list[Array]:
        return source_parts(len(self._frames_of_source), self.options.iterations, self.run.seed)

    @property
    def _frames_of_source(self) -> tuple[int, ...]:
        """Those of which anything is known."""
        frames = self.source.frames if self.source else ()
        return tuple(n for n, frame in enumerate(frames) if frame.has_labels)

    def steps(self) -> Generator[TrainEvent, None, Reason]:
        """Make steps until the work is done or somebody stops it; returns the reason for the end."""
        checkpoint = Every(SECONDS_BETWEEN_CHECKPOINTS)
        while (done := self.run.fraction(self.step, self.options.steps)) < 1.0:
            if self.run.should_stop():
                yield self._checkpoint()
                return "stopped"
            if (place := place_in(self.phases, done)) != self._place:
                self._enter(place)
            phase = self.phases[place]
            losses, rate = self._learn(phase, done)
            self.step += 1
            self.history.append({"step": self.step, **losses, "rate": rate})
            yield Step(self.step, done, losses, rate, phase=phase.kind)
            if phase.kind == CONTRAST and self.contrast.step == STEPS_TO_JUDGE:
                for text in advice.on_contrast(self.recent):
                    yield Note(text)
            if checkpoint.is_due():
                yield self._checkpoint()
        self._leave()
        return "completed"

    def recent(self, name: str) -> float:
        """Mean of one number over the latest steps that had it."""
        return float(np.mean([row[name] for row in self.history if name in row][-ROWS_TO_JUDGE:] or [0.0]))

    def scores(self) -> dict[str, float]:
        """What the pre-training came to, by name."""
        names = ("contrast", "chance", "accuracy", "drift", "masks")
        return {name: self.recent(name) for name in names if any(name in row for row in self.history)}

    def settle(self) -> None:
        """Measure the statistics of normalisation on the user's images."""
        self.objects.freeze_backbone(False)
        self.objects.settle(self.own)

    def _learn(self, phase: Phase, done: float) -> tuple[dict[str, float], float]:
        if phase.kind == CONTRAST:
            rate = learning_rate(self.options.contrast_rate, self.contrast.step, done)
            return self.contrast.learn(self.tiles, rate), rate
        rate = learning_rate(self.options.rate, self.objects.steps, done)
        return self.objects.learn(self._crops, rate, done), rate

    def _enter(self, place: int) -> None:
        """End one phase and begin the next one."""
        self._leave()
        self._place = place
        phase = self.phases[place]
        if phase.kind == CONTRAST:
            self.objects.freeze_backbone(False)
            if self.contrast.step:
                self.contrast.renew()
            return
        self._choose_crops(phase)
        if phase.part == ALL:
            return
        if self.options.backbone == FROZEN:
            self.contrast.settle(self.tiles)  # a frozen backbone goes by these statistics, another one by its batch's
            self.objects.freeze_backbone(True)
        elif self.options.backbone == L2SP:
            self.objects.hold_backbone()

    def _leave(self) -> None:
        if self.objects.anchor is not None:
            self.drifts.append(self.objects.anchor.drift())
            self.objects.release_backbone()

    def _choose_crops(self, phase: Phase) -> None:
        if self.source is None:
            return
        chosen = np.array(self._frames_of_source)
        if phase.part != ALL:
            chosen = chosen[self._parts[phase.part]]
        self._crops = ObjectCrops([self.source.frames[n] for n in chosen], self.options.crop, pasted=UNPASTED)

    def _checkpoint(self) -> Checkpoint:
        state: dict[str, Json] = {
            "stage": PRETRAIN,
            "detector": self.beginning.detector.config.as_json(),
            "has_learned": self.beginning.has_learned,
            "place": self._place,
            "objects": self.objects.state(),
            "drifts": list(self.drifts),
        }
        arrays = self.objects.arrays()
        if self.needs_tiles:
            arrays |= {f"contrast.{name}": array for name, array in self.contrast.arrays().items()}
            state |= {"contrast": self.contrast.state(), "contrast_step": self.contrast.step}
        return Checkpoint(self.step, arrays, state)

    def _restore(self, checkpoint: Checkpoint) -> None:
        arrays, state = checkpoint.arrays, checkpoint.meta
        if self.needs_tiles:
            own = {k.removeprefix("contrast."): a for k, a in arrays.items() if k.startswith("contrast.")}
            self.contrast.restore(int(state["contrast_step"]), own, state["contrast"])  # type: ignore[arg-type]
        self.objects.restore(arrays, state["objects"])  # type: ignore[arg-type]
        self.step, self._place = checkpoint.step, int(state["place"])  # type: ignore[arg-type]
        self.drifts = [float(one) for one in state["drifts"]]  # type: ignore[union-attr, arg-type]
        if self._place >= 0 and (phase := self.phases[self._place]).kind == SOURCE:
            self._choose_crops(phase)
            self.objects.freeze_backbone(phase.part != ALL and self.options.backbone == FROZEN)
