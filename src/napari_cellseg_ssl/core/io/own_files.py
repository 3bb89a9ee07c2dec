"""Which files this package wrote: it says so in them, and replaces no others unless it is told to.

TIFF, PNG and tables name the software; a ZIP file does in its comment, JSON in its first entry; OME-Zarr has an
attribute of ours. A file that another program has written anew, or that a person has converted, is not known any more.
"""

import csv
import json
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from napari_cellseg_ssl._version import __version__
from napari_cellseg_ssl.core.io import messages

PROGRAM = "napari-cellseg-ssl"
SOFTWARE = f"{PROGRAM} {__version__}"
SOFTWARE_FIELD = "software"
"""Of JSON files and attributes, and the last column of tables."""
ZARR_RECORD, ZARR_SUFFIX = "cellseg_ssl", ".zarr"
_TIFF_SOFTWARE_TAG = 305
_HEAD = 500
"""Characters of a JSON file within which it says what wrote it."""


def require_own(files: Iterable[Path], *, overwrite: bool = False) -> None:
    """Make sure that none of the files to be written is there already as somebody else's.

    A folder where a file is to go is never replaced: who writes will say so.

    Parameters
    ----------
    overwrite : bool
        Whether the user allows it.

    Raises
    ------
    WouldOverwrite
        If one is.
    """
    if overwrite:
        return
    for file in files:
        if file.exists() and not is_own(file) and (file.is_file() or file.suffix == ZARR_SUFFIX):
            raise messages.not_ours(file, PROGRAM)


def is_own(path: Path) -> bool:
    """Whether there is nothing to lose in a file or OME-Zarr: this package wrote it, or it is empty."""
    if path.is_dir():
        return _is_own_zarr(path)
    if not path.is_file():
        return True  # a pipe or device keeps nothing
    try:
        return path.stat().st_size == 0 or _CHECKS.get(path.suffix.lower(), _is_unknown)(path)
    except Exception:  # noqa: BLE001 - readers of foreign files raise anything, and none of it makes the file ours
        return False


def _is_ours(text: object) -> bool:
    return isinstance(text, str) and text.startswith(PROGRAM)


def _is_own_tiff(file: Path) -> bool:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        tag = tiff.pages[0].tags.get(_TIFF_SOFTWARE_TAG)
        return tag is not None and _is_ours(tag.value)


def _is_own_png(file: Path) -> bool:
    from PIL import Image

    with Image.open(file) as picture:
        return _is_ours(picture.info.get("Software"))


def _is_own_zip(file: Path) -> bool:
    with ZipFile(file) as archive:
        return _is_ours(archive.comment.decode(errors="ignore"))


def _is_own_table(file: Path) -> bool:
    with file.open(newline="", encoding="utf-8") as stream:
        header, *rows = islice(csv.reader(stream), 2)
    return header[-1:] == [SOFTWARE_FIELD] and all(_is_ours(row[-1]) for row in rows)


def _is_own_json(file: Path) -> bool:
    """Look at the beginning only: masks of a whole slide take long to read."""
    with file.open(encoding="utf-8") as stream:
        return f'"{SOFTWARE_FIELD}": "{PROGRAM} ' in stream.read(_HEAD)


def _is_own_zarr(folder: Path) -> bool:
    """Read the attributes of either version of Zarr, for which zarr need not be installed."""
    for name in ("zarr.json", ".zattrs"):
        try:
            found: Any = json.loads((folder / name).read_text(encoding="utf-8"))
            return ZARR_RECORD in (found["attributes"] if name == "zarr.json" else found)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return False


def _is_unknown(file: Path) -> bool:
    return False


_CHECKS: dict[str, Callable[[Path], bool]] = {
    ".tif": _is_own_tiff,
    ".tiff": _is_own_tiff,
    ".png": _is_own_png,
    ".zip": _is_own_zip,
    ".csv": _is_own_table,
    ".json": _is_own_json,
}
