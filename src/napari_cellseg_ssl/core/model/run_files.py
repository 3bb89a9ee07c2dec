"""The files of a run folder by their names, and its history: one row for each recorded step."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_cellseg_ssl.core.io.complete_files import complete_file

RUN_FILE, WEIGHTS_FILE, HISTORY_FILE = "run.json", "weights.safetensors", "history.csv"
CHECKPOINT_FILE = "checkpoint.safetensors"


def write_history(file: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the history of a training that goes on.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with complete_file(file) as partial:
        write_rows(partial, history)


def write_rows(file: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write a table as CSV, with all columns that a row has."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(history)


def read_history(file: Path) -> tuple[Mapping[str, float], ...]:
    """Read the history of a training; empty where there is none."""
    if not file.exists():
        return ()
    with file.open(newline="", encoding="utf-8") as stream:
        return tuple({name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream))
