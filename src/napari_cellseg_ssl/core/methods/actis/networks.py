"""The network of a model: built from options or from a bundle, and asked tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_cellseg_ssl.core.bundle import ModelBundle
    from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
    from napari_cellseg_ssl.core.torch_tools.confidence import ClassThresholds

THRESHOLDS = "confidence.thresholds"
SMALL, EFFICIENTNET = "small", "efficientnet-b5"
TAGS = {SMALL: "actis-small-unet", EFFICIENTNET: "actis-efficientnet-b5"}


def architecture(options: ActisOptions, in_channels: int) -> dict[str, Json]:
    """Describe a network, so that `build` makes it again."""
    return {
        "tag": TAGS[options.encoder],
        "in_channels": in_channels,
        "spatial_ndim": 2,
        "width": options.width,
        "depth": options.depth,
        "working_diameter": options.working_diameter,
        "views": options.prediction_views,
    }


def build(described: Mapping[str, Any], weights: str = "") -> nn.Module:
    """Build a network; `weights` is where a pre-trained encoder comes from (see `efficientnet_unet`)."""
    if described["tag"] == TAGS[SMALL]:
        from napari_cellseg_ssl.core.nets.small_unet import SmallUNet

        return SmallUNet(described["in_channels"], width=described["width"], depth=described["depth"])
    if described["tag"] == TAGS[EFFICIENTNET]:
        from napari_cellseg_ssl.core.nets.efficientnet_unet import EfficientNetUNet

        return EfficientNetUNet(described["in_channels"], weights=weights)
    raise WrongRun(f"This version does not know the network '{described['tag']}'.", "Update napari-cellseg-ssl.")


class ActisPredictor:
    """Class probabilities, what the teacher is sure of, and its hard labels.

    Parameters
    ----------
    net : nn.Module
        In prediction mode.
    thresholds : ClassThresholds
    described : {str: Json}
        The architecture.
    """

    def __init__(self, net: nn.Module, thresholds: ClassThresholds, described: Mapping[str, Any], device: str) -> None:
        self._net, self._thresholds, self._device = net, thresholds, device
        self._views: int = described["views"]
        self._background_odds: float = described["background_odds"]
        self.in_channels: int = described["in_channels"]
        self.working_diameter: float | None = described["working_diameter"]
        self.halo: int = net.halo
        self.multiple_of: int = net.multiple_of

    def __call__(self, crops: Array, origins: Array) -> dict[str, Array]:
        """Predict (B, C, Y, X); see `Predictor`."""
        from napari_cellseg_ssl.core.torch_tools.confidence import shift_background

        probabilities = self.probabilities(crops)
        shifted = shift_background(probabilities, self._background_odds)
        sure = self._thresholds.confident(shifted)
        return {
            "probability": _array(probabilities),
            "confidence": _array(sure[:, None]),
            "pseudo_labels": _array(shifted.argmax(1, keepdim=True)),
        }

    def probabilities(self, crops: Array) -> Tensor:
        """Return class probabilities (B, 3, Y, X) of crops of any size."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.teacher import averaged_probabilities

        height, width = crops.shape[2:]
        missing = [-size % self.multiple_of for size in (height, width)]
        if any(missing):
            crops = np.pad(crops, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")
        images = torch.from_numpy(np.ascontiguousarray(crops)).to(self._device)
        return averaged_probabilities(self._net, images, self._views)[..., :height, :width]


def predictor(bundle: ModelBundle, device: str) -> ActisPredictor:
    """Load a trained network.

    Raises
    ------
    WrongRun
        If the weights do not fit.
    """
    import torch

    from napari_cellseg_ssl.core.torch_tools.confidence import ClassThresholds

    net = build(bundle.architecture)
    load_weights(net, bundle.weights)
    values = torch.from_numpy(np.array(bundle.weights[THRESHOLDS]))
    net = net.to(device).eval().requires_grad_(False)
    return ActisPredictor(net, ClassThresholds(values=values), bundle.architecture, device)


def _array(tensor: Tensor) -> Array:
    return tensor.float().cpu().numpy()
