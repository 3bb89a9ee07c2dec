"""What a pre-training is worth on one's own labels: several, fine-tuned alike and validated on the same cells."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.methods.base import ComparesPretraining, get_method
from napari_cellseg_ssl.core.methods.events import Note, Started, Step, TrainFinished, Validated
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_folder import require_own_run
from napari_cellseg_ssl.core.training.held_out import FEWEST_CELLS
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.job_control import Control, PartControl
from napari_cellseg_ssl.tasks.memory import closed_after, guarded
from napari_cellseg_ssl.tasks.requests import Diameter, TrainRequest
from napari_cellseg_ssl.tasks.train import train, training_set

METHOD = "cupre"
PRETRAINED = " pre-trained"
"""Ending of the name of an arm's pre-training."""
SCRATCH, SOURCE, MOCO, CUPRE = "scratch", "source", "moco", "cupre"
TITLES = {SCRATCH: "No pre-training", SOURCE: "Source only", MOCO: "Images only (MoCo)", CUPRE: "CUPre"}
"""Arms of the comparison, and how a person calls them."""
DEFAULT_ARMS = (SOURCE, MOCO, CUPRE)


@dataclass(frozen=True, kw_only=True)
class PretrainingComparisonRequest:
    """Compare pre-trainings of CUPre.

    Parameters
    ----------
    images, annotations, object_diameter, one_size, known_diameters, device, threads
        As in `TrainRequest`.
    options
        Training options of the method, of all arms alike; with a source, unless no arm needs one. The stage is not
        looked at.
    pretrain_seconds, fine_tune_seconds : float, optional
        Of each arm; None makes `options.steps` steps.
    seed : int
        The same for all arms, so that the same cells are held out.
    arms : tuple of str
        Keys of `TITLES`, in the order in which they are run.
    out : Path, optional
        Gets a run folder for each arm, named by it, and one for its pre-training.
    overwrite : bool
        As in `TrainRequest`.
    """

    images: tuple[ImageStack, ...]
    annotations: tuple[Annotation | None, ...]
    options: Any
    pretrain_seconds: float | None = None
    fine_tune_seconds: float | None = None
    arms: tuple[str, ...] = DEFAULT_ARMS
    object_diameter: Diameter = "auto"
    one_size: bool = True
    known_diameters: tuple[float | None, ...] = ()
    device: str = "auto"
    seed: int = 0
    threads: int | None = None
    out: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """What one arm came to.

    Parameters
    ----------
    f1, iou : float
        On the held-out cells: pooled F1 at IoU 0.5, and mean IoU with the known cells.
    held_out : int
        Cells that it was judged by, the same ones in every arm.
    """

    arm: str
    f1: float
    iou: float
    held_out: int
    pretrain_steps: int
    pretrain_seconds: float
    fine_tune_steps: int
    fine_tune_seconds: float


@dataclass(frozen=True)
class ArmStarted:
    """An arm begins: the `number`-th, from 1."""

    arm: str
    number: int
    total: int


@dataclass(frozen=True)
class ArmDone:
    """An arm was fine-tuned and judged."""

    row: ArmRow
    bundle: ModelBundle


@dataclass(frozen=True)
class ComparisonFinished:
    """The comparison ended; after a stop with the arms that were finished. `best` is None where there are none."""

    rows: tuple[ArmRow, ...]
    best: ArmDone | None
    stopped: bool = False


ComparisonEvent = ArmStarted | ArmDone | ComparisonFinished | Started | Step | Validated | Note


def compare_pretraining(
    request: PretrainingComparisonRequest, control: Control | None = None
) -> Iterator[ComparisonEvent]:
    """Pre-train in several ways for as long, fine-tune alike on the same labels, and judge by the same cells.

    Yields
    ------
    ArmStarted, then Started, Step, Validated and Note of its trainings, then ArmDone, for each arm; then
    `ComparisonFinished`. The fractions of the steps are those of the whole comparison.

    Raises
    ------
    WrongOption
        If an arm needs a source and there is none, or is not known.
    WrongAnnotation
        If too few cells are painted to hold some out.
    CellSegError
        As `train`.
    """
    control = control or Control()
    with guarded("Training"):
        comparison = _Comparison(request, control)
        control.start_clock()
        done: list[ArmDone] = []
        for number, arm in enumerate(request.arms, start=1):
            yield ArmStarted(arm, number, len(request.arms))
            finished = yield from comparison.run(arm)
            if finished is None:
                break
            done.append(finished)
            yield finished
        rows = tuple(one.row for one in done)
        yield Note(caution(rows[0].held_out) if rows else messages.stopped_before_validation())
        best = max(done, key=lambda one: (one.row.f1, one.row.iou), default=None)
        yield ComparisonFinished(rows, best, stopped=len(rows) < len(request.arms))


def caution(held_out: int) -> str:
    """Say how much a difference between arms is worth."""
    cells = f"{held_out} held-out cells" if held_out > 1 else "one held-out cell"
    return f"Validated on {cells}, with one seed: one cell found more or less changes F1 by about {1 / held_out:.2f}."


class _Comparison:
    """What all arms share, and how much of the whole is done."""

    def __init__(self, request: PretrainingComparisonRequest, control: Control) -> None:
        _check(request)
        self._method = cast(ComparesPretraining, get_method(METHOD))
        self._options = {arm: self._method.arm_options(request.options, arm) for arm in request.arms}
        if request.out is not None:
            for arm, ending in product(request.arms, ("", PRETRAINED)):
                require_own_run(request.out / f"{arm}{ending}", METHOD, overwrite=request.overwrite)
        self._request, self._control = request, control
        self._whole = TrainRequest(
            method_id=METHOD,
            images=request.images,
            annotations=request.annotations,
            options=self._options[request.arms[0]][1],
            object_diameter=request.object_diameter,
            one_size=request.one_size,
            known_diameters=request.known_diameters,
            device=request.device,
            seed=request.seed,
            threads=request.threads,
            overwrite=request.overwrite,
        )
        data = training_set(self._whole)
        self._whole = replace(self._whole, known_diameters=tuple(item.diameter for item in data.items))
        self._held_out = self._count_held_out(data)
        self._parts_done = 0.0

    def _count_held_out(self, data: TrainingSet) -> int:
        """Count the cells that every arm is judged by."""
        request, enough = self._request, data.n_cells >= FEWEST_CELLS
        count = self._method.count_held_out(data, request.options, request.seed) if enough else 0
        if not count:
            raise messages.too_few_to_validate(data.n_cells, FEWEST_CELLS)
        return count

    def run(self, arm: str) -> Generator[ComparisonEvent, None, ArmDone | None]:
        """Run one arm; None if it was stopped."""
        request, (pretraining, fine_tuning) = self._request, self._options[arm]
        start: ModelBundle | None = None
        if pretraining is not None:
            asked = replace(self._whole, time_budget=request.pretrain_seconds, options=pretraining)
            start = yield from self._train(arm, self._named(asked, arm, PRETRAINED))
            if start is None:
                return None
        asked = replace(self._whole, time_budget=request.fine_tune_seconds, start_from=start)
        asked = replace(asked, options=fine_tuning)
        bundle = yield from self._train(arm, self._named(asked, arm, ""))
        return None if bundle is None else ArmDone(self._row(arm, start, bundle), bundle)

    def _named(self, asked: TrainRequest, arm: str, ending: str) -> TrainRequest:
        out = None if self._request.out is None else self._request.out / f"{arm}{ending}"
        return replace(asked, name=f"{METHOD}, {TITLES[arm]}{ending}", out=out)

    def _train(self, arm: str, asked: TrainRequest) -> Generator[ComparisonEvent, None, ModelBundle | None]:
        """Pass the events of a training on, as part of the whole; returns its model, None after a stop."""
        share, has_started, is_first = self._share(asked.time_budget), False, self._parts_done == 0
        with closed_after(train(asked, PartControl(self._control))) as events:
            for event in events:
                match event:
                    case TrainFinished(bundle, reason):
                        self._parts_done += share
                        return None if reason == "stopped" else bundle
                    case Step(fraction=fraction, phase=phase):
                        whole = min(1.0, self._parts_done + share * fraction)
                        yield replace(event, fraction=whole, phase=f"{TITLES[arm]}, {phase}")
                    case Note(text) if has_started:
                        yield replace(event, text=f"{TITLES[arm]}: {text}")
                    case Started():
                        has_started = True
                        yield event
                    case Note() if is_first:  # on images and device, which are the same for all
                        yield event
                    case Validated():
                        yield event
        return None

    def _share(self, seconds: float | None) -> float:
        """Return how much of the whole a training is, by its seconds where all have some."""
        request = self._request
        budgets = [request.fine_tune_seconds] * len(request.arms)
        budgets += [request.pretrain_seconds for arm in request.arms if arm != SCRATCH]
        known = [budget for budget in budgets if budget is not None]
        if seconds is None or len(known) < len(budgets):
            return 1 / len(budgets)
        return seconds / sum(known)

    def _row(self, arm: str, start: ModelBundle | None, bundle: ModelBundle) -> ArmRow:
        origin = bundle.provenance
        return ArmRow(
            arm=arm,
            f1=origin.scores["f1"],
            iou=origin.scores["iou"],
            held_out=self._held_out,
            pretrain_steps=0 if start is None else start.provenance.steps,
            pretrain_seconds=0.0 if start is None else start.provenance.seconds,
            fine_tune_steps=origin.steps,
            fine_tune_seconds=origin.seconds,
        )


def _check(request: PretrainingComparisonRequest) -> None:
    unknown = [arm for arm in request.arms if arm not in TITLES]
    if unknown or not request.arms or len(set(request.arms)) < len(request.arms):
        named = f"There is no arm '{unknown[0]}'." if unknown else "Arms have to be named, each once."
        raise messages.wrong_arms(named, ", ".join(TITLES))
    for seconds in (request.pretrain_seconds, request.fine_tune_seconds):
        if seconds is not None and not seconds > 0:
            raise messages.wrong_time_budget(seconds)
