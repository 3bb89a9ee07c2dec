"""Files that are downloaded once, kept, and checked whenever they are used."""

import shutil
import urllib.request
from pathlib import Path
from urllib.error import URLError

from napari_cellseg_ssl.core.errors import CellSegError, WrongOption
from napari_cellseg_ssl.core.io.records import hash_of

TIMEOUT_S = 20.0


def fetch(
    url: str, sha256: str, folder: Path, *, what: str, hint: str, error: type[CellSegError] = WrongOption
) -> Path:
    """Return a file of the internet, downloaded at the first use into a folder, and checked.

    Parameters
    ----------
    sha256 : str
        How the file's hash begins.
    what : str
        What the file is, in words.
    hint : str
        What to do on a machine without a network.
    error : type
        What is raised.

    Raises
    ------
    CellSegError
        If it cannot be downloaded or is not what it should be.
    """
    file = folder / url.rpartition("/")[2]
    if not file.exists():
        partial = file.with_suffix(".partial")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
        except (URLError, OSError) as problem:
            raise error(f"The {what} cannot be downloaded: {problem}.", hint) from problem
        partial.replace(file)
    found = hash_of(file)
    if not found.startswith(sha256):
        raise error(
            f"'{file}' is not the released file: its hash begins with {found[:8]}, not {sha256[:8]}.",
            "Delete it and try again.",
        )
    return file
