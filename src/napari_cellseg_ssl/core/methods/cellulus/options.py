"""The options of Cellulus and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.data.maps import MapSpec
from napari_cellseg_ssl.core.options import Json, option


@dataclass(frozen=True, kw_only=True)
class CellulusOptions:
    """How to train; the defaults are the preset "fast"."""

    steps: int = option(1000, label="Steps", help="Optimiser steps; ignored with a time budget", min=1, max=1_000_000)
    working_diameter: float = option(
        24.0,
        label="Working diameter",
        help="Images are rescaled so that objects become this wide; the network looks at about 16 px",
        min=8.0,
        max=96.0,
        unit="px",
    )
    width: int = option(16, label="Width", help="Feature maps of the first block", min=2, max=256, advanced=True)
    growth: int = option(2, label="Growth", help="Factor of feature maps per level", min=1, max=4, advanced=True)
    last_width: int = option(
        16, label="Last width", help="Feature maps before the output", min=2, max=256, advanced=True
    )
    depth: int = option(
        1, label="Depth", help="Number of 2x poolings: field of view 16, 40 or 92 px", min=1, max=3, advanced=True
    )
    crop: int = option(84, label="Crop", help="Side of a training crop", min=36, max=512, step=4, unit="px")
    batch: int = option(4, label="Batch", help="Crops per step", min=1, max=64)
    rate: float = option(3e-3, label="Learning rate", help="Of Adam, at its peak", min=1e-7, max=1.0)
    schedule: str = option(
        "cosine",
        label="Schedule",
        help="cosine: warm-up, then down to 2 %; steps: a tenth after 40 % and after 60 % of the work (the paper's)",
        choices=("cosine", "steps"),
        advanced=True,
    )
    pair_distance: float = option(
        10.0,
        label="Pair distance",
        help="Largest distance of two compared pixels",
        min=2,
        max=30,
        unit="px",
        advanced=True,
    )
    temperature: float = option(
        10.0,
        label="Temperature",
        help="Squared error at which the loss saturates",
        min=0.1,
        max=1000.0,
        unit="px²",
        advanced=True,
    )
    shifts: int = option(24, label="Shifts", help="Offsets compared per step", min=1, max=158, advanced=True)
    penalty: str = option(
        "code",
        label="Penalty",
        help="code: 1 - exp(-s), zero for a perfect offset; paper: 1 / (1 + exp(-s))",
        choices=("code", "paper"),
        advanced=True,
    )
    dark_pairs: float = option(
        1.0,
        label="Weight of dark pixels",
        help="1: all pairs of pixels count alike; less: bright ones count more, for bright objects with wide gaps",
        min=0.01,
        max=1.0,
        step=0.05,
        advanced=True,
    )
    regularisation: float = option(
        1e-5, label="Regularisation", help="Weight of the length of the offsets", min=0.0, max=1.0, advanced=True
    )
    scale_jitter: float = option(
        0.0,
        label="Scale jitter",
        help="Crops are magnified by up to this share",
        min=0.0,
        max=0.3,
        step=0.05,
        advanced=True,
    )
    candidates: int = option(
        3,
        label="Crops to choose from",
        help="For each training crop so many are drawn, and the one with most structure is used; 1 = any",
        min=1,
        max=16,
        advanced=True,
    )
    passes: int = option(
        4,
        label="Noisy passes",
        help="Predictions per image, each under other noise",
        min=2,
        max=64,
        step=2,
        advanced=True,
    )
    noise: float = option(
        0.01,
        label="Noise",
        help="Share of pixels replaced in a noisy pass",
        min=0.0,
        max=0.2,
        step=0.005,
        advanced=True,
    )


@dataclass(frozen=True, kw_only=True)
class CellulusSegmentOptions:
    """How to make instances from the maps."""

    threshold: float = option(
        0.0,
        label="Foreground threshold",
        help="Largest uncertainty of the embedding that counts as object; 0 = chosen for each image",
        min=0.0,
        max=40.0,
        step=0.1,
        unit="px",
        search=(3.0, 15.0),
    )
    bandwidth: float = option(
        0.4,
        label="Bandwidth",
        help="Smallest distance of two objects' centres, in diameters: smaller splits more",
        min=0.1,
        max=2.0,
        step=0.02,
        unit="diameters",
    )
    joining: float = option(
        0.5,
        label="Join pieces",
        help="How readily touching pieces become one object: 0 = never, 0.5 = if that is likely",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    outline: str = option(
        "auto",
        label="Outline",
        help="auto: learned from the image; shrink: take px off; bright, dark: fit to the signal; none: keep the halo",
        choices=("auto", "shrink", "bright", "dark", "none"),
    )
    tightness: float = option(
        0.5, label="Tightness", help="For auto: larger makes objects smaller", min=0.02, max=0.98, step=0.02
    )
    shrink: float = option(
        6.0, label="Shrink by", help="For shrink: px at the working scale", min=0.0, max=15.0, step=0.5, unit="px"
    )
    smallest: float = option(
        0.1, label="Smallest object", help="As a share of a typical object's size", min=0.0, max=1.0, step=0.02
    )
    clustering: str = option(
        "density-peaks",
        label="Clustering",
        help="density-peaks: instant; mean-shift: scikit-learn's, as in the paper, minutes for a large image",
        choices=("density-peaks", "mean-shift"),
        advanced=True,
    )


MAPS = (
    MapSpec("embedding", "embedding", 2, "Offset to the object's centre", in_pixels=True),
    MapSpec("embedding-uncertainty", "embedding-uncertainty", 1, "Uncertainty of the embedding", in_pixels=True),
    MapSpec("intensity", "intensity", 1, "Intensity"),
)
"""What the network says of every pixel."""

PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {
        "steps": 2000, "width": 24, "growth": 2, "last_width": 32, "crop": 128, "batch": 8, "rate": 2e-3, "passes": 8,
    },
    "paper": {
        "steps": 100_000, "width": 64, "growth": 3, "last_width": 64, "crop": 252, "batch": 8, "rate": 4e-5,
        "schedule": "steps", "penalty": "paper", "scale_jitter": 0.1, "candidates": 1, "passes": 32, "shifts": 32,
    },
}  # fmt: skip

PRESETS_3D: Mapping[str, Mapping[str, Json]] = {
    "fast": {
        "steps": 1000, "working_diameter": 16.0, "width": 12, "last_width": 12, "crop": 40, "batch": 2,
        "pair_distance": 6.0, "temperature": 5.0, "dark_pairs": 0.1, "noise": 0.001,
    },
    "balanced": {
        "working_diameter": 16.0, "crop": 52, "batch": 4,
        "pair_distance": 6.0, "temperature": 5.0, "dark_pairs": 0.1, "noise": 0.001,
    },
    "paper": {
        "steps": 5000, "width": 24, "crop": 80, "pair_distance": 8.0, "noise": 0.001,
    },
}  # fmt: skip
"""For volumes.

A cube holds more noise and more far pairs than a square: at the options for images nothing is stable, most pairs are
too far apart to be learned from. Objects as wide as the network sees need a third of the pixels of larger ones. Where
all pairs count alike, the gaps between nuclei are as good objects as the nuclei; so bright pixels count more.
"""
