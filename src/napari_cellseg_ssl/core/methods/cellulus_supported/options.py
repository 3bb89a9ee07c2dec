"""The options of Cellulus-supported supervision and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.options import Json, option

RAYS = 32
"""Directions in which a cell's border is predicted."""


@dataclass(frozen=True, kw_only=True)
class SupportedOptions:
    """How to train; the defaults are the preset "fast"."""

    steps: int = option(
        2000, label="Steps", help="Optimiser steps, those of Cellulus included; ignored with a time budget", min=1,
        max=1_000_000,
    )  # fmt: skip
    alpha: float = option(
        0.5,
        label="Pseudo-label weight",
        help="Share of the pseudo-labels in the loss; 0 = painted pixels only",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    falling_alpha: bool = option(
        True,
        label="Falling weight",
        help="Let the weight of the pseudo-labels fall while the network learns, down to 0 from 20 painted cells on; "
        "from 500 on leave them out",
        advanced=True,
    )
    pseudo_labels: str = option(
        "consensus",
        label="Pseudo-labels",
        help="consensus: where Cellulus and the classical method agree, the rest unknown; cellulus: all objects of "
        "Cellulus, as in the paper; classical: all of the classical method",
        choices=("consensus", "cellulus", "classical"),
    )
    agreement: float = option(
        0.6, label="Agreement", help="IoU from which two objects of a consensus are one", min=0.5, max=0.95, step=0.05
    )
    cellulus_share: float = option(
        0.4,
        label="Share of Cellulus",
        help="Share of the work in which Cellulus is trained, when no run of it is given to start from",
        min=0.05,
        max=0.95,
        step=0.05,
    )
    cellulus_preset: str = option(
        "fast", label="Preset of Cellulus", help="When it is trained here", choices=("fast", "balanced", "paper"),
        advanced=True,
    )  # fmt: skip
    working_diameter: float = option(
        16.0,
        label="Working diameter",
        help="Images are rescaled so that cells become this wide",
        min=8.0,
        max=96.0,
        unit="px",
    )
    network: str = option(
        "small",
        label="Network",
        help="small: learns in minutes without a GPU; cellulus: the paper's, deeper than that of Cellulus itself",
        choices=("small", "cellulus"),
    )
    width: int = option(16, label="Width", help="Feature maps at full resolution", min=4, max=256, advanced=True)
    growth: int = option(
        2, label="Growth", help="For cellulus: factor of feature maps per level", min=1, max=4, advanced=True
    )
    depth: int = option(3, label="Depth", help="Number of 2x poolings", min=1, max=3, advanced=True)
    crop: int = option(64, label="Crop", help="Side of a training crop", min=32, max=512, step=4, unit="px")
    batch: int = option(
        8, label="Crops", help="Per step; at first half with painted pixels, half with pseudo-labels", min=1, max=128
    )
    pasted: float = option(
        0.5,
        label="Pasted cells",
        help="Probability that a copy of a cell is pasted beside another one in a crop: pseudo-labels lack contacts",
        min=0.0,
        max=0.9,
        step=0.1,
        advanced=True,
    )
    rate: float = option(6e-3, label="Learning rate", help="Of Adam, at its peak", min=1e-7, max=1.0)
    schedule: str = option(
        "cosine",
        label="Schedule",
        help="cosine: warm-up, then down to 2 %; steps: a tenth after 15, 40 and 80 % of the work (the paper's)",
        choices=("cosine", "steps"),
        advanced=True,
    )
    weight_decay: float = option(1e-3, label="Weight decay", help="Of AdamW", min=0.0, max=1.0, advanced=True)
    distance_weight: float = option(
        0.6, label="Distance weight", help="Of the distances in the loss", min=0.0, max=10.0, advanced=True
    )
    regularisation: float = option(
        1e-4, label="Regularisation", help="Of distances in the background", min=0.0, max=1.0, advanced=True
    )
    average_half_life: float = option(
        0.05,
        label="Memory of the average",
        help="Share of the work after which the averaged network, which predicts, has forgotten half",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    mixed_precision: bool = option(
        True, label="Half precision", help="Train in bfloat16 where the device is faster in it", advanced=True
    )
    views: int = option(
        2, label="Views in prediction", help="2: each image is predicted upright and turned by half", min=1, max=2
    )


@dataclass(frozen=True, kw_only=True)
class SupportedSegmentOptions:
    """How to make instances from probability and distances."""

    threshold: float = option(
        0.5, label="Probability", help="Higher: fewer and surer cells", min=0.02, max=0.98, step=0.01
    )
    overlap: float = option(
        0.4,
        label="Overlap",
        help="Cells that overlap by more, as a share of the smaller one, are one cell",
        min=0.0,
        max=0.95,
        step=0.05,
    )
    smallest: float = option(
        0.1, label="Smallest object", help="As a share of a typical object's area", min=0.0, max=1.0, step=0.02
    )


PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {"steps": 8000, "width": 24, "rate": 3e-3, "cellulus_preset": "balanced"},
    "paper": {
        "steps": 100_000, "falling_alpha": False, "pseudo_labels": "cellulus", "cellulus_preset": "paper",
        "cellulus_share": 0.5, "network": "cellulus", "width": 64, "growth": 3, "depth": 3, "working_diameter": 24.0,
        "crop": 252, "batch": 8, "rate": 1e-5, "schedule": "steps", "weight_decay": 0.0, "distance_weight": 0.2,
        "pasted": 0.0, "average_half_life": 0.0, "mixed_precision": False, "views": 1,
    },
}  # fmt: skip
