"""Files and folders that have their name only once they are complete: written beside it, then renamed.

Whatever ends the writing (an error, Ctrl-C, a full disk) removes what was written so far. What a kill -9 or a power
cut leaves is hidden, has a suffix that no reader takes, and is removed by the next program that writes beside it.
"""

import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from napari_cellseg_ssl.core.errors import CellSegError, WrongImage

SUFFIX = ".partial"
_NAME = re.compile(rf"\..+\.([0-9a-f]{{6}})-(\d+)-[0-9a-f]{{6}}{re.escape(SUFFIX)}")
_LONGEST_NAME = 180
"""Bytes of the final name that the name of an unfinished file begins with; file systems allow 255 in all."""
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which an unfinished file of another machine, whose programs cannot be asked, is taken for left over."""
_ours: dict[Path, Path] = {}
"""What this process is writing, and the names that it is to get."""
_modes: dict[Path, int] = {}
"""Permissions of new files, where unfinished ones are."""
_tidied: set[Path] = set()
"""Folders in which this process has looked for left-overs."""


@contextmanager
def complete_file(file: Path) -> Iterator[Path]:
    """Give the name under which a file is to be written; it replaces the file when the block ends without an error.

    The folder is made. The file gets the permissions that any new file gets, whoever wrote it. What is no ordinary
    file, such as a pipe, is written to directly.

    Raises
    ------
    OSError
        If it cannot be written or replaced.
    """
    with complete_files(file) as (partial,):
        yield partial


@contextmanager
def complete_files(*files: Path) -> Iterator[tuple[Path, ...]]:
    """Do what `complete_file` does for files that belong together: all are replaced once all are complete."""
    with ExitStack() as stack:
        partials = tuple(stack.enter_context(unfinished_file(file)) for file in files)
        yield partials
        finish(dict(zip(partials, files, strict=True)))


@contextmanager
def unfinished_file(file: Path) -> Iterator[Path]:
    """Do what `complete_file` does, except that the file is removed unless the block calls `finish`."""
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(file))
    if file.exists() and not file.is_file():
        yield file
        return
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected", str(file))
    partial = _named(file)
    try:
        with partial.open("xb") as stream:
            _modes[partial] = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        yield partial
    finally:
        _forget(partial)


def finish(files: Mapping[Path, Path]) -> None:
    """Give unfinished files their names, none before all of them are on the disk.

    Parameters
    ----------
    files : {unfinished: final}
        From `unfinished_file`.

    Raises
    ------
    OSError
        If one of them cannot be written or replaced.
    """
    ordinary = {partial: file for partial, file in files.items() if partial in _modes}
    for partial in ordinary:
        mode = _modes[partial]
        if stat.S_IMODE(partial.stat().st_mode) != mode:  # some libraries make files that nobody else may read
            partial.chmod(mode)
        _flush(partial)
    for partial, file in ordinary.items():
        os.replace(partial, file)
    for folder in {file.parent for file in ordinary.values()}:
        _flush_folder(folder)


@contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """Give the name of an empty folder to fill; it replaces the folder when the block ends without an error.

    Raises
    ------
    OSError
        If it cannot be written or replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is a file", str(folder))
    partial, former = _named(folder), _named(folder)
    partial.mkdir()
    try:
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                _flush(path)
        if folder.exists():
            os.replace(folder, former)
        try:
            os.replace(partial, folder)
        except OSError:
            if former.exists():
                os.replace(former, folder)
            raise
        _flush_folder(folder.parent)
    finally:
        _forget(partial)
        _forget(former)


@contextmanager
def writing(target: Path, error: type[CellSegError] = WrongImage) -> Iterator[None]:
    """Say in one line that a file or folder cannot be written, by the name that it is to get.

    Raises
    ------
    CellSegError
        Of the type wanted, in place of OSError.
    """
    try:
        yield
    except OSError as problem:
        name, reason = _ours.get(target, target), problem.strerror or str(problem)
        raise error(f"'{name}' cannot be written: {reason}.", "Choose another place, or free some space.") from problem


def write_text(file: Path, text: str) -> None:
    """Write a text file: a reader sees the old one or the new one, never a half.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with complete_file(file) as partial:
        partial.write_text(text, encoding="utf-8")


def remove_left_over(folder: Path) -> None:
    """Remove what programs that are no longer running have left unfinished in a folder."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if (
                path.name.startswith(".")
                and (found := _NAME.fullmatch(path.name))
                and _is_left_over(path, *found.groups())
            ):
                _remove(path)


def _named(target: Path) -> Path:
    """Name an unfinished file beside its target, in a folder that is made and tidied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.parent not in _tidied:
        remove_left_over(target.parent)
        _tidied.add(target.parent)
    name = target.name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    partial = target.with_name(f".{name}.{_machine()}-{os.getpid()}-{secrets.token_hex(3)}{SUFFIX}")
    _ours[partial] = target
    return partial


def _forget(partial: Path) -> None:
    _remove(partial)
    _ours.pop(partial, None)
    _modes.pop(partial, None)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _is_left_over(path: Path, machine: str, process: str) -> bool:
    if machine != _machine():
        return time.time() - path.stat().st_mtime > _ABANDONED_AFTER
    if int(process) == os.getpid():
        return path not in _ours
    import psutil

    return not psutil.pid_exists(int(process))


def _machine() -> str:
    """Six digits for what process numbers are valid in: this computer, or this container on it."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:  # not on Linux
        container = ""
    return hashlib.sha256(f"{platform.node()} {container}".encode()).hexdigest()[:6]


def _flush(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
