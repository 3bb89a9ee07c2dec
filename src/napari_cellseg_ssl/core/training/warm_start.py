"""What a training takes over from the model that it begins with, and when that model is given back as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_cellseg_ssl.core.training.held_out import Judged
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from torch import nn

    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

MEAN = "mean of channels"
"""What a model reads whose images may have any number of channels."""
START = "starter"
"""Name, among the networks that may be returned, of the starter."""
AS_IT_WAS = "the starter as it was"
NOT_BETTER = "Learning did not find clearly more held-out cells than it: paint where it is wrong."

Options = TypeVar("Options")
Net = TypeVar("Net", bound="nn.Module")


def as_large(options: Options, parent: ModelBundle, has: Mapping[str, Any]) -> tuple[Options, str]:
    """Take over the size of the network that learns on, and say so where another one was asked for.

    Parameters
    ----------
    options
        A frozen dataclass, the method's training options.
    has : {option: value}
        What the model has decided already.
    """
    told = "; ".join(
        f"{name} {value} instead of {getattr(options, name)}"
        for name, value in has.items()
        if value != getattr(options, name)
    )
    text = f"The network is as large as that of '{parent.name}', from which it starts: {told}." if told else ""
    changed: Any = options
    return replace(changed, **has), text


def as_it_was(run: Run, judged: Sequence[Judged], build: Callable[[], Net]) -> dict[str, Net]:
    """Take the model that a training began with for a candidate of what is returned, if the run keeps it.

    Few painted cells may spoil what it knew. And held-out cells are few, and tell nothing of what is found where nobody
    painted: so only a model that suits the images is kept, see `Run`.

    Parameters
    ----------
    judged : sequence of Judged
        What is held out; without any there is nothing to choose by.
    build
        Makes a network like that of the training.
    """
    if run.start_from is None or not run.keeps_start or not judged:
        return {}
    net = build().to(run.device)
    load_weights(net, run.start_from.weights)
    return {START: net.eval()}


def reading(bundle: ModelBundle, channels: int, first: Sequence[str], inputs: Sequence[str] = ()) -> ModelBundle:
    """Let a model that reads the mean of all channels read so many; any other one is returned as it is.

    A first convolution is linear, so its weights, divided among the channels, do the averaging.

    Parameters
    ----------
    first : sequence of str
        Names of the weights (K, C, Y, X) of the convolutions that see the image.
    inputs : sequence of str
        Names of the values (1, C, 1, 1) by which each channel is shifted or scaled before.
    """
    described: Mapping[str, Any] = bundle.architecture
    if described.get("reads") != MEAN or described["in_channels"] == channels:
        return bundle
    changed = {}
    for name in (*first, *inputs):
        mean = bundle.weights[name].mean(axis=1, keepdims=True)
        if name in first:
            mean = mean * described["in_channels"] / channels
        changed[name] = np.repeat(mean, channels, axis=1)
    return replace(bundle, architecture={**described, "in_channels": channels}, weights={**bundle.weights, **changed})
