"""The folder of one session: what was open, what was painted, and the versions; from which a session comes back.

It is named by the time at which the session began, and holds

- `session.json`: images, choices, settings; written anew whenever one of them changes;
- `layers`: annotations, corrections and complete regions, at most half a minute old;
- `001 cellulus`, `002 actis`, …: the versions, run folders with what was painted then beside them.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from platformdirs import user_data_path

from napari_cellseg_ssl.core.complete_files import write_text
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.tasks.requests import Diameter

APP = "napari-cellseg-ssl"
RECORD_FILE, LAYERS_FOLDER = "session.json", "layers"
KEPT_SESSIONS, KEPT_DAYS = 20, 30
"""The newest so many sessions stay, and all that are younger than so many days."""


@dataclass(frozen=True, kw_only=True)
class OpenImage:
    """An image that was open, and where it came from, if that is known.

    Parameters
    ----------
    fingerprint : str
        By which it is known again.
    path : str
        Its file or folder; "" if it was made in the session.
    plugin : str
        What read the file.
    sample : (plugin, name)
        Of sample data; empty otherwise.
    """

    name: str
    fingerprint: str
    path: str = ""
    plugin: str = ""
    sample: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """What a session was about.

    Parameters
    ----------
    closed : bool
        Whether its window was closed in order, and not in the middle of a job.
    images : tuple of OpenImage
    image, annotation : str
        Fingerprint of the chosen image, key of the chosen painting.
    layers : tuple of str
        Keys of the kept layers that were still open.
    version : int, optional
        The current one.
    n_cells : int
        Painted cells, for the offer to restore.
    settings : {str: Json}
        How the panels stood.
    """

    closed: bool = False
    images: tuple[OpenImage, ...] = ()
    image: str = ""
    annotation: str = ""
    layers: tuple[str, ...] = ()
    version: int | None = None
    n_cells: int = 0
    method_id: str = ""
    diameter: Diameter = "auto"
    settings: Mapping[str, Json] = field(default_factory=dict)


def sessions_folder() -> Path:
    """Folder of this user's sessions; it is made when the first one has something to keep."""
    return user_data_path(APP, appauthor=False) / "sessions"


def new_room(sessions: Path) -> Path:
    """Name the folder of a new session; nothing is made yet."""
    stem = f"{datetime.now():%Y-%m-%d %H-%M-%S}"
    room, number = sessions / stem, 2
    while room.exists():
        room, number = sessions / f"{stem} {number}", number + 1
    return room


def write_record(room: Path, record: SessionRecord) -> None:
    """Write what a session is about.

    Raises
    ------
    WrongRun
        If the folder cannot be written.
    """
    try:
        write_text(room / RECORD_FILE, json.dumps({**asdict(record), "settings": dict(record.settings)}))
    except OSError as problem:
        raise WrongRun(f"'{room}' cannot be written: {problem.strerror}.", "Free some space.") from problem


def read_record(room: Path) -> SessionRecord | None:
    """Read what a session was about; None if it cannot be read."""
    try:
        found = json.loads((room / RECORD_FILE).read_text(encoding="utf-8"))
        images = tuple(OpenImage(**{**image, "sample": tuple(image["sample"])}) for image in found.pop("images"))
        return SessionRecord(**{**found, "images": images, "layers": tuple(found["layers"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def rooms(sessions: Path) -> list[Path]:
    """List the sessions that left something, newest first."""
    found = [file.parent for file in sessions.glob(f"*/{RECORD_FILE}")]
    return sorted(found, key=lambda room: (room / RECORD_FILE).stat().st_mtime, reverse=True)


def tidy(sessions: Path, is_alive: Callable[[Path], bool]) -> None:
    """Remove sessions that are neither among the newest nor young, nor open in another window."""
    for room in rooms(sessions)[KEPT_SESSIONS:]:
        days = (time.time() - (room / RECORD_FILE).stat().st_mtime) / 86400
        if days > KEPT_DAYS and not is_alive(room):
            shutil.rmtree(room, ignore_errors=True)
