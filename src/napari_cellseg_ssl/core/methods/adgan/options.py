"""The options of AD-GAN and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.options import Json, option

RIM_THRESHOLD, PLAIN_THRESHOLD = -0.2, 0.3


@dataclass(frozen=True, kw_only=True)
class AdganOptions:
    """How to train; the defaults are the preset "fast"."""

    steps: int = option(2000, label="Steps", help="Optimiser steps; ignored with a time budget", min=1, max=1_000_000)
    working_diameter: float = option(
        14.0,
        label="Working diameter",
        help="Images are rescaled so that objects become this wide; the time grows with its square",
        min=8.0,
        max=96.0,
        unit="px",
    )
    masks: str = option(
        "plain",
        label="Masks",
        help="plain: synthetic objects are white; rim: they have a grey rim, by which long trainings tell touching "
        "ones apart",
        choices=("plain", "rim"),
    )
    spread: float = option(
        0.3,
        label="Size variation",
        help="Synthetic objects are up to this share larger or smaller than the typical one",
        min=0.0,
        max=2.0,
        step=0.05,
    )
    coverage: float = option(
        0.0,
        label="Covered area",
        help="Share of a mask that objects cover; 0 = estimated from the images. Dim objects are missed: raise it",
        min=0.0,
        max=0.9,
        step=0.01,
    )
    polarity: str = option(
        "auto",
        label="Objects are",
        help="Brighter or darker than their surroundings; auto: whichever is rarer",
        choices=("auto", "bright", "dark"),
    )
    gamma: float = option(
        0.5,
        label="Brightness curve",
        help="Power of the brightness; less than 1 lifts dim objects, 1 leaves the image as it is",
        min=0.2,
        max=2.0,
        step=0.05,
    )
    crop: int = option(64, label="Crop", help="Side of a training crop", min=24, max=512, step=4, unit="px")
    crop_depth: int = option(
        0, label="Crop depth", help="Planes of a training crop in 3D; 0 = half its side", min=0, max=256, step=4
    )
    batch: int = option(4, label="Batch", help="Images, and as many masks, per step", min=1, max=64)
    width: int = option(16, label="Width", help="Feature maps of the first layer", min=4, max=128, advanced=True)
    blocks: int = option(2, label="Blocks", help="Residual blocks of each half", min=1, max=8, advanced=True)
    upsampling: str = option(
        "resize",
        label="Upsampling",
        help="resize: pixels are repeated; transposed: as in the paper, chequered for a long time",
        choices=("resize", "transposed"),
        advanced=True,
    )
    rate: float = option(5e-4, label="Learning rate", help="Of Adam, for the first half", min=1e-7, max=1.0)
    reconstruction: float = option(
        20.0, label="Reconstruction", help="Weight of the loss", min=0.0, max=1000.0, advanced=True
    )
    cycle: float = option(20.0, label="Cycle", help="Weight of the loss", min=0.0, max=1000.0, advanced=True)
    content: float = option(1.0, label="Content", help="Weight of the loss", min=0.0, max=1000.0, advanced=True)
    adversarial: float = option(1.0, label="Adversarial", help="Weight of the loss", min=0.0, max=1000.0, advanced=True)
    aligned: bool = option(
        True, label="Aligned training", help="The decoder learns from reconstructions only", advanced=True
    )
    domain_in_encoder: bool = option(
        True, label="Domain in the encoder", help="The encoder is told whether it sees image or mask", advanced=True
    )
    candidates: int = option(
        1,
        label="Crops to choose from",
        help="For each training crop so many are drawn, and the one with most structure is used; 1 = any",
        min=1,
        max=16,
        advanced=True,
    )
    average: float = option(
        100.0,
        label="Average over",
        help="Steps in which the averaged weights, which predict, forget half",
        min=0.0,
        max=10_000.0,
        advanced=True,
    )


@dataclass(frozen=True, kw_only=True)
class AdganSegmentOptions:
    """How to make instances from the translated mask."""

    split: str = option(
        "shape",
        label="Split by",
        help="shape: at necks; rim: by the grey rims, for models that were trained with such masks for long",
        choices=("shape", "rim"),
    )
    threshold: float = option(
        PLAIN_THRESHOLD,
        label="Threshold",
        help="Of the translated mask, -1 to 1. Lower: larger objects, and dim ones too",
        min=-0.98,
        max=0.98,
        step=0.02,
    )
    core_threshold: float = option(
        0.5, label="Core threshold", help="For rim: above it lies an object's core", min=-0.98, max=0.98, step=0.02
    )
    smoothing: float = option(
        0.05,
        label="Smoothing",
        help="Blur of the translated mask",
        min=0.0,
        max=0.5,
        step=0.01,
        unit="diameters",
    )
    seed_distance: float = option(
        0.27,
        label="Seed distance",
        help="For shape: how close two centres may be. More: fewer pieces",
        min=0.05,
        max=1.5,
        step=0.02,
        unit="diameters",
    )
    smallest: float = option(
        0.1, label="Smallest object", help="As a share of a typical object's size", min=0.0, max=1.0, step=0.02
    )


PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {
        "steps": 5000, "working_diameter": 20.0, "width": 24, "blocks": 4, "crop": 96, "rate": 3e-4, "masks": "rim",
    },
    "paper": {
        "steps": 10_000, "working_diameter": 30.0, "width": 64, "blocks": 4, "crop": 256, "batch": 16, "rate": 1e-4,
        "upsampling": "transposed", "gamma": 1.0, "masks": "rim",
    },
}  # fmt: skip

PRESETS_3D: Mapping[str, Mapping[str, Json]] = {
    "fast": {"steps": 400, "working_diameter": 12.0, "width": 8, "blocks": 1, "crop": 40, "crop_depth": 24, "batch": 2},
    "balanced": {"steps": 3000, "working_diameter": 16.0, "width": 16, "blocks": 2, "crop": 64, "batch": 2},
    "paper": {"width": 32, "crop": 128, "crop_depth": 64, "batch": 4},
}
"""What presets have differently for volumes: a cube has many times the pixels of a square."""


def crop_shape(options: AdganOptions, ndim: int) -> tuple[int, ...]:
    """Sides of a training crop, px, each a multiple of four as the network wants it."""
    depth = options.crop_depth or options.crop // 2
    sides = (depth, options.crop, options.crop) if ndim == 3 else (options.crop,) * ndim
    return tuple(side // 4 * 4 for side in sides)


def segment_options(options: AdganOptions) -> AdganSegmentOptions:
    """Say how to read the masks of a training: rims lie about 0, and plain objects between -1 and 1."""
    return AdganSegmentOptions(threshold=RIM_THRESHOLD if options.masks == "rim" else PLAIN_THRESHOLD)
