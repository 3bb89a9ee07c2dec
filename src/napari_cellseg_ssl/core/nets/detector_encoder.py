"""The backbone of a detector as the encoder of a network that says of each pixel what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport, fit
from napari_cellseg_ssl.core.nets.expects_inputs import OnResNet
from napari_cellseg_ssl.core.nets.names import DETECTOR, RESNETS
from napari_cellseg_ssl.core.training.weights import NET

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

BY_BATCH = ("batch", "frozen")
"""Normalisations that an encoder has the same tensors for."""


def is_detector(model: ModelBundle | None) -> bool:
    """Whether a model has a backbone that can be begun with."""
    return model is not None and model.architecture.get("tag") == DETECTOR


def begin_with_detector(net: OnResNet, name: str, model: ModelBundle) -> LoadReport:
    """Put the backbone of a trained detector into a network's encoder, and give it images as the detector knows them.

    Parameters
    ----------
    name : str
        What the encoder is called.

    Raises
    ------
    WrongRun
        If the detector stands on another one.
    """
    described: Any = model.architecture.get("detector")
    if not is_detector(model) or not isinstance(described, dict):
        raise messages.model_is_no_detector(model.name)
    backbone, norm = described.get("backbone"), described.get("norm")
    if backbone != name:
        hint = f"Set encoder={backbone}." if backbone in RESNETS else f"Train a detector on {name}, or start from none."
        raise messages.other_backbone(model.name, backbone, name, hint)
    if norm not in BY_BATCH:
        raise messages.other_norm(model.name, norm)
    tensors = {key: torch.from_numpy(np.array(value)) for key, value in model.weights.items() if key.startswith(NET)}
    report, fitting = fit(net.encoder, tensors, f"model '{model.name}'")
    if report.not_loaded:
        raise messages.weights_incomplete(model.name, name, report)
    net.encoder.load_state_dict({**net.encoder.state_dict(), **fitting})
    net.expect(*(report.inputs or ()))
    return report
