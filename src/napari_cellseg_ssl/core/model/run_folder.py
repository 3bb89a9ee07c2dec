"""Whose a run folder is: that of one training at a time, and of one method unless the user says otherwise."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg_ssl.core.errors import WouldOverwrite, WrongRun
from napari_cellseg_ssl.core.io.complete_files import remove_left_over, writing
from napari_cellseg_ssl.core.io.own_files import PROGRAM
from napari_cellseg_ssl.core.model import messages
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, HISTORY_FILE, RUN_FILE, WEIGHTS_FILE
from napari_cellseg_ssl.core.model.weights_file import load_meta

LOCK_FILE = ".training.lock"


@dataclass(frozen=True)
class Occupied:
    """What a run folder holds: a finished run, or a training that was stopped or interrupted."""

    method_id: str
    is_finished: bool

    def __str__(self) -> str:
        return f"{'a finished run' if self.is_finished else 'an interrupted training'} of '{self.method_id}'"


def occupied_by(folder: Path) -> Occupied | None:
    """Say what a folder holds; None where that is neither a run nor the beginning of one.

    Raises
    ------
    WouldOverwrite
        If files are there that have the names of a run's, and are none of ours.
    """
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return Occupied(str(record["method"]), is_finished=record["provenance"].get("reason") != "stopped")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _foreign(folder / RUN_FILE) from None
    with suppress(WrongRun, KeyError):
        return Occupied(str(load_meta(folder / CHECKPOINT_FILE)["method"]), is_finished=False)
    for name in (CHECKPOINT_FILE, WEIGHTS_FILE, HISTORY_FILE):
        if (folder / name).exists():
            raise _foreign(folder / name)
    return None


def require_own_run(folder: Path, method_id: str, *, overwrite: bool = False) -> None:
    """Make sure that a run of a method may be written into a folder: nothing is there, or a run of the same method.

    Parameters
    ----------
    overwrite : bool
        Whether the user allows to replace what is there.

    Raises
    ------
    WouldOverwrite
        If the folder holds the work of another method, or files of others where those of the run would go.
    """
    found = None if overwrite else occupied_by(folder)
    if found is not None and found.method_id != method_id:
        raise messages.folder_is_occupied(folder, found, method_id)


def holds_finished_run(folder: Path) -> bool:
    """Whether there is a run in a folder whose training was not stopped."""
    try:
        found = occupied_by(folder)
    except WouldOverwrite:
        return False
    return found is not None and found.is_finished


def what_is_replaced(folder: Path) -> str:
    """Say what becomes of what is in a folder when a training in it begins anew; empty where nothing is lost."""
    try:
        found = occupied_by(folder)
    except WouldOverwrite:
        found = None  # the user has allowed it
    if found is None:
        return ""
    if found.is_finished:
        return f"The folder holds {found}: this training replaces it when it ends, unless it is stopped."
    return f"The folder holds {found}, which is begun anew; --resume would continue it."


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a run folder and keep other trainings out of it; a process that dies lets go of it.

    Raises
    ------
    WrongRun
        If another training is writing into it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    file = folder / LOCK_FILE
    lock = FileLock(file, timeout=0, thread_local=False)
    with writing(folder, WrongRun):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise messages.folder_is_in_use(folder) from None
    try:
        remove_left_over(folder)
        yield
    finally:
        if sys.platform == "win32":  # where only a file that nobody has open can be removed
            lock.release()
        with suppress(OSError):
            file.unlink()
        lock.release()


def _foreign(file: Path) -> WouldOverwrite:
    return messages.folder_is_not_ours(file, PROGRAM)
