"""Tables as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_cellseg_ssl.core.io.complete_files import complete_file, writing
from napari_cellseg_ssl.core.io.own_files import SOFTWARE, SOFTWARE_FIELD


def write_table(file: Path, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, with a last column that says what wrote it.

    Raises
    ------
    WrongImage
        If it cannot be written.
    """
    with writing(file), complete_file(file) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, SOFTWARE_FIELD])
        writer.writerows([*row, SOFTWARE] for row in rows)
