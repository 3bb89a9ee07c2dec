"""The folder of one session: what was open, what was painted, and the versions; from which a session comes back.

It is named by the time at which the session began, and holds

- `session.json`: images, choices, settings; written anew whenever one of them changes;
- `layers`: annotations, corrections and complete regions, at most half a minute old;
- `001 cellulus`, `002 actis`, …: the versions, run folders with what was painted then beside them.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from napari_cellseg_ssl.core.errors import reason
from napari_cellseg_ssl.core.io.complete_files import write_text
from napari_cellseg_ssl.core.io.records import DAMAGES, read_table, require_kinds
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.tasks.requests import Diameter
from napari_cellseg_ssl.tasks.session import messages

APP = "napari-cellseg-ssl"
RECORD_FILE, LAYERS_FOLDER = "session.json", "layers"
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "closed": bool,
    "images": list,
    "image": str,
    "annotation": str,
    "layers": list,
    "version": (int, type(None)),
    "n_cells": int,
    "method_id": str,
    "diameter": (int, float, str),
    "settings": dict,
}
"""Types of the entries of the record."""
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
        raise messages.session_not_writable(room, reason(problem)) from problem


def read_record(room: Path) -> SessionRecord | None:
    """Read what a session was about; None if it cannot be read."""
    try:
        found = read_table(room / RECORD_FILE)
        require_kinds(found, KINDS)
        if found.get("diameter", "auto") != "auto" and not 0 < float(found["diameter"]) < math.inf:
            raise ValueError(f"the diameter is {found['diameter']}")
        images = tuple(_image(image) for image in found.pop("images"))
        return SessionRecord(**{**found, "images": images, "layers": tuple(map(str, found["layers"]))})
    except (OSError, *DAMAGES):
        return None


def _image(found: dict[str, Any]) -> OpenImage:
    require_kinds(found, {"name": str, "fingerprint": str, "path": str, "plugin": str, "sample": list})
    return OpenImage(**{**found, "sample": tuple(map(str, found["sample"]))})


def last_saved(room: Path) -> datetime | None:
    """Return when a session was written last; None if it never was."""
    try:
        return datetime.fromtimestamp((room / RECORD_FILE).stat().st_mtime)
    except OSError:
        return None


def rooms(sessions: Path) -> list[Path]:
    """List the sessions that left something, newest first."""
    found = []
    for file in sessions.glob(f"*/{RECORD_FILE}"):
        with suppress(OSError):  # another window may be tidying up
            found.append((file.stat().st_mtime, file.parent))
    return [room for _, room in sorted(found, reverse=True)]


def tidy(sessions: Path, is_alive: Callable[[Path], bool]) -> None:
    """Remove sessions that are neither among the newest nor young, nor open in another window."""
    for room in rooms(sessions)[KEPT_SESSIONS:]:
        with suppress(OSError):
            days = (time.time() - (room / RECORD_FILE).stat().st_mtime) / 86400
            if days <= KEPT_DAYS or is_alive(room):
                continue
            shutil.rmtree(room, ignore_errors=True)
