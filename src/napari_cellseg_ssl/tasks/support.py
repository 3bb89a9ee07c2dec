"""What somebody who helps needs to know: versions, device, and the last lines of the log."""

import importlib.metadata
import logging
import platform
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from napari_cellseg_ssl._version import __version__
from napari_cellseg_ssl.core.io.records import append_lines

LOG_FILE = "log.txt"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SHOWN_LINES = 40
PACKAGES = (
    "napari",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "torch",
    "tifffile",
    "imagecodecs",
    "zarr",
    "stardist",
    "PyQt6",
    "PySide6",
    "PyQt5",
)


class RecentLines(logging.Handler):
    """The last lines of the log, kept in memory until there is a file for them.

    Parameters
    ----------
    capacity : int
        How many lines are kept.
    """

    def __init__(self, capacity: int = 500) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines: deque[str] = deque(maxlen=capacity)
        self._file: Path | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, and write it where there is a file; a log that cannot be written stops nothing."""
        line = self.format(record)
        self.lines.append(line)
        self._write([line])

    def write_to(self, file: Path) -> None:
        """Write what is kept into a file, and every further line too."""
        if file != self._file:
            self._file = file
            self._write(list(self.lines))

    def _write(self, lines: list[str]) -> None:
        if self._file is None:
            return
        try:
            append_lines(self._file, lines)
        except OSError:
            self._file = None


def logger() -> logging.Logger:
    """Return the one logger of the package; it says nothing unless a front end listens."""
    return logging.getLogger("napari_cellseg_ssl")


def versions() -> dict[str, str]:
    """Versions of the package, of Python, and of what it stands on, as far as it is installed; imports nothing."""
    found = {"napari-cellseg-ssl": __version__, "Python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device() -> str:
    """Say which device a job would use, and why; imports torch."""
    from napari_cellseg_ssl.core.devices import pick_device

    try:
        return pick_device().why
    except ImportError as problem:
        return f"none: PyTorch cannot be loaded ({problem})"


def newest_log(sessions: Path) -> Path | None:
    """Find the log that was written last, of any session."""
    files = list(sessions.glob(f"*/{LOG_FILE}"))
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def report(facts: Mapping[str, str], lines: list[str], problem: str = "") -> str:
    """Put together what is pasted into an issue.

    Parameters
    ----------
    facts : {name: value}
        Versions and device.
    lines : list of str
        The end of the log.
    problem : str
        What went wrong, with its traceback if there is one.
    """
    parts = [problem.strip()] if problem.strip() else []
    parts.append("\n".join(f"{name}: {value}" for name, value in facts.items()))
    parts.append("\n".join(["log:", *lines]) if lines else "log: empty")
    return "\n\n".join(parts) + "\n"
