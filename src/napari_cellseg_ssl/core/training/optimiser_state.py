"""Optimiser state as named arrays, so that a checkpoint needs no pickle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.optim import Optimizer

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.training import messages


def optimiser_arrays(optimiser: Optimizer, prefix: str = "optimiser.") -> dict[str, Array]:
    """Copy the running averages of an optimiser; its settings are not included."""
    return {
        f"{prefix}{index}.{name}": torch.as_tensor(value).detach().cpu().numpy().copy()
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimiser(optimiser: Optimizer, arrays: Mapping[str, Array], prefix: str = "optimiser.") -> None:
    """Put the running averages back.

    Raises
    ------
    WrongRun
        If they are not those of the optimiser's parameters.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in arrays.items():
        if key.startswith(prefix):
            index, _, name = key.removeprefix(prefix).partition(".")
            place = int(index) if index.isdecimal() else len(parameters)
            if place >= len(parameters) or value.shape not in ((), tuple(parameters[place].shape)):
                raise messages.training_state_differs(key, value.shape)
            state.setdefault(place, {})[name] = torch.from_numpy(np.array(value))
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
