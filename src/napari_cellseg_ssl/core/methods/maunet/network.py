"""The networks of a model: built from options or from a bundle, and asked together, at several scales, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.maunet.options import NONE, MaunetOptions
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training import warm_start
from napari_cellseg_ssl.core.training.weights import NET, load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.encoder_weights import LoadReport
    from napari_cellseg_ssl.core.training.field_moments import Found

TAG = "maunet"
FIRST = ("encoder.conv1.weight", "skips.0.first.weight", "skips.0.shortcut.weight")
INPUTS = ("input_mean", "input_std")
"""What of each network sees the image, and what shifts and scales it before."""
SCALES = (1.0, 1.25, 1.5)
FIELD = 2**19
"""px from which the statistics of a field come; of a larger one, evenly spread parts of it."""
NOWHERE = np.zeros((1, 2), int)
"""An origin, where it does not matter."""
FINEST = 4
"""px by which all scales fit onto each other: 1.25 times 4 and 1.5 times 4 are whole numbers."""


def architecture(options: MaunetOptions, in_channels: int) -> dict[str, Json]:
    """Describe the networks, so that `build` makes them again."""
    second = options.second_encoder
    encoders: list[Json] = [options.encoder, *([] if second == NONE else [second])]
    return {
        "tag": TAG,
        "in_channels": in_channels,
        "spatial_ndim": 2,
        "encoders": encoders,
        "depth": options.depth,
        "width": options.width,
        "proxy": options.proxy,
        "distance": options.distance,
        "working_diameter": options.working_diameter,
        "scales": options.scales,
    }


def sizes(described: Mapping[str, Any]) -> dict[str, Json]:
    """Return the options that a model which learns on has decided already."""
    first, second = (*described["encoders"], NONE)[:2]
    return {"encoder": first, "second_encoder": second, "depth": described["depth"], "width": described["width"]}


def build(described: Mapping[str, Any]) -> nn.ModuleList:
    """Build the networks that `architecture` describes.

    Raises
    ------
    WrongRun
        If this version does not know them.
    """
    from torch import nn

    from napari_cellseg_ssl.core.nets.ambiguity_unet import AmbiguityUNet
    from napari_cellseg_ssl.core.nets.resnet_encoder import DEEPEST, DESIGNS, ResNetEncoder

    unknown = [name for name in described.get("encoders", ()) if name not in DESIGNS]
    if described["tag"] != TAG or unknown:
        raise shared.unknown_network(described["tag"])
    channels = int(described["in_channels"])
    return nn.ModuleList(
        AmbiguityUNet(
            ResNetEncoder(name, channels, depth=min(described["depth"], DEEPEST.get(name, 4))),
            channels,
            width=described["width"],
            has_proxy=described["proxy"],
            has_distance=described["distance"],
        )
        for name in described["encoders"]
    )


def load_encoders(nets: nn.ModuleList, described: Mapping[str, Any], weights: str) -> list[LoadReport]:
    """Put pre-trained weights into the encoders; see `encoder_weights.begin_with`."""
    from napari_cellseg_ssl.core.nets.encoder_weights import begin_with

    reports = (begin_with(net, name, weights) for net, name in zip(nets, described["encoders"], strict=True))
    return [report for report in reports if report is not None]


def begin_with_detector(nets: nn.ModuleList, described: Mapping[str, Any], model: ModelBundle) -> list[LoadReport]:
    """Put the backbone of a detector into the encoder; see `detector_encoder`. A second, unlike one begins at random.

    Raises
    ------
    WrongRun
        If the detector stands on another encoder.
    """
    from napari_cellseg_ssl.core.nets.detector_encoder import begin_with_detector

    names = described["encoders"]
    alike = [net for net, name in zip(nets, names, strict=True) if name == names[0]]
    return [begin_with_detector(net, names[0], model) for net in alike]


def reading(bundle: ModelBundle, channels: int) -> ModelBundle:
    """Let a model that reads the mean of all channels read so many, unless that is its width: it has other weights."""
    described: Mapping[str, Any] = bundle.architecture
    if channels == described["width"]:
        return bundle
    nets = [f"{NET}{number}." for number in range(len(described["encoders"]))]
    first, inputs = ([net + name for net in nets for name in names] for names in (FIRST, INPUTS))
    return warm_start.reading(bundle, channels, first, inputs)


class MaunetPredictor:
    """Class probabilities, distance field and ambiguity of crops; see `Predictor` and `NeedsField`.

    Logits and distances are averaged over networks and scales.

    Parameters
    ----------
    nets : nn.ModuleList
        In prediction mode.
    described : {str: Json}
        The architecture.
    moments : list of (mean, variance), optional
        Of every normalisation in turn, for the field that the crops are from; by default each crop's own.
    """

    def __init__(
        self, nets: nn.ModuleList, described: Mapping[str, Any], device: str, moments: Found | None = None
    ) -> None:
        from napari_cellseg_ssl.core.nets.resnet_encoder import LARGEST_HALO

        self._nets, self._described, self._device, self._moments = nets, described, device, moments
        self._scales = SCALES[: int(described["scales"])]
        self.working_diameter: float | None = described["working_diameter"]
        self._net_multiple = max(net.multiple_of for net in nets)
        self.multiple_of = self._net_multiple * (FINEST if len(self._scales) > 1 else 1)
        reach = min(LARGEST_HALO, max(net.reach for net in nets) + len(self._scales))
        self.halo = reach + -reach % self.multiple_of

    def for_field(self, field: Array) -> MaunetPredictor:
        """Return a predictor for the tiles of a normalised field (C, Y, X)."""
        from napari_cellseg_ssl.core.training.field_moments import measure, representative_parts

        found: Found = []
        self._averaged(representative_parts(field, FIELD), measure(found))
        return MaunetPredictor(self._nets, self._described, self._device, found)

    def __call__(self, crops: Array, origins: Array) -> dict[str, Array]:
        """Predict (B, C, Y, X)."""
        from napari_cellseg_ssl.core.training.field_moments import replay

        logits, distance = self._averaged(crops, None if self._moments is None else replay(self._moments))
        probabilities = logits.softmax(1).cpu().numpy()
        ambiguity = probabilities[:, 3:] if self._described["proxy"] else np.zeros_like(probabilities[:, :1])
        return {"probability": probabilities[:, :3], "distance": distance.cpu().numpy(), "ambiguity": ambiguity}

    def _averaged(self, crops: Array, moments: Any) -> tuple[Tensor, Tensor]:
        """Average logits and distances of crops of any size, where there is no distance that is 0."""
        import torch

        height, width = crops.shape[2:]
        missing = [-size % self.multiple_of for size in (height, width)]
        if any(missing):
            crops = np.pad(crops, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")
        images = torch.from_numpy(np.ascontiguousarray(crops)).to(self._device)
        with torch.inference_mode():
            logits, distances = zip(*self._views(images, moments), strict=True)
            averaged = torch.stack(logits).mean(0), torch.stack(distances).mean(0)
        return averaged[0][..., :height, :width], averaged[1][..., :height, :width]

    def _views(self, images: Tensor, moments: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Ask every network at every scale; what comes back is as large as the images."""
        shape = images.shape[2:]
        for scale in self._scales:
            scaled = images if scale == 1 else _resized(images, [round(side * scale) for side in shape])
            for net in self._nets:
                logits, distance = net(scaled, moments)
                distance = logits[:, :1] * 0 if distance is None else distance
                yield (logits, distance) if scale == 1 else (_resized(logits, shape), _resized(distance, shape))


def predictor(bundle: ModelBundle, device: str) -> MaunetPredictor:
    """Load a trained model.

    Raises
    ------
    WrongRun
        If the weights do not fit.
    """
    nets = build(bundle.architecture)
    load_weights(nets, bundle.weights)
    return MaunetPredictor(nets.to(device).eval().requires_grad_(False), bundle.architecture, device)


def _resized(images: Tensor, shape: Sequence[int]) -> Tensor:
    from torch.nn import functional

    return functional.interpolate(images, tuple(shape), mode="bilinear", align_corners=False)
