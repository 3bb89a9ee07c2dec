"""Pre-training: momentum contrast on images without labels, in turn with learning objects from an annotated source.

Liao et al., "CUPre", 2023, sections III-B to III-D. What differs, besides what `contrast` and `source` list:

- Both kinds of steps get the shares of time that are asked for; the paper does not say how many there are of each.
- Keys are made anew in each iteration: those of the network before the source step are stale.
- Statistics of normalisation are those of each batch while it learns, and are measured on the user's images in the end.

Without a source this is what the paper calls pre-training on cells alone; without the images it is its baseline.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.methods.cupre.contrast_learner import ContrastLearner
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.detector_learner import DetectorLearner
from napari_cellseg_ssl.core.methods.cupre.final_model import as_bundle, settle
from napari_cellseg_ssl.core.methods.cupre.initial_weights import begin, expect
from napari_cellseg_ssl.core.methods.cupre.network import CuprePredictor, architecture
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
from napari_cellseg_ssl.core.methods.events import Note, Reason, TrainEvent
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.frames import load_frames
from napari_cellseg_ssl.core.training.rates import learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

STEPS_TO_JUDGE = 100
SCORES = ("contrast", "chance", "accuracy", "drift", "masks")
"""What a pre-training is described by."""
UNPASTED = 0.0
"""Of a source: its objects lie as they are."""


class Pretraining(Training):
    """Learn from images without labels and from a source; what is painted on the images is not looked at.

    Two learners share one detector, each with a rate and random numbers of its own.

    Raises
    ------
    WrongOption
        If weights cannot be had.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """

    options: CupreOptions
    seconds_between_snapshots, seconds_between_checkpoints = inf, 30.0

    def __init__(self, data: TrainingSet, options: CupreOptions, run: Run) -> None:
        self.frames = load_frames(data, run.intensity, options.working_diameter, run.seed)
        self.own = ObjectCrops(self.frames, options.crop)
        self.source: Source | None = None
        self.beginning = begin(options, data.n_channels, run)
        if not self.beginning.has_learned and run.resume is None:
            expect(self.beginning.detector, self.own, run.seed)
        super().__init__(options, run, self.beginning.detector, average=None, keeps_best=False)
        self.plan = plan_phases(options, has_source=bool(options.source), has_learned=self.beginning.has_learned)
        self.objects = DetectorLearner(
            self.net, options, device=run.device, seed=run.seed, has_learned=self.beginning.has_learned
        )
        self.drifts: list[float] = []
        self._n_channels, self._place = data.n_channels, -1

    @cached_property
    def tiles(self) -> TileSampler:
        """What is told apart."""
        return TileSampler([self.frames], self.options.contrast)

    @cached_property
    def contrast(self) -> ContrastLearner:
        """What learns to tell it apart: the backbone of the detector."""
        body = self.net.backbone.body
        return ContrastLearner(
            body,
            body.widths[-1],
            self.options.contrast,
            inputs=(self.net.input_mean.flatten().tolist(), self.net.input_std.flatten().tolist()),
            n_tiles=len(self.tiles.tiles),
            device=self.run.device,
            seed=self.run.seed,
        )

    @property
    def needs_tiles(self) -> bool:
        """Whether anything is learned from images without labels."""
        return any(phase.kind == CONTRAST for phase in self.plan)

    @cached_property
    def _parts(self) -> list[Array]:
        return source_parts(len(self._frames_of_source), self.options.iterations, self.run.seed)

    @property
    def _frames_of_source(self) -> tuple[int, ...]:
        """Those of which anything is known."""
        frames = self.source.frames if self.source else ()
        return tuple(n for n, frame in enumerate(frames) if frame.has_labels)

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Read the source, and say what is learned from.

        Raises
        ------
        WrongImage
            If there is nothing to tell apart.
        WrongOption, WrongAnnotation
            If the source cannot be had.
        """
        if self.options.source:
            yield Note(messages.reading_source())
            self.source = load_source(
                self.options.source,
                in_channels=self._n_channels,
                working_diameter=self.options.working_diameter,
                intensity=self.intensity,
                seed=self.run.seed,
            )
        source = "" if self.source is None else self.source.description
        tiles, others = (
            (len(self.tiles.tiles), self.options.tiles - 1 + len(self.contrast.queue))
            if self.needs_tiles
            else (None, 0)
        )
        for text in messages.before_pretraining(self.beginning.told, source, tiles, others):
            yield self.note(text)
        if self._place >= 0 and (phase := self.plan[self._place]).kind == SOURCE:  # it goes on within a phase
            self._choose_crops(phase)
            self.objects.freeze_backbone(phase.part != ALL and self.options.backbone == FROZEN)
        return True

    def before(self, progress: Progress) -> Generator[TrainEvent, None, None]:
        """Enter the phase that is due."""
        if self.phase == CONTRAST and self.contrast.step == STEPS_TO_JUDGE:
            for text in messages.on_contrast(lambda name: self.recent(name) or 0.0):
                yield Note(text)
        if (place := place_in(self.plan, progress.done)) != self._place:
            self._enter(place)
        self.phase = self.plan[self._place].kind

    def rate(self, progress: Progress) -> float:
        """Learning rate of a step, by the steps of the learner whose turn it is."""
        if self.phase == CONTRAST:
            return learning_rate(self.options.contrast_rate, self.contrast.step, progress.done)
        return learning_rate(self.options.rate, self.objects.steps, progress.done)

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step of the phase."""
        if self.phase == CONTRAST:
            return self.contrast.learn(self.tiles, rate)
        return self.objects.learn(self._crops, rate)

    def predictor(self) -> CuprePredictor:
        """Wrap the detector as it is now."""
        return CuprePredictor(self.net, architecture(self.net.config, self.options.working_diameter), self.run.device)

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Measure the statistics of normalisation on the user's images, and make the model."""
        if reason == "completed":
            self._leave()
        for text in messages.on_drift(self.drifts):
            yield self.note(text)
        self.objects.freeze_backbone(False)
        settle(self.net, self.own, self.run.device)
        found = {name: self.recent(name) for name in SCORES}
        return as_bundle(self, scores={name: score for name, score in found.items() if score is not None})

    def _enter(self, place: int) -> None:
        """End one phase and begin the next one."""
        self._leave()
        self._place = place
        phase = self.plan[place]
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

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on, of both learners."""
        state: dict[str, Json] = {
            "stage": PRETRAIN,
            **self.beginning.state(),
            "place": self._place,
            "objects": self.objects.state(),
            "drifts": list(self.drifts),
        }
        arrays = self.objects.arrays()
        if self.needs_tiles:
            arrays |= {f"contrast.{name}": array for name, array in self.contrast.arrays().items()}
            state |= {"contrast": self.contrast.state(), "contrast_step": self.contrast.step}
        return arrays, state

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; what a phase needs of the source is taken in `begin`."""
        if self.needs_tiles:
            own = {name.removeprefix("contrast."): a for name, a in arrays.items() if name.startswith("contrast.")}
            self.contrast.restore(int(state["contrast_step"]), own, state["contrast"])
        self.objects.restore(arrays, state["objects"])
        self._place = int(state["place"])
        self.drifts = [float(one) for one in state["drifts"]]
