"""What a training leaves on disk: history, checkpoints, and the finished run."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.errors import CellSegError, WrongRun, how_to_read, reason
from napari_cellseg_ssl.core.io.records import DAMAGES
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import Checkpoint, Step, TrainFinished, Validated
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, HISTORY_FILE, read_history, write_history
from napari_cellseg_ssl.core.model.starters import is_starter
from napari_cellseg_ssl.core.model.weights_file import load_arrays, save_arrays
from napari_cellseg_ssl.core.options import Json, options_from_json, options_to_json
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.requests import Diameter, TrainRequest

HISTORY_INTERVAL = 0.1
"""Seconds between recorded steps."""
HASHED_ROWS = 64
"""Rows per frame that go into an image's fingerprint: enough to tell images apart, cheap for any size."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the result of a training, besides its data; a resumed run takes the recorded ones."""

    options: Any
    preset: str
    seed: int
    time_budget: float | None
    object_diameter: Diameter
    device: str


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """An interrupted training as found on disk, with the name of the starter model that it began with, if any."""

    checkpoint: Checkpoint
    settings: Settings
    starter: str
    seconds: float
    fingerprints: Mapping[str, str]
    history: tuple[Mapping[str, float], ...]


class NotSaved(WrongRun):
    """A training is over and its run cannot be written; the model is here, so that it can be saved elsewhere."""

    def __init__(self, message: str, hint: str, finished: TrainFinished) -> None:
        super().__init__(message, hint)
        self.finished = finished


class Recorder:
    """Keep the history of one training and write its folder, if it has one."""

    def __init__(
        self,
        request: TrainRequest,
        settings: Settings,
        data: TrainingSet,
        control: Control,
        resumed: Resumed | None,
    ) -> None:
        self.settings = settings
        self.checkpoint: Checkpoint | None = None
        self.last_step = resumed.checkpoint.step if resumed else 0
        self._kept_step: int | None = resumed.checkpoint.step if resumed else None
        self.fingerprints = fingerprints([item.image for item in data.items])
        self._folder = request.out
        self._method_id = request.method_id
        start = request.start_from
        self._starter = start.name if isinstance(start, ModelBundle) and is_starter(start) else ""
        self._control = control
        self._rows: list[Mapping[str, float]] = list(resumed.history) if resumed else []
        self._next_row_at = 0.0
        if resumed and dict(resumed.fingerprints) != self.fingerprints:
            raise messages.resumed_on_other_images(self._folder, ", ".join(resumed.fingerprints) or "none")

    @property
    def history(self) -> tuple[Mapping[str, float], ...]:
        """Recorded steps and validations, in order."""
        return tuple(self._rows)

    def claim_folder(self) -> None:
        """Make sure before any work that the result can be written.

        Raises
        ------
        WrongRun
            If it cannot.
        """
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as problem:
            raise messages.folder_not_writable(self._folder, reason(problem)) from problem

    def note(self, event: Step | Validated) -> None:
        """Add a row to the history; steps at most every tenth of a second."""
        seconds = self._control.elapsed()
        row = {"step": float(event.step), "seconds": round(seconds, 2)}
        if isinstance(event, Validated):
            self._rows.append({**row, **event.scores})
            return
        self.last_step = event.step
        if seconds >= self._next_row_at:
            self._next_row_at = seconds + HISTORY_INTERVAL
            self._rows.append({**row, "rate": event.rate, **event.losses})

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep the state of the training, so that kill -9 a moment later loses nothing older.

        Raises
        ------
        WrongRun
            If it cannot be kept; the one before is kept then.
        """
        self.checkpoint = checkpoint
        if self._folder is None:
            return
        settings = self.settings
        meta: dict[str, Json] = {
            "method": self._method_id,
            "options": cast(Json, options_to_json(settings.options)),
            "preset": settings.preset,
            "seed": settings.seed,
            "time_budget": settings.time_budget,
            "object_diameter": settings.object_diameter,
            "device": settings.device,
            "starter": self._starter,
            "seconds": self._control.elapsed(),
            "step": checkpoint.step,
            "images": dict(self.fingerprints),
            "state": dict(checkpoint.meta),
        }
        try:
            save_arrays(self._folder / CHECKPOINT_FILE, checkpoint.arrays, meta)
            self._kept_step = checkpoint.step
            write_history(self._folder / HISTORY_FILE, self._rows)
        except OSError as problem:
            raise messages.training_not_saved(
                self._folder, reason(problem), self._what_is_kept(), self._how_to_go_on()
            ) from problem

    def save_run(self, finished: TrainFinished) -> None:
        """Write the finished run; only a stopped one keeps its checkpoint.

        Raises
        ------
        NotSaved
            If it cannot be written; the last checkpoint is kept then.
        """
        if self._folder is None:
            return
        try:
            # Who asked for the training was asked before it began.
            finished.bundle.save(self._folder, overwrite=True)
        except WrongRun as problem:
            raise NotSaved(f"{problem.message} {self._what_is_kept()}", self._how_to_go_on(), finished) from problem
        if finished.reason != "stopped":
            (self._folder / CHECKPOINT_FILE).unlink(missing_ok=True)

    def _what_is_kept(self) -> str:
        if self._kept_step is None:
            return "Nothing of this training is kept."
        return f"Its state after step {self._kept_step} of {self.last_step} is kept there."

    def _how_to_go_on(self) -> str:
        again = "train again" if self._kept_step is None else "resume it"
        return f"Free some space, then {again}."


def load_checkpoint(request: TrainRequest) -> Resumed:
    """Read an interrupted training.

    Raises
    ------
    WrongRun
        If there is none, or it is damaged or of another method.
    """
    if request.out is None:
        raise messages.nothing_to_resume_from()
    file = request.out / CHECKPOINT_FILE
    try:
        is_there = file.exists()
    except OSError as problem:
        hint = how_to_read(problem, "Choose another folder.")
        raise messages.folder_unreadable(request.out, reason(problem), hint) from problem
    if not is_there:
        raise messages.no_interrupted_training(request.out)
    arrays, meta = load_arrays(file)
    try:
        resumed = _resumed(arrays, meta, request)
    except (*DAMAGES, OSError) as problem:
        raise messages.checkpoint_damaged(file, problem) from problem
    if meta["method"] != request.method_id:
        raise messages.interrupted_other_method(request.out, meta["method"], request.method_id)
    return resumed


def _resumed(arrays: Mapping[str, Array], meta: Mapping[str, Any], request: TrainRequest) -> Resumed:
    info = get_method(meta["method"]).info
    diameter = meta["object_diameter"]
    budget = meta["time_budget"] if request.time_budget is None else request.time_budget
    try:
        options: Any = options_from_json(info.train_options, meta["options"])
    except CellSegError as problem:
        raise messages.checkpoint_does_not_fit(problem) from problem
    return Resumed(
        checkpoint=Checkpoint(int(meta["step"]), arrays, dict(meta["state"])),
        settings=Settings(
            options=options,
            preset=str(meta["preset"]),
            seed=int(meta["seed"]),
            time_budget=None if budget is None else float(budget),
            object_diameter="auto" if diameter == "auto" else float(diameter),
            device=request.device,
        ),
        starter=str(meta.get("starter", "")),
        seconds=float(meta["seconds"]),
        fingerprints={str(name): str(digest) for name, digest in meta["images"].items()},
        history=_read_rows(request.out / HISTORY_FILE, int(meta["step"])) if request.out else (),
    )


def fingerprints(images: list[ImageStack]) -> dict[str, str]:
    """Hash each image by shape, type and an even sample of rows; images of the same name are numbered."""
    found: dict[str, str] = {}
    for image in images:
        frames = image.frames
        digest = hashlib.sha256(json.dumps([frames.shape, frames.dtype.str]).encode())
        step = max(1, frames.shape[-2] // HASHED_ROWS)
        for frame in frames:
            digest.update(frame[..., ::step, :].tobytes())
        name, number = image.name, 2
        while name in found:
            name, number = f"{image.name} ({number})", number + 1
        found[name] = digest.hexdigest()[:16]
    return found


def _read_rows(file: Path, last_step: int) -> tuple[Mapping[str, float], ...]:
    """Read the history up to the checkpoint; what came after it is going to be done again."""
    return tuple(row for row in read_history(file) if row.get("step", 0) <= last_step)
