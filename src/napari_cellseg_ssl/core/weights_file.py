"""Named arrays in a safetensors file: the one place that knows the format. Needs no torch; nothing is unpickled."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.options import Json

_META_KEY = "cellseg_ssl"


def save_arrays(file: Path, arrays: Mapping[str, Array], meta: Mapping[str, Json] | None = None) -> None:
    """Write arrays and a JSON record atomically: a reader sees the old file or the new one, never a half."""
    from safetensors.numpy import save_file

    partial = file.with_name(f".{file.name}.partial")
    save_file(
        {name: np.array(array, order="C") for name, array in arrays.items()},
        partial,
        metadata={_META_KEY: json.dumps(dict(meta or {}))},
    )
    os.replace(partial, file)


def load_arrays(file: Path) -> tuple[dict[str, Array], dict[str, Json]]:
    """Read arrays and their JSON record.

    Raises
    ------
    WrongRun
        If the file is missing, truncated or not a safetensors file.
    """
    with _opened(file) as content:
        return {name: content.get_tensor(name) for name in content.keys()}, _meta(content)  # noqa: SIM118 - not a dict


def load_meta(file: Path) -> dict[str, Json]:
    """Read the JSON record alone, which takes no time however large the arrays are.

    Raises
    ------
    WrongRun
        As `load_arrays`.
    """
    with _opened(file) as content:
        return _meta(content)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as content:
            yield content
    except (OSError, SafetensorError, ValueError, TypeError) as problem:
        raise WrongRun(
            f"'{file}' cannot be read: {problem}.", "It is missing, damaged or of another kind; use another run."
        ) from problem


def _meta(content: Any) -> dict[str, Json]:
    found: dict[str, Json] = json.loads((content.metadata() or {}).get(_META_KEY, "{}"))
    return found
