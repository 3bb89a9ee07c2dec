"""Fine-tuning: the whole detector learns from a few painted cells.

Liao et al., "CUPre", 2023, sections III-E and IV. Here anything may be unknown: what is not painted is neither an
object nor background. Part of what is painted is held out, and the least score is searched.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.detections import Detections
from napari_cellseg_ssl.core.errors import WrongAnnotation
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
from napari_cellseg_ssl.core.instances.detected import to_labels
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import load_frames
from napari_cellseg_ssl.core.learning.held_out import Judged, Score, hold_out, judge, score_labels, within_area
from napari_cellseg_ssl.core.methods.cupre import advice
from napari_cellseg_ssl.core.methods.cupre.beginning import begin, expect
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.detector_learner import DetectorLearner
from napari_cellseg_ssl.core.methods.cupre.finishing import as_bundle
from napari_cellseg_ssl.core.methods.cupre.networks import CuprePredictor, architecture
from napari_cellseg_ssl.core.methods.cupre.options import ALWAYS, AUTO, FINE_TUNE, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.segmentation import CupreSegmentOptions
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.steps import Every, learning_rate

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.training_set import TrainingSet

SECONDS_BETWEEN_SNAPSHOTS, SECONDS_BETWEEN_CHECKPOINTS = 10.0, 30.0
VALIDATIONS = 8
TRAINING_SHARE = 0.95
"""Of a time budget; the rest is for the statistics and the least score."""
QUICKLY_JUDGED_PIXELS, JUDGED_PIXELS, STOPPED_PIXELS = 150_000, 600_000, 80_000
FEW_CELLS = 100
"""Below which holding the backbone near where it was helps (figure 6 of the paper: at 5 % of labels, not at 10 %)."""
SCORES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
"""Least scores that are tried, the usual one first."""


def fine_tune(data: TrainingSet, options: CupreOptions, run: Run) -> Iterator[TrainEvent]:
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
    yield Started(None if run.time_budget else options.steps, run.device)
    work = FineTuning(data, options, run)
    notes = advice.before_fine_tuning(work)
    for text in notes:
        yield Note(text)
    reason = yield from work.steps()
    work.learner.settle(work.crops)
    found = work.choose_score(STOPPED_PIXELS if reason == "stopped" else JUDGED_PIXELS)
    after = advice.after_fine_tuning(found.held_out, found.tuned, found.options)
    for text in after:
        yield Note(text)
    scores = {"f1": found.held_out.f1, "iou": found.held_out.iou} if found.held_out else {}
    bundle = as_bundle(
        work.learner.result, options, run, steps=work.learner.steps, reason=reason, scores=scores,
        notes=(*notes, *after), segment_options=found.options,
    )  # fmt: skip
    yield TrainFinished(bundle, reason)


@dataclass(frozen=True)
class Chosen:
    """The least score, how well held-out cells are found, and how well all painted ones are; None: no search."""

    options: CupreSegmentOptions
    held_out: Score | None = None
    tuned: Score | None = None


class FineTuning:
    """The data of a fine-tuning, and what learns."""

    def __init__(self, data: TrainingSet, options: CupreOptions, run: Run) -> None:
        if data.n_cells == 0:
            raise WrongAnnotation("No cell is painted.", "Paint some whole cells, each with its own id from 2.")
        self.options, self.run = options, run
        intensity = run.start_from.intensity if run.start_from else Intensity()
        self.frames = load_frames(data, intensity, options.working_diameter, run.seed)
        learning, judged = hold_out(self.frames, run.seed)
        self.judged = within_area(judged, QUICKLY_JUDGED_PIXELS)
        self._all_judged = judged
        self.crops = ObjectCrops(learning, options.crop)
        self.beginning = begin(options, data.n_channels, run)
        if not self.beginning.has_learned and run.resume is None:
            expect(self.beginning.detector, self.crops, run.seed)
        self.n_cells = sum(len(frame.cell_ids) for frame in self.frames)
        self.learner = DetectorLearner(
            self.beginning.detector, options, device=run.device, seed=run.seed,
            has_learned=self.beginning.has_learned, averages=True,
        )  # fmt: skip
        if self.is_held:
            self.learner.hold_backbone()
        if run.resume:
            self.learner.restore(run.resume.arrays, run.resume.meta["objects"])  # type: ignore[arg-type]

    @property
    def is_held(self) -> bool:
        """Whether the backbone is held near where it was."""
        if self.options.held == AUTO:
            return self.beginning.has_learned and self.n_cells < FEW_CELLS
        return self.options.held == ALWAYS

    def done(self) -> float:
        """Share of the learning that is done."""
        done = self.run.fraction(self.learner.steps, self.options.steps)
        return min(1.0, done / TRAINING_SHARE) if self.run.time_budget else done

    def steps(self) -> Generator[TrainEvent, None, Reason]:
        """Make steps until the work is done or somebody stops it; returns the reason for the end."""
        snapshot, checkpoint = Every(SECONDS_BETWEEN_SNAPSHOTS), Every(SECONDS_BETWEEN_CHECKPOINTS)
        best, validated = 0.0, int(self.done() * VALIDATIONS)
        while (done := self.done()) < 1.0:
            if self.run.should_stop():
                yield self._checkpoint()
                return "stopped"
            rate = learning_rate(self.options.rate, self.learner.steps, done)
            losses = self.learner.learn(self.crops, rate, done)
            yield Step(self.learner.steps, done, losses, rate, phase="fine-tune")
            if self.judged and int(done * VALIDATIONS) > validated:
                validated = int(done * VALIDATIONS)
                found = score_detections(self._detect(self.judged), self.judged)
                yield Validated(self.learner.steps, {"f1": found.f1, "iou": found.iou}, found.f1 >= best)
                best = max(best, found.f1)
            if snapshot.is_due():
                yield Snapshot(self.learner.steps, self._predictor())
            if checkpoint.is_due():
                yield self._checkpoint()
        return "completed"

    def choose_score(self, pixels: int) -> Chosen:
        """Search the least score on all that is painted, and judge by what was held out."""
        if not self._all_judged:
            return Chosen(CupreSegmentOptions())
        held_out = within_area(self._all_judged, pixels)
        painted = within_area([judge(frame) for frame in self.frames if frame.has_labels], pixels)
        least, tuned = search_score(self._detect(painted), painted)
        return Chosen(CupreSegmentOptions(score=least), score_detections(self._detect(held_out), held_out), tuned)

    def _predictor(self) -> CuprePredictor:
        detector = self.learner.result
        return CuprePredictor(detector, architecture(detector.config, self.options.working_diameter), self.run.device)

    def _detect(self, judged: Sequence[Judged]) -> list[Detections]:
        from napari_cellseg_ssl.core.nets.detector.large_images import detect_image

        overlap = round(4 * self.options.working_diameter)
        found = [detect_image(self.learner.result, one.pixels, overlap=overlap) for one in judged]
        return [one for one in found if one is not None]

    def _checkpoint(self) -> Checkpoint:
        state: dict[str, Json] = {
            "stage": FINE_TUNE,
            "detector": self.beginning.detector.config.as_json(),
            "has_learned": self.beginning.has_learned,
            "objects": self.learner.state(),
        }
        return Checkpoint(self.learner.steps, self.learner.arrays(), state)


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
