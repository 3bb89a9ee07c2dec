"""The network of a model: built from options or from a bundle, and asked tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.cellulus_supported.options import RAYS, SupportedOptions
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.star_unet import StarUNet

TAG = "cellulus-supported-unet"


def architecture(options: SupportedOptions, in_channels: int) -> dict[str, Json]:
    """Describe a network, so that `build` makes it again."""
    return {
        "tag": TAG,
        "network": options.network,
        "in_channels": in_channels,
        "spatial_ndim": 2,
        "width": options.width,
        "growth": options.growth,
        "depth": options.depth,
        "rays": RAYS,
        "working_diameter": options.working_diameter,
        "views": options.views,
    }


def build(described: Mapping[str, Any]) -> StarUNet:
    """Build the network that `described` says.

    Raises
    ------
    WrongRun
        If it is none of this method's.
    """
    from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
    from napari_cellseg_ssl.core.nets.small_unet import SmallUNet
    from napari_cellseg_ssl.core.nets.star_unet import StarUNet

    if described.get("tag") != TAG:
        raise shared.model_of_another_method(described.get("tag"), TAG)
    channels, width, depth = described["in_channels"], described["width"], described["depth"]
    body: SmallUNet | CellulusUNet
    if described["network"] == "small":
        body = SmallUNet(channels, width, width=width, depth=depth)
    else:
        body = CellulusUNet(
            channels, first=width, increase=described["growth"], last=width, depth=depth, out_channels=width
        )
    return StarUNet(body, width, described["rays"], described["working_diameter"] / 2)


class SupportedPredictor:
    """Predict object probability and distances of crops; see `Predictor`.

    Parameters
    ----------
    net : StarUNet
        In prediction mode.
    described : {str: Json}
        The architecture.
    """

    def __init__(self, net: StarUNet, described: Mapping[str, Any], device: str) -> None:
        self._net, self._device = net, device
        self._views: int = described["views"]
        self.in_channels: int = described["in_channels"]
        self.working_diameter: float | None = described["working_diameter"]
        self.halo, self.multiple_of = net.halo, net.multiple_of

    def __call__(self, crops: Array, origins: Array) -> dict[str, Array]:
        """Predict; what lies within the network's margin is zero."""
        import torch

        sizes = crops.shape[2:]
        behind = [(0, self._net.fitting_size(size) - size) for size in sizes]
        padded = np.pad(crops, [(0, 0), (0, 0), *behind], mode="symmetric") if np.any(behind) else crops
        with torch.inference_mode():
            probability, distances = self._averaged(torch.from_numpy(np.ascontiguousarray(padded)).to(self._device))
            maps = {"probability": probability[:, None], "distance": distances.clamp(min=0)}
        return {name: self._framed(found.cpu().numpy(), sizes) for name, found in maps.items()}

    def _averaged(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probability (B, Y, X) and distances (B, rays, Y, X), with two views the mean with the image upside down."""
        logits, distances = self._net(images)
        probability = logits.sigmoid()
        if self._views > 1:
            turned, lengths = self._net(images.flip(-2, -1))
            probability = (probability + turned.sigmoid().flip(-2, -1)) / 2
            # Half a turn takes every ray to the opposite one.
            distances = (distances + lengths.flip(-2, -1).roll(lengths.shape[1] // 2, 1)) / 2
        return probability, distances

    def _framed(self, found: Array, sizes: tuple[int, ...]) -> Array:
        """Bring what the network returns for a padded crop to the size of the crop."""
        margin = self._net.margin
        full = np.pad(found, [(0, 0), (0, 0), (margin, margin), (margin, margin)]) if margin else found
        return full[..., : sizes[0], : sizes[1]]


def predictor(bundle: ModelBundle, device: str) -> SupportedPredictor:
    """Load a trained network.

    Raises
    ------
    WrongRun
        If the weights do not fit.
    """
    net = build(bundle.architecture)
    load_weights(net, bundle.weights)
    return SupportedPredictor(net.to(device).eval().requires_grad_(False), bundle.architecture, device)
