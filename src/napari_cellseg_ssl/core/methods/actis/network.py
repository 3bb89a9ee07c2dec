"""The network of a model: built from options or from a bundle, and asked tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.actis import messages
from napari_cellseg_ssl.core.methods.actis.options import EFFICIENTNET, SMALL, TAGS, ActisOptions
from napari_cellseg_ssl.core.nets.detector_encoder import is_detector
from napari_cellseg_ssl.core.nets.names import AT_RANDOM, NO_WEIGHTS, RESNETS
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training import warm_start
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.training.confidence import ClassThresholds

THRESHOLDS = "confidence.thresholds"
FIRST = "net.down.0.0.0.weight"
"""The small network's first convolution, (width, C, 3, 3)."""
SIZES = ("width", "depth")
"""Options that a model which learns on has decided already."""


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


def begin(described: Mapping[str, Any], options: ActisOptions) -> tuple[nn.Module, str]:
    """Build a network with the encoder weights that were asked for, and say of a ResNet what it begins with.

    Raises
    ------
    WrongOption
        If the weights cannot be had or do not fit.
    """
    weights = options.encoder_weights or NO_WEIGHTS
    if options.encoder == SMALL and weights != NO_WEIGHTS:
        raise messages.small_network_takes_no_weights(weights)
    if options.encoder not in RESNETS:
        return build(described, weights), ""
    from napari_cellseg_ssl.core.nets.encoder_weights import begin_with

    net = build(described)
    report = begin_with(net, options.encoder, weights)
    return net, AT_RANDOM if report is None else str(report)


def begin_with_detector(
    described: Mapping[str, Any], options: ActisOptions, model: ModelBundle
) -> tuple[nn.Module, str]:
    """Build a network whose encoder is the backbone of a detector, and say so.

    Raises
    ------
    WrongRun
        If that is another encoder.
    """
    if options.encoder not in RESNETS:
        raise messages.detector_does_not_fit(model.name, options.encoder)
    from napari_cellseg_ssl.core.nets.detector_encoder import begin_with_detector

    net = build(described)
    return net, str(begin_with_detector(net, options.encoder, model))


def build(described: Mapping[str, Any], weights: str = "") -> nn.Module:
    """Build a network; `weights` is where those of an EfficientNet come from (see `efficientnet_unet`)."""
    if described["tag"] == TAGS[SMALL]:
        from napari_cellseg_ssl.core.nets.small_unet import SmallUNet

        return SmallUNet(described["in_channels"], width=described["width"], depth=described["depth"])
    if described["tag"] == TAGS[EFFICIENTNET]:
        from napari_cellseg_ssl.core.nets.efficientnet_unet import EfficientNetUNet

        return EfficientNetUNet(described["in_channels"], weights=weights)
    for name in RESNETS:
        if described["tag"] == TAGS[name]:
            from napari_cellseg_ssl.core.nets.resnet_encoder import DEEPEST, ResNetEncoder
            from napari_cellseg_ssl.core.nets.resnet_unet import ResNetUNet

            channels = described["in_channels"]
            encoder = ResNetEncoder(name, channels, depth=min(described["depth"], DEEPEST.get(name, 4)))
            return ResNetUNet(encoder, channels, width=described["width"])
    raise shared.unknown_network(described["tag"])


def reading(bundle: ModelBundle, channels: int) -> ModelBundle:
    """Let a model that reads the mean of all channels, which only small networks do, read so many."""
    return warm_start.reading(bundle, channels, (FIRST,))


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
        from napari_cellseg_ssl.core.training.confidence import shift_background

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

        from napari_cellseg_ssl.core.training.ema import averaged_probabilities

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

    from napari_cellseg_ssl.core.training.confidence import ClassThresholds

    net = build(bundle.architecture)
    load_weights(net, bundle.weights)
    values = torch.from_numpy(np.array(bundle.weights[THRESHOLDS]))
    net = net.to(device).eval().requires_grad_(False)
    return ActisPredictor(net, ClassThresholds(values=values), bundle.architecture, device)


def _array(tensor: Tensor) -> Array:
    return tensor.float().cpu().numpy()


def prepared(
    n_channels: int, options: ActisOptions, run: Run
) -> tuple[ActisOptions, nn.Module, Mapping[str, Any], str]:
    """Build the network that a training begins with, or take the given one.

    Returns
    -------
    options : ActisOptions
        With the size of the model that learns on.
    net : nn.Module
    architecture : {name: Json}
    beginning : str
        What it begins with, in words; empty where nothing needs to be said.

    Raises
    ------
    WrongOption
        If encoder weights cannot be had or do not fit.
    WrongRun
        If `run.start_from` belongs to another network.
    """
    parent = None if is_detector(run.start_from) else run.start_from
    beginning = ""
    if parent:
        has = {name: parent.architecture[name] for name in SIZES if name in parent.architecture}
        options, beginning = warm_start.as_large(options, parent, has)
    described = architecture(options, n_channels)
    if run.start_from and is_detector(run.start_from):
        net, beginning = begin_with_detector(described, options, run.start_from)
    elif run.start_from or run.resume:
        net = build(described)
    else:
        net, beginning = begin(described, options)
    if parent:
        _start_from(net, parent, described)
    return options, net, described, beginning


def _start_from(net: nn.Module, parent: ModelBundle, described: Mapping[str, Any]) -> None:
    for key in ("tag", "in_channels"):
        if parent.architecture.get(key) != described[key]:
            raise messages.start_has_another_network(parent.name, key, parent.architecture.get(key), described[key])
    load_weights(net, parent.weights)
