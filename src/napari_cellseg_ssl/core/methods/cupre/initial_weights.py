"""What a training begins with: a detector at random, with given weights, or that of an earlier model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.nets.names import AT_RANDOM, NO_WEIGHTS
from napari_cellseg_ssl.core.options import Json

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.detector.detector import Detector

CROPS_TO_MEASURE = 16


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A detector, whether it has learned before, and a sentence on it."""

    detector: Detector
    has_learned: bool
    told: str

    def state(self) -> dict[str, Json]:
        """Describe what a checkpoint needs so that a training can begin with it again."""
        return {"detector": self.detector.config.as_json(), "has_learned": self.has_learned}


def begin(options: CupreOptions, in_channels: int, run: Run) -> Beginning:
    """Build the detector.

    An earlier model keeps its own layout, whatever the options say.

    Raises
    ------
    WrongOption
        If weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` has other channels.
    """
    import torch

    from napari_cellseg_ssl.core.nets.detector.coco_weights import fitted_config, load_detector, read_weights
    from napari_cellseg_ssl.core.nets.detector.config import PRESETS, DetectorConfig
    from napari_cellseg_ssl.core.nets.detector.detector import Detector

    if run.resume is not None:
        layout = DetectorConfig.from_json(_layout_of(run))
        return Beginning(detector=Detector(layout), has_learned=bool(run.resume.meta["has_learned"]), told="")
    if run.start_from is not None:
        return _go_on(run.start_from, in_channels)
    config = replace(PRESETS[options.detector], in_channels=in_channels)
    tensors, source = ({}, "") if options.weights == NO_WEIGHTS else read_weights(options.weights)
    if tensors:
        config = fitted_config(config, tensors)
    with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
        torch.manual_seed(run.seed)
        detector = Detector(config)
    if not tensors:
        return Beginning(detector=detector, has_learned=False, told=AT_RANDOM)
    return Beginning(detector=detector, has_learned=True, told=str(load_detector(detector, tensors, source)))


def expect(detector: Detector, crops: ObjectCrops, seed: int) -> None:
    """Make a detector at random shift and scale images by the mean and spread of those that it learns from."""
    pixels = crops.unchanged(np.random.default_rng(seed), CROPS_TO_MEASURE).numpy()
    detector.expect(pixels.mean((0, 2, 3)).tolist(), np.maximum(pixels.std((0, 2, 3)), 1e-3).tolist())


def _layout_of(run: Run) -> dict[str, Json]:
    layout = run.resume.meta.get("detector") if run.resume else None
    if not isinstance(layout, dict):
        raise messages.checkpoint_without_detector()
    return layout


def _go_on(start: ModelBundle, in_channels: int) -> Beginning:
    from napari_cellseg_ssl.core.methods.cupre.network import build
    from napari_cellseg_ssl.core.training.weights import load_weights

    if start.architecture.get("in_channels") != in_channels:
        raise messages.start_has_other_channels(start.name, start.architecture.get("in_channels"), in_channels)
    detector = build(start.architecture)
    load_weights(detector, start.weights)
    return Beginning(detector=detector, has_learned=True, told=f"Begins with the model '{start.name}'.")
