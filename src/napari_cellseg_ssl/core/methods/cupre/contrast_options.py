"""The options of the contrastive step and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS, RESNETS
from napari_cellseg_ssl.core.options import Json, option


@dataclass(frozen=True, kw_only=True)
class ContrastOptions:
    """How to learn from unlabelled images; the defaults are the preset "fast".

    CUPre publishes none of these. Momentum, temperature and the length of the queue are those that the authors of
    momentum contrast use for small images on one device.
    """

    steps: int = option(600, label="Steps", help="Optimiser steps; ignored with a time budget", min=1, max=1_000_000)
    working_diameter: float = option(
        24.0,
        label="Working diameter",
        help="Images are rescaled so that cells become this wide; as in the method that goes on from here",
        min=8.0,
        max=96.0,
        unit="px",
    )
    encoder: str = option("resnet18", label="Encoder", help="The method that goes on needs the same", choices=RESNETS)
    encoder_weights: str = option(
        NO_WEIGHTS,
        label="Encoder weights",
        help="What it begins with: none, imagenet (downloaded once), or the path of a weight file",
    )
    depth: int = option(
        3,
        label="Depth",
        help="Stages of the encoder; at least those that the method which goes on has",
        min=1,
        max=4,
        advanced=True,
    )
    tile: int = option(
        96, label="Tile", help="Side of what counts as one thing to recognise", min=32, max=1024, step=16, unit="px"
    )
    view: int = option(64, label="View", help="Side of what the network is shown of a tile", min=32, max=512, step=16)
    batch: int = option(32, label="Tiles per step", help="Each is shown twice", min=4, max=1024)
    queue: int = option(
        512,
        label="Queue",
        help="Other tiles to tell apart from; shortened to half of the tiles that there are",
        min=64,
        max=65_536,
    )
    temperature: float = option(
        0.1, label="Temperature", help="Lower: more is made of the most similar tiles", min=0.01, max=1.0, advanced=True
    )
    momentum: float = option(
        0.99, label="Momentum", help="Of the network that makes the keys", min=0.0, max=0.99999, advanced=True
    )
    rate: float = option(0.03, label="Learning rate", help="Of SGD, at its peak", min=1e-6, max=10.0)
    weight_decay: float = option(1e-4, label="Weight decay", help="Of SGD", min=0.0, max=1.0, advanced=True)
    mixed_precision: bool = option(
        True, label="Half precision", help="Train in bfloat16 where the device is faster in it", advanced=True
    )


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """An encoder alone segments nothing."""


PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {
        "steps": 20_000,
        "encoder": "resnet50",
        "depth": 4,
        "tile": 192,
        "view": 128,
        "batch": 128,
        "queue": 4096,
        "temperature": 0.2,
        "momentum": 0.999,
    },
}
