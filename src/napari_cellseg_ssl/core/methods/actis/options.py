"""The options of ACTIS and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS, RESNETS
from napari_cellseg_ssl.core.options import Json, option

SMALL, EFFICIENTNET = "small", "efficientnet-b5"
TAGS = {SMALL: "actis-small-unet", EFFICIENTNET: "actis-efficientnet-b5", **{name: f"actis-{name}" for name in RESNETS}}
"""What models call their network."""


@dataclass(frozen=True, kw_only=True)
class ActisOptions:
    """How to train; the defaults are the preset "fast"."""

    steps: int = option(
        2000, label="Steps", help="Optimiser steps of both stages; ignored with a time budget", min=1, max=1_000_000
    )
    steps_per_cell: float = option(
        15.0,
        label="Steps per cell",
        help="With a time budget: end after so many steps for each painted cell, at least 450, because repeating few "
        "cells for longer makes the network worse on other images; 0 = use all the time",
        min=0.0,
        max=10_000.0,
        step=5.0,
        advanced=True,
    )
    refine_share: float = option(
        0.5,
        label="Refinement",
        help="Share of the work that also learns from unpainted pixels; 0 = painted pixels only",
        min=0.0,
        max=0.95,
        step=0.05,
    )
    working_diameter: float = option(
        24.0,
        label="Working diameter",
        help="Images are rescaled so that cells become this wide",
        min=8.0,
        max=96.0,
        unit="px",
    )
    encoder: str = option(
        SMALL,
        label="Network",
        help="small: learns in minutes without a GPU; efficientnet-b5: the paper's, for GPUs; others: a U-Net on this "
        "encoder, for weights of one's own",
        choices=(SMALL, EFFICIENTNET, *RESNETS),
    )
    encoder_weights: str = option(
        NO_WEIGHTS,
        label="Encoder weights",
        help="none, imagenet (downloaded once), or the path of a weight file, of a ResNet also MoCo or a run's; "
        "the small network takes none",
        advanced=True,
        path="file",
        words=(NO_WEIGHTS, "imagenet"),
    )
    encoder_rate: float = option(
        0.1,
        label="Encoder's rate",
        help="Share of the learning rate for a ResNet that begins with given weights",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    width: int = option(16, label="Width", help="Feature maps at full resolution", min=4, max=128, advanced=True)
    depth: int = option(
        3,
        label="Depth",
        help="Number of 2x poolings, or of stages of a ResNet; the wide one has three at most",
        min=1,
        max=4,
        advanced=True,
    )
    crop: int = option(96, label="Crop", help="Side of a training crop", min=32, max=512, step=32, unit="px")
    batch: int = option(
        8, label="Painted crops", help="Crops of painted places per step, before refinement", min=1, max=128
    )
    refine_batch: int = option(4, label="Painted crops while refining", help="Per step", min=1, max=128, advanced=True)
    unlabelled_batch: int = option(
        4, label="Unpainted crops", help="Crops from anywhere per step of the refinement", min=1, max=128, advanced=True
    )
    rate: float = option(3e-3, label="Learning rate", help="Of AdamW, at its peak", min=1e-6, max=1.0)
    weight_decay: float = option(1e-3, label="Weight decay", help="Of AdamW or SGD", min=0.0, max=1.0, advanced=True)
    refine_optimiser: str = option(
        "adamw",
        label="Refinement by",
        help="adamw goes on as before; sgd is the paper's second stage, with its own rate and momentum 0.9",
        choices=("adamw", "sgd"),
        advanced=True,
    )
    refine_rate: float = option(
        0.01, label="Refinement rate", help="Learning rate of sgd", min=1e-6, max=1.0, advanced=True
    )
    boundary_weight: float = option(
        2.0, label="Boundary weight", help="Weight of boundary pixels in the loss", min=0.1, max=20.0, advanced=True
    )
    pseudo_weight: float = option(
        1.0, label="Pseudo-label weight", help="Weight of the unpainted pixels' loss", min=0.0, max=10.0
    )
    masked: float = option(
        0.2,
        label="Masked share",
        help="Least confident share of each class of pseudo-labels that is ignored",
        min=0.0,
        max=0.95,
        step=0.05,
    )
    threshold_momentum: float = option(
        0.99,
        label="Threshold momentum",
        help="How slowly the confidence thresholds move",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    teacher_views: int = option(
        2, label="Teacher's views", help="Orientations the teacher averages over", min=1, max=8, advanced=True
    )
    teacher_half_life: float = option(
        0.05,
        label="Teacher's memory",
        help="Share of the work after which the teacher has forgotten half",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    teacher_every: int = option(
        0,
        label="Teacher's interval",
        help="The paper's: every so many steps the teacher moves by 1 %; 0 = at every step, by its memory",
        min=0,
        max=100_000,
        advanced=True,
    )
    calibrate_teacher: bool = option(
        True,
        label="Calibrate teacher",
        help="Make pseudo-labels with the foreground threshold that fits the painted cells",
        advanced=True,
    )
    frozen_teacher: bool = option(
        False, label="Frozen teacher", help="Keep the teacher as it was after the first stage", advanced=True
    )
    mixed_precision: bool = option(
        True, label="Half precision", help="Train in bfloat16 where the device is faster in it", advanced=True
    )
    prediction_views: int = option(
        2, label="Views in prediction", help="Orientations averaged when an image is predicted", min=1, max=8
    )

    @property
    def has_given_resnet(self) -> bool:
        """Whether the encoder is a ResNet that begins with weights learned elsewhere."""
        return self.encoder in RESNETS and self.encoder_weights not in ("", NO_WEIGHTS)

    @property
    def fewest_crops(self) -> int:
        """How many crops the network sees in a step, in the stage in which they are fewer."""
        refining = self.refine_batch + self.unlabelled_batch
        return min(self.batch, refining) if self.refine_share else self.batch


@dataclass(frozen=True, kw_only=True)
class ActisSegmentOptions:
    """How to make instances from class probabilities."""

    seed_threshold: float = option(
        0.8,
        label="Seeds",
        help="Higher: more and smaller seeds, touching cells come apart",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    foreground_threshold: float = option(
        0.6, label="Foreground", help="Higher: smaller cells", min=0.0, max=1.0, step=0.01
    )
    widest_neck: float = option(
        0.0,
        label="Widest neck",
        help="Cut where cells narrow to less than this share of their width. Less: fewer pieces; "
        "0: only where the network sees a boundary",
        min=0.0,
        max=1.0,
        step=0.05,
        search=(0.0, 1.0),
    )
    min_size: float = option(
        0.1, label="Smallest object", help="As a share of a typical cell's area", min=0.0, max=2.0, step=0.01
    )


PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "balanced": {"steps": 8000, "width": 24},
    "paper": {
        "steps": 150_000,
        "steps_per_cell": 0.0,
        "refine_share": 1 / 3,
        "working_diameter": 24.0,
        "encoder": EFFICIENTNET,
        "encoder_weights": "imagenet",
        "crop": 128,
        "batch": 5,
        "refine_batch": 4,
        "unlabelled_batch": 8,
        "rate": 1e-3,
        "weight_decay": 1e-3,
        "refine_optimiser": "sgd",
        "refine_rate": 0.01,
        "boundary_weight": 4.0,
        "masked": 0.2,
        "teacher_views": 8,
        "teacher_every": 100,
        "calibrate_teacher": False,
        "prediction_views": 8,
    },
}
