"""Weight files that others released: downloaded once and checked, or picked by the user. Only tensors are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_cellseg_ssl.core.errors import how_to_read, reason
from napari_cellseg_ssl.core.model import downloads
from napari_cellseg_ssl.core.model.weights_file import require_readable
from napari_cellseg_ssl.core.nets import messages

WRAPPERS = ("state_dict", "model")
"""Entries under which training programs keep the tensors, beside what they need to go on."""


def cache() -> Path:
    """Return the folder in which torch keeps released weights."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch(url: str, sha256: str, *, hint: str) -> Path:
    """Return a released file, downloaded at the first use to where torch keeps such files, and checked.

    Parameters
    ----------
    sha256 : str
        How the file's hash begins, which publishers put into its name.
    hint : str
        What to do on a machine without a network.

    Raises
    ------
    WrongOption
        If it cannot be downloaded or is not what it should be.
    """
    return downloads.fetch(url, sha256, cache(), what="released weights", hint=hint)


def read(file: Path, *, hint: str) -> dict[str, Tensor]:
    """Read the tensors of a .pth or .safetensors file; of a .pth file nothing else is accepted.

    Raises
    ------
    WrongOption
        If the file is missing or damaged, may not be read, holds more than tensors and plain values, or NaN or
        infinity.
    """
    try:
        require_readable(file)
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: dict[str, Any] = dict(load_file(file))
        else:
            content = dict(torch.load(file, map_location="cpu", weights_only=True))
    except FileNotFoundError as problem:
        raise messages.no_such_weight_file(file, hint) from problem
    except PermissionError as problem:
        raise messages.weight_file_not_readable(file, reason(problem), how_to_read(problem, hint)) from problem
    except Exception as problem:
        raise messages.weight_file_cannot_be_read(file, problem, hint) from problem
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    for name, value in tensors.items():
        if value.is_floating_point() and not value.sum(dtype=torch.float64).isfinite():
            raise messages.weight_file_not_finite(file, name, hint)
    return tensors


def differs(given: Tensor, place: Tensor) -> str:
    """Say how a tensor of a file differs in kind from the network's; "" where it may be put there."""
    if given.is_floating_point() == place.is_floating_point():
        return ""
    return f"{given.dtype} instead of {place.dtype}".replace("torch.", "")
