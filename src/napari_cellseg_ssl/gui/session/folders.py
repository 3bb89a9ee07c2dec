"""Which folder a file dialog or a field begins with: that of the image, else the one that was used last."""

import os
from pathlib import Path

from napari.layers import Layer
from qtpy.QtCore import QSettings

from napari_cellseg_ssl.tasks.session.folder import sessions_folder

FILE, LAST = "window.ini", "last_export_folder"


def folder_of(layer: Layer) -> Path | None:
    """Return the folder in which the file of a layer lies; None where that is not known, or not to be written in."""
    path = layer.source.path
    folder = Path(path).expanduser().parent if path else None
    return folder if folder is not None and folder.is_dir() and os.access(folder, os.W_OK) else None


def last_folder() -> Path | None:
    """Return the folder of the last export, of this window or of an earlier one; None where it is gone."""
    text = str(_settings().value(LAST, "") or "")
    return Path(text) if text and Path(text).is_dir() else None


def remember_folder(folder: Path) -> None:
    """Note the folder of an export."""
    settings = _settings()
    settings.setValue(LAST, str(folder.absolute()))
    settings.sync()


def _settings() -> QSettings:
    return QSettings(str(sessions_folder().parent / FILE), QSettings.Format.IniFormat)
