"""Named arrays in a safetensors file: the one place that knows the format. Needs no torch; nothing is unpickled."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import how_to_read, reason
from napari_cellseg_ssl.core.io.complete_files import complete_file
from napari_cellseg_ssl.core.model import messages
from napari_cellseg_ssl.core.options import Json

_META_KEY = "cellseg_ssl"
MAY_BE_NAN = ("confidence.thresholds",)
"""How names end of arrays in which NaN has a meaning: ACTIS has not met the class yet."""


def save_arrays(file: Path, arrays: Mapping[str, Array], meta: Mapping[str, Json] | None = None) -> None:
    """Write arrays and a JSON record atomically: a reader sees the old file or the new one, never a half.

    Raises
    ------
    OSError
        If it cannot be written; what was there stays as it is.
    """
    with complete_file(file) as partial:
        write_arrays(partial, arrays, meta)


def write_arrays(file: Path, arrays: Mapping[str, Array], meta: Mapping[str, Json] | None = None) -> None:
    """Write arrays and a JSON record, for a caller who takes care that a half is not taken for the whole.

    The library makes the bytes and Python writes them: its own writer says neither what the system said nor lets
    others read the file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    try:
        content = save(
            {name: np.asarray(array, order="C") for name, array in arrays.items()},
            metadata={_META_KEY: json.dumps(dict(meta or {}))},
        )
    except SafetensorError as problem:
        raise OSError(f"{problem}") from problem
    file.write_bytes(content)


def load_arrays(file: Path) -> tuple[dict[str, Array], dict[str, Json]]:
    """Read arrays and their JSON record.

    Raises
    ------
    WrongRun
        If the file is missing, truncated, not a safetensors file or may not be read, or if it holds NaN or infinity.
    """
    with _opened(file) as content:
        arrays = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - not a dict
        meta = _meta(content)
    for name, array in arrays.items():
        if not is_sound(name, array):
            raise messages.weights_not_finite(file, name)
    return arrays, meta


def is_sound(name: str, array: Array) -> bool:
    """Whether all numbers of an array are finite, or NaN where that means something."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64 if array.dtype.kind == "f" else np.complex128)):
            return True
    return bool(np.isfinite(array[~np.isnan(array)] if name.endswith(MAY_BE_NAN) else array).all())


def load_meta(file: Path) -> dict[str, Json]:
    """Read the JSON record alone, which takes no time however large the arrays are.

    Raises
    ------
    WrongRun
        As `load_arrays`.
    """
    with _opened(file) as content:
        return _meta(content)


def require_readable(file: Path) -> None:
    """Refuse a file that cannot be opened, for the libraries say of each such file that there is none, or wait for it.

    Raises
    ------
    OSError
        With the system's reason.
    """
    if file.exists() and not file.is_file():
        raise OSError("it is no file")
    with file.open("rb"):
        pass


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        require_readable(file)
        with safe_open(file, framework="numpy") as content:
            yield content
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as problem:
        what = reason(problem) if isinstance(problem, OSError) else problem
        hint = how_to_read(problem, "It is missing, damaged or of another kind; use another run.")
        raise messages.weights_unreadable(file, what, hint) from problem


def _meta(content: Any) -> dict[str, Json]:
    found = json.loads((content.metadata() or {}).get(_META_KEY, "{}"))
    if not isinstance(found, dict):
        raise ValueError("its record is no table of names and values")
    return found
