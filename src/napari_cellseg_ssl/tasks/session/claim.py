"""Whose the folder of a session is: one window writes into it, and others that want it get a copy."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from napari_cellseg_ssl.core.errors import reason
from napari_cellseg_ssl.tasks.session import messages
from napari_cellseg_ssl.tasks.session.folder import new_room

LOCK_FILE = "lock"
TAKEN_AFTER_S = 0.3
"""A window that only looks whether a session is open has it locked for a moment."""


@dataclass
class Claim:
    """The folder of a session that a window writes into, and its lock.

    Parameters
    ----------
    lock : BaseFileLock, optional
        None while the folder can be neither made nor locked; who writes into it hears why.
    """

    room: Path
    lock: BaseFileLock | None
    is_released: bool = False

    def release(self) -> None:
        """Let others have it."""
        self.is_released = True
        if self.lock is not None:
            self.lock.release()


def claim(sessions: Path, wanted: Path | None = None) -> Claim:
    """Take the folder of a session, so that no other window writes into it until the claim is released.

    The system lets go of the lock of a process that is gone, however it ended.

    Parameters
    ----------
    wanted : Path, optional
        Of an earlier session. Where another window has it, and without it, the folder is a new one.
    """
    if wanted is not None:
        with suppress(OSError):
            lock = _locked(wanted, TAKEN_AFTER_S)
            if lock is not None:
                return Claim(wanted, lock)
    room = new_room(sessions)
    try:
        sessions.mkdir(parents=True, exist_ok=True)
        while not _is_made(room):
            room = new_room(sessions)
        return Claim(room, _locked(room, TAKEN_AFTER_S))
    except OSError:
        return Claim(room, None)


def claim_again(former: Claim) -> Claim:
    """Make and lock a folder that could not be had before; a new one, if another window has it by now."""
    try:
        former.room.mkdir(parents=True, exist_ok=True)
        lock = _locked(former.room, TAKEN_AFTER_S)
    except OSError:
        return former
    return claim(former.room.parent) if lock is None else Claim(former.room, lock)


def _is_made(room: Path) -> bool:
    """Make a folder; False if another window was quicker."""
    try:
        room.mkdir()
    except FileExistsError:
        return False
    return True


def is_claimed(room: Path) -> bool:
    """Whether a window, of this program or of another one, has a session open."""
    if not (room / LOCK_FILE).exists():
        return False
    try:
        lock = _locked(room, 0.0)
    except OSError:
        return True  # somebody else's
    if lock is not None:
        lock.release()
    return lock is None


def _locked(room: Path, seconds: float) -> BaseFileLock | None:
    """Lock a folder; None if somebody else has it locked for some seconds, longer than it takes to look."""
    lock = FileLock(room / LOCK_FILE, thread_local=False)
    try:
        lock.acquire(timeout=seconds, poll_interval=0.02)
    except Timeout:
        return None
    return lock


def copy_room(room: Path, target: Path) -> None:
    """Copy layers and versions of a session that another window works on; what is there already stays.

    Files are replaced, never changed, so that both sessions can share them until then, where the disk can.

    Raises
    ------
    WrongRun
        If they cannot be copied.
    """
    hidden = shutil.ignore_patterns(".*")
    try:
        for folder in room.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                shutil.copytree(folder, target / folder.name, copy_function=_share, ignore=hidden, dirs_exist_ok=True)
    except OSError as problem:
        why = problem.args[0][0][2] if isinstance(problem, shutil.Error) else reason(problem)
        raise messages.session_not_copied(room, target, why) from problem


def _share(source: str, target: str) -> None:
    if Path(target).exists():
        return
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # a checkpoint goes when its training ends
    except OSError:
        shutil.copy2(source, target)
