"""Fine-tuning: the whole detector learns from a few painted cells.

Liao et al., "CUPre", 2023, sections III-E and IV. Here anything may be unknown: what is not painted is neither an
object nor background. Part of what is painted is held out, and the least score is searched.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.detector_learner import DetectorLearner
from napari_cellseg_ssl.core.methods.cupre.final_model import as_bundle, settle
from napari_cellseg_ssl.core.methods.cupre.initial_weights import begin, expect
from napari_cellseg_ssl.core.methods.cupre.network import CuprePredictor, architecture
from napari_cellseg_ssl.core.methods.cupre.options import ALWAYS, AUTO, FINE_TUNE, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.segment import CupreSegmentOptions
from napari_cellseg_ssl.core.methods.events import Reason, TrainEvent
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.segmentation.detected import to_labels
from napari_cellseg_ssl.core.training.averaging import share_of_the_work
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.frames import load_frames
from napari_cellseg_ssl.core.training.held_out import Judged, Score, hold_out, judge, score_labels, within_area
from napari_cellseg_ssl.core.training.weights import load_weights, weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

VALIDATIONS = 8
QUICKLY_JUDGED_PIXELS, JUDGED_PIXELS, STOPPED_PIXELS = 150_000, 600_000, 80_000
FEW_CELLS = 100
"""Below which holding the backbone near where it was helps (figure 6 of the paper: at 5 % of labels, not at 10 %)."""
SCORES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
"""Least scores that are tried, the usual one first."""


@dataclass(frozen=True)
class Chosen:
    """The least score, how well held-out cells are found, and how well all painted ones are; None: no search."""

    options: CupreSegmentOptions
    held_out: Score | None = None
    tuned: Score | None = None


class FineTuning(Training):
    """Learn from painted cells.

    Raises
    ------
    WrongAnnotation
        If no cell is painted.
    WrongOption
        If weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` or `run.resume` belong to another network.
    """

    options: CupreOptions
    training_share = 0.95
    seconds_between_snapshots, seconds_between_checkpoints = 10.0, 30.0
    phase = FINE_TUNE

    def __init__(self, data: TrainingSet, options: CupreOptions, run: Run) -> None:
        if data.n_cells == 0:
            raise shared.no_cell_painted()
        self.frames = load_frames(data, run.intensity, options.working_diameter, run.seed)
        learning, self._all_judged = hold_out(self.frames, run.seed)
        self.judged = within_area(self._all_judged, QUICKLY_JUDGED_PIXELS)
        self.validations = VALIDATIONS if self.judged else 0
        self.n_cells = sum(len(frame.cell_ids) for frame in self.frames)
        self.crops = ObjectCrops(learning, options.crop)
        self.beginning = begin(options, data.n_channels, run)
        if not self.beginning.has_learned and run.resume is None:
            expect(self.beginning.detector, self.crops, run.seed)
        super().__init__(
            options, run, self.beginning.detector, average=share_of_the_work(options.average), keeps_best=False
        )
        self.learner = DetectorLearner(
            self.net, options, device=run.device, seed=run.seed, has_learned=self.beginning.has_learned
        )
        if self.is_held:
            self.learner.hold_backbone()

    @property
    def is_held(self) -> bool:
        """Whether the backbone is held near where it was."""
        if self.options.held == AUTO:
            return self.beginning.has_learned and self.n_cells < FEW_CELLS
        return self.options.held == ALWAYS

    def begin(self) -> Generator[TrainEvent, None, bool]:
        """Say what is painted and what would help."""
        for text in messages.before_fine_tuning(
            self.beginning.told, self.frames, self.judged, n_cells=self.n_cells, is_held=self.is_held
        ):
            yield self.note(text)
        return True

    def learn(self, progress: Progress, rate: float) -> dict[str, float]:
        """Make one step."""
        return self.learner.learn(self.crops, rate)

    def validate(self) -> dict[str, float]:
        """Score held-out cells."""
        found = score_detections(self._detect(self.judged), self.judged)
        return {"f1": found.f1, "iou": found.iou}

    def predictor(self) -> CuprePredictor:
        """Wrap the averaged detector as it is now."""
        described = architecture(self.result.config, self.options.working_diameter)
        return CuprePredictor(self.result, described, self.run.device)

    def finish(self, reason: Reason) -> Generator[TrainEvent, None, ModelBundle]:
        """Measure the statistics of normalisation, choose the least score, and make the model."""
        settle(self.result, self.crops, self.run.device)
        found = self._choose_score(STOPPED_PIXELS if reason == "stopped" else JUDGED_PIXELS)
        for text in messages.after_fine_tuning(found.held_out, found.tuned, found.options):
            yield self.note(text)
        scores = {"f1": found.held_out.f1, "iou": found.held_out.iou} if found.held_out else {}
        return as_bundle(self, scores=scores, segment_options=found.options)

    def _choose_score(self, pixels: int) -> Chosen:
        """Search the least score on all that is painted, and judge by what was held out."""
        if not self._all_judged:
            return Chosen(CupreSegmentOptions())
        held_out = within_area(self._all_judged, pixels)
        painted = within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)
        least, tuned = search_score(self._detect(painted), painted)
        return Chosen(CupreSegmentOptions(score=least), score_detections(self._detect(held_out), held_out), tuned)

    def _detect(self, judged: Sequence[Judged]) -> list[Detections]:
        from napari_cellseg_ssl.core.nets.detector.large_images import detect_image

        overlap = round(4 * self.options.working_diameter)
        found = [detect_image(self.result, one.pixels, overlap=overlap) for one in judged]
        return [one for one in found if one is not None]

    def state(self) -> tuple[dict[str, Array], dict[str, Json]]:
        """Copy all that is needed to go on."""
        arrays = self.learner.arrays() | weights_of(self.average, self.average_prefix)
        return arrays, {"stage": FINE_TUNE, **self.beginning.state(), "objects": self.learner.state()}

    def load_state(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        load_weights(self.average, arrays, self.average_prefix)
        self.learner.restore(arrays, state["objects"])


def score_detections(found: Sequence[Detections], judged: Sequence[Judged]) -> Score:
    """Score what was found, each half of it with the least score that is best for the other: none with its own best."""
    halves = [range(0, len(judged), 2), range(1, len(judged), 2)]
    least = [
        search_score([found[i] for i in other], [judged[i] for i in other])[0] if other else CupreSegmentOptions().score
        for other in reversed(halves)
    ]
    labels = [
        to_labels(one, seen.known.shape, score=least[i % 2])[0]
        for i, (one, seen) in enumerate(zip(found, judged, strict=True))
    ]
    return score_labels(labels, judged)


def search_score(found: Sequence[Detections], judged: Sequence[Judged]) -> tuple[float, Score]:
    """Find the least score with which known cells are found best; of equally good ones the usual one."""
    tried = []
    for least in SCORES:
        labels = [to_labels(one, seen.known.shape, score=least)[0] for one, seen in zip(found, judged, strict=True)]
        tried.append((least, score_labels(labels, judged)))
    return max(tried, key=lambda pair: pair[1].f1 + 0.1 * pair[1].iou)
