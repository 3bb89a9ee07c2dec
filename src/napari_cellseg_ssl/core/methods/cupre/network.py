"""The detector of a model: built from its configuration or from a bundle, and asked window by window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.nets.names import DETECTOR as TAG
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
    from napari_cellseg_ssl.core.nets.detector.detector import Detector

OBJECTNESS = "objectness"
"""Name of the dense map."""
HALO = 64
"""px around a part of an image that it is seen with, where it cannot be seen whole."""


def architecture(config: DetectorConfig, working_diameter: float) -> dict[str, Json]:
    """Describe a detector, so that `build` makes it again."""
    return {
        "tag": TAG,
        "in_channels": config.in_channels,
        "spatial_ndim": 2,
        "detector": config.as_json(),
        "working_diameter": working_diameter,
    }


def build(described: Mapping[str, Any]) -> Detector:
    """Build the detector that `architecture` describes.

    Raises
    ------
    WrongRun
        If this version does not know it.
    """
    from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
    from napari_cellseg_ssl.core.nets.detector.detector import Detector
    from napari_cellseg_ssl.core.nets.detector.pyramid import BODIES

    if described.get("tag") != TAG:
        raise messages.not_a_detector(described.get("tag"))
    config = DetectorConfig.from_json(described["detector"])
    if config.backbone not in BODIES:
        raise shared.unknown_network(config.backbone)
    return Detector(config)


class CuprePredictor:
    """Objects and their objectness in windows; see `Predictor` and `Detects`.

    Parameters
    ----------
    detector : Detector
        In prediction mode, on the device.
    described : {str: Json}
        The architecture.
    """

    def __init__(self, detector: Detector, described: Mapping[str, Any], device: str) -> None:
        from napari_cellseg_ssl.core.nets.detector.detector import MULTIPLE

        self._detector, self._device = detector, device
        self.working_diameter: float | None = described["working_diameter"]
        self.multiple_of, self.halo = MULTIPLE, HALO

    def look(self, window: Array) -> tuple[Detections, dict[str, Array]]:
        """Find the objects of a window (C, Y, X), and its objectness (1, Y, X)."""
        found, objectness = self._look(window[None])
        return found[0], {OBJECTNESS: objectness[0]}

    def __call__(self, crops: Array, origins: Array) -> dict[str, Array]:
        """Predict the objectness of (B, C, Y, X) without their objects."""
        return {OBJECTNESS: self._look(crops)[1]}

    def _look(self, images: Array) -> tuple[list[Detections], Array]:
        import torch

        found, objectness = self._detector.look(torch.from_numpy(np.ascontiguousarray(images)).to(self._device))
        return found, objectness[:, None].cpu().numpy()


def predictor(bundle: ModelBundle, device: str) -> CuprePredictor:
    """Load a trained detector.

    Raises
    ------
    WrongRun
        If the weights do not fit, or the model is no detector.
    """
    detector = build(bundle.architecture)
    load_weights(detector, bundle.weights)
    return CuprePredictor(detector.to(device).eval().requires_grad_(False), bundle.architecture, device)
