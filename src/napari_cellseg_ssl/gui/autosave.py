"""Where trainings that were started in the window are kept, so that nothing is lost when it closes."""

from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QStandardPaths

from napari_cellseg_ssl.core.bundle import CHECKPOINT_FILE, RUN_FILE

FOLDER = "napari-cellseg-ssl"


def runs_folder() -> Path:
    """Folder of this user's runs; it is made when the first training starts."""
    place = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(place) / FOLDER / "runs"


def new_run(method_id: str) -> Path:
    """Name a folder for a new run; nothing is made yet."""
    stem = f"{datetime.now():%Y-%m-%d %H-%M-%S} {method_id}"
    folder, number = runs_folder() / stem, 2
    while folder.exists():
        folder, number = runs_folder() / f"{stem} {number}", number + 1
    return folder


def interrupted_run() -> Path | None:
    """Return the newest training that began here and never ended, if there is one."""
    found = [file.parent for file in runs_folder().glob(f"*/{CHECKPOINT_FILE}")]
    unfinished = [folder for folder in found if not (folder / RUN_FILE).exists()]
    return max(unfinished, key=lambda folder: (folder / CHECKPOINT_FILE).stat().st_mtime, default=None)
