"""Where trainings that were started in the window are kept, so that nothing is lost when it closes."""

from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QStandardPaths

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
