"""The options of MAUNet and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS, RESNETS
from napari_cellseg_ssl.core.options import Json, option

NONE = NO_WEIGHTS
"""Also of a second encoder: there is none."""
REFERENCE, SOFTMAX = "reference", "softmax"
FOUR, ONE = "four steps", "one step"
COSINE, STAIRS = "cosine", "stairs"


@dataclass(frozen=True, kw_only=True)
class MaunetOptions:
    """How to train; the defaults are the preset "fast"."""

    steps: int = option(600, label="Steps", help="Optimiser steps; ignored with a time budget", min=1, max=1_000_000)
    working_diameter: float = option(
        24.0,
        label="Working diameter",
        help="Images are rescaled so that cells become this wide",
        min=8.0,
        max=96.0,
        unit="px",
    )
    encoder: str = option(
        "resnet18", label="Encoder", help="resnet18 learns without a GPU; resnet50 is the paper's", choices=RESNETS
    )
    second_encoder: str = option(
        NONE,
        label="Second encoder",
        help="A second network learns beside the first; their predictions are averaged",
        choices=(NONE, *RESNETS),
    )
    encoder_weights: str = option(
        NONE,
        label="Encoder weights",
        help="none, imagenet (downloaded once), or the path of a weight file: torchvision's names, MoCo, or a run's",
        path="file",
        words=(NONE, "imagenet"),
    )
    depth: int = option(
        3,
        label="Depth",
        help="Stages of the encoder; the wide one has three at most. Fewer see less around a pixel, and are quicker",
        min=1,
        max=4,
        advanced=True,
    )
    width: int = option(12, label="Width", help="Feature maps at full resolution", min=4, max=64, advanced=True)
    crop: int = option(128, label="Crop", help="Side of a training crop", min=32, max=1024, step=32, unit="px")
    batch: int = option(4, label="Painted crops", help="Crops of painted places per step", min=1, max=128)
    rate: float = option(5e-3, label="Learning rate", help="Of AdamW, at its peak", min=1e-6, max=1.0)
    weight_decay: float = option(0.01, label="Weight decay", help="Of AdamW", min=0.0, max=1.0, advanced=True)
    encoder_rate: float = option(
        0.1,
        label="Encoder's rate",
        help="Share of the learning rate for an encoder that begins with given weights",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    schedule: str = option(
        COSINE,
        label="Schedule",
        help="How the learning rate falls: along a cosine, or as in the paper by 5 % a hundred times",
        choices=(COSINE, STAIRS),
        advanced=True,
    )
    average: float = option(
        0.05,
        label="Average",
        help="Share of the work after which the averaged weights have forgotten half; 0 = the last ones",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    smallest_zoom: float = option(
        0.7, label="Smallest zoom", help="Crops are rescaled at random down to this", min=0.1, max=1.0, advanced=True
    )
    largest_zoom: float = option(
        1.4, label="Largest zoom", help="Crops are rescaled at random up to this", min=1.0, max=4.0, advanced=True
    )
    rescaled: float = option(
        0.5, label="Rescaled crops", help="Share of crops that are rescaled and turned", min=0.0, max=1.0, advanced=True
    )
    pasted: float = option(
        0.5,
        label="Pasted cells",
        help="Probability that a painted cell is copied beside others in a crop",
        min=0.0,
        max=0.9,
        advanced=True,
    )
    inverted: float = option(
        0.0,
        label="Inverted crops",
        help="Share of crops with bright and dark exchanged, for sets of mixed modalities",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    proxy: bool = option(
        True,
        label="Proxy class",
        help="A fourth output takes up what labels contradict each other in",
        advanced=True,
    )
    focal: str = option(
        REFERENCE,
        label="Focal loss",
        help="reference: as in the published code, which the proxy needs; softmax: the usual one, which empties it",
        choices=(REFERENCE, SOFTMAX),
        advanced=True,
    )
    distance: bool = option(
        True,
        label="Distance field",
        help="Learn it too; without it, cells come from one watershed",
        advanced=True,
    )
    balanced_distance: bool = option(
        False,
        label="Balanced distance",
        help="Cells and background count equally in the distance field, as published; makes sparse cells too wide",
        advanced=True,
    )
    consistency: float = option(
        0.0,
        label="Consistency",
        help="Weight of the agreement of two networks on unpainted pixels; the paper's 1.5 did not help there. "
        "0 = painted pixels only",
        min=0.0,
        max=10.0,
        advanced=True,
    )
    unlabelled_batch: int = option(
        2, label="Unpainted crops", help="Crops from anywhere per step, for consistency", min=1, max=128, advanced=True
    )
    mixed_precision: bool = option(
        True, label="Half precision", help="Train in bfloat16 where the device is faster in it", advanced=True
    )
    scales: int = option(
        1,
        label="Scales in prediction",
        help="Average predictions at 1, 1.25 and 1.5 times the size: so many of these",
        min=1,
        max=3,
    )


@dataclass(frozen=True, kw_only=True)
class MaunetSegmentOptions:
    """How to make instances from class probabilities and the distance field."""

    background_threshold: float = option(
        0.3, label="Background", help="Cells are where background is less probable. Higher: larger cells",
        min=0.0, max=1.0, step=0.01,
    )  # fmt: skip
    interior_threshold: float = option(
        0.7, label="Interior", help="Higher: interiors come apart, and faint cells vanish", min=0.0, max=1.0, step=0.01
    )
    outline_threshold: float = option(
        0.1,
        label="Outline",
        help="Cells end where the distance field falls below this. Higher: smaller cells; 0: as published, at the "
        "background alone",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    core_threshold: float = option(
        0.8, label="Cores", help="Distance field from which a cell has its core. Higher: more pieces",
        min=0.0, max=1.0, step=0.01,
    )  # fmt: skip
    peak_threshold: float = option(
        0.6,
        label="Missed cells",
        help="Where no core is, a peak of the distance field is one: from this share of the highest such peak on",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    min_size: float = option(
        0.1, label="Smallest object", help="As a share of the objects' mean area", min=0.0, max=2.0, step=0.01
    )
    widest_contact: float = option(
        1.0,
        label="Join fragments",
        help="Objects are joined where the distance field hardly falls between them: to no less than this share of "
        "the lower peak. 1 = never",
        min=0.5,
        max=1.0,
        step=0.01,
        advanced=True,
    )
    smallest_interior: float = option(
        16.0, label="Smallest interior", help="Smaller specks of interior are ignored", min=0.0, max=1000.0, step=1.0,
        unit="px", advanced=True,
    )  # fmt: skip
    watershed: str = option(
        FOUR,
        label="Watershed",
        help="The paper's four steps, or one from the interiors alone",
        choices=(FOUR, ONE),
        advanced=True,
    )


PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {"steps": 4000, "encoder": "resnet34", "depth": 4, "width": 24, "crop": 256, "batch": 8, "rate": 1e-3},
    "paper": {
        "steps": 62_500,
        "working_diameter": 30.0,
        "encoder": "resnet50",
        "second_encoder": "wide_resnet50_2",
        "encoder_weights": "imagenet",
        "depth": 4,
        "width": 24,
        "crop": 512,
        "batch": 16,
        "rate": 6e-4,
        "weight_decay": 0.01,
        "encoder_rate": 1.0,
        "schedule": STAIRS,
        "average": 0.0,
        "smallest_zoom": 0.25,
        "largest_zoom": 2.0,
        "rescaled": 1.0,
        "pasted": 0.0,
        "balanced_distance": True,
        "scales": 3,
    },
}
