"""What the panels say about a training, and the request that it becomes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_cellseg_ssl.core.methods.base import MethodInfo
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui.session.selection import Choices
from napari_cellseg_ssl.tasks import TrainRequest

CPU_THREADS = max(1, (os.cpu_count() or 2) - 1)
"""One core is left to the screen."""


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """What the panels say about a training.

    Parameters
    ----------
    time_budget : float, optional
        Seconds; None for as many steps as the options say.
    go_on : bool
        Whether to start from the current model, if the method can.
    starter : bool
        Whether to start from a starter model otherwise, if one fits the images.
    preview : bool
        Whether to show what the network makes of the visible part meanwhile.
    """

    options: Any
    preset: str = ""
    time_budget: float | None = None
    go_on: bool = False
    starter: bool = False
    preview: bool = True


def training_request(
    settings: LearnSettings,
    info: MethodInfo,
    current: ModelBundle | None,
    choices: Choices,
    device: str,
    out: Path,
) -> TrainRequest:
    """Ask for a training; image and painting are read in the worker, so they are not in here yet."""
    goes_on = settings.go_on and current is not None and info.accepts(current)
    otherwise: Literal["auto"] | None = "auto" if settings.starter else None
    image = choices.image_layer
    return TrainRequest(
        method_id=info.id,
        images=(),
        options=settings.options,
        preset=settings.preset,
        object_diameter=choices.diameter,
        device=device,
        time_budget=settings.time_budget,
        start_from=current if goes_on else otherwise,
        out=out,
        name=info.id if image is None else f"{info.id} {image.name}",
        threads=CPU_THREADS,
    )
