"""Small files: JSON records as they come back from disk, where anybody may have changed them, logs, and hashes."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DAMAGES = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, csv.Error)
"""What reading a damaged or hostile record raises."""


def read_table(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds names and values.

    Raises
    ------
    OSError, or one of `DAMAGES`
        If it cannot be read, or holds something else.
    """
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"it holds {type(found).__name__}, not names and values")
    return found


def require_kinds(found: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]) -> None:
    """Refuse a record in which a value is of another type.

    Raises
    ------
    TypeError
        If so.
    """
    for name, kind in kinds.items():
        if name in found and not isinstance(found[name], kind):
            raise TypeError(f"'{name}' is {found[name]!r:.50}")


def append_lines(file: Path, lines: Iterable[str]) -> None:
    """Write lines at the end of a text file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with file.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def last_lines(file: Path, count: int) -> list[str]:
    """Read the end of a text file; empty where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        return []


def hash_of(file: Path) -> str:
    """SHA-256 of what is in a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
