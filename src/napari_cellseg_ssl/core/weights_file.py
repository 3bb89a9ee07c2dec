"""Named arrays in a safetensors file: the one place that knows the format. Needs no torch; nothing is unpickled."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as content:
            arrays = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - not a dict
            meta = json.loads((content.metadata() or {}).get(_META_KEY, "{}"))
    except (OSError, SafetensorError, ValueError, TypeError) as problem:
        raise WrongRun(
            f"'{file}' cannot be read: {problem}.", "It is missing, damaged or of another kind; use another run."
        ) from problem
    return arrays, meta
