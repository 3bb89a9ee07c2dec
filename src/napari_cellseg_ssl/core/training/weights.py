"""Weights of a network as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.training import messages

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.model.bundle import ModelBundle

NET = "net."


def load_weights(net: nn.Module, weights: Mapping[str, Array], prefix: str = NET) -> None:
    """Put arrays into a network.

    Raises
    ------
    WrongRun
        If names, shapes or kinds of numbers differ.
    """
    import torch

    own = {name.removeprefix(prefix): a for name, a in weights.items() if name.startswith(prefix)}
    for name, place in net.state_dict().items():
        if name in own and place.is_floating_point() != (own[name].dtype.kind == "f"):
            raise messages.weights_of_another_type(name, own[name].dtype, place.dtype)
    try:
        net.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in own.items()})
    except (RuntimeError, TypeError) as problem:
        raise messages.weights_do_not_fit(problem) from problem


def start_from(net: nn.Module, parent: ModelBundle, architecture: Mapping[str, Any]) -> None:
    """Begin with the weights of a model of the same architecture.

    Raises
    ------
    WrongRun
        If the model differs in something that `architecture` names.
    """
    for key, value in architecture.items():
        if parent.architecture.get(key) != value:
            raise messages.start_has_other_settings(parent.name, key, parent.architecture.get(key), value)
    load_weights(net, parent.weights)


def weights_of(net: nn.Module, prefix: str = NET) -> dict[str, Array]:
    """Copy a network's weights into named arrays."""
    return {prefix + name: tensor.detach().cpu().numpy().copy() for name, tensor in net.state_dict().items()}
