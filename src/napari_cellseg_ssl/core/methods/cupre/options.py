"""The options of CUPre and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions
from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS
from napari_cellseg_ssl.core.options import Json, option

AUTO, PRETRAIN, FINE_TUNE = "auto", "pre-train", "fine-tune"
STAGES = (AUTO, PRETRAIN, FINE_TUNE)
L2SP, FROZEN, FREE = "l2-sp", "frozen", "free"
SHAPES = "shapes"
"""The source that is drawn."""
ALWAYS, NEVER = "always", "never"
DETECTORS = ("tiny", "fast", "balanced", "paper")
"""Keys of `detector.config.PRESETS`, which would load torch."""


@dataclass(frozen=True, kw_only=True)
class CupreOptions:
    """How a detector learns; the defaults are the preset "fast".

    Of its own numbers CUPre publishes ten iterations and the detector; the rest is chosen here.
    """

    stage: str = option(
        AUTO,
        label="Stage",
        help="Pre-train without labels, or fine-tune on painted cells; auto: on painted cells if there are any",
        choices=STAGES,
    )
    source: str = option(
        "",
        label="Source",
        help="Annotated images of anything, to pre-train on: a COCO file or its folder, a folder with images and "
        "labels, or 'shapes' for drawn ones. Without it the network learns from your images alone",
        path="file or folder",
        words=(SHAPES,),
    )
    steps: int = option(600, label="Steps", help="Optimiser steps; ignored with a time budget", min=1, max=1_000_000)
    working_diameter: float = option(
        24.0,
        label="Working diameter",
        help="Images are rescaled so that cells become this wide",
        min=8.0,
        max=96.0,
        unit="px",
    )
    detector: str = option(
        "fast",
        label="Detector",
        help="How large it is; a model to continue from keeps its own",
        choices=DETECTORS,
    )
    weights: str = option(
        NO_WEIGHTS,
        label="Weights",
        help="What it begins with: none, coco_v1 or coco_v2 (fetched once), or the path of a weight file",
        path="file",
        words=(NO_WEIGHTS, "coco_v1", "coco_v2"),
    )
    crop: int = option(192, label="Crop", help="Side of a training crop", min=64, max=2048, step=64, unit="px")
    batch: int = option(2, label="Crops per step", help="In the source step and fine-tuning", min=1, max=256)
    rate: float = option(1e-3, label="Learning rate", help="Of AdamW, at its peak", min=1e-6, max=1.0)
    backbone_rate: float = option(
        0.3,
        label="Backbone rate",
        help="Share of the learning rate for a backbone that has learned before",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    weight_decay: float = option(
        0.01, label="Weight decay", help="Of AdamW; not of a backbone that is held", min=0.0, max=1.0, advanced=True
    )
    warm_up: float = option(
        0.3,
        label="Source first",
        help="Share of the pre-training in which the source alone is learned, before both alternate",
        min=0.0,
        max=1.0,
    )
    iterations: int = option(2, label="Iterations", help="How often both alternate; ten in the paper", min=1, max=1000)
    contrast_share: float = option(
        0.3,
        label="Unlabelled share",
        help="Share of each iteration that goes to images without labels; 0: the source alone",
        min=0.0,
        max=1.0,
    )
    backbone: str = option(
        L2SP,
        label="Backbone on the source",
        help="While the source is learned: held near what images without labels taught it, frozen there, or free",
        choices=(L2SP, FROZEN, FREE),
        advanced=True,
    )
    alpha: float = option(
        0.9, label="L2-SP alpha", help="Pull to where it was; the rest is to zero", min=0.0, max=1.0, advanced=True
    )
    strength: float = option(
        3.0, label="L2-SP strength", help="Of the pull, times the learning rate", min=0.0, max=1000.0, advanced=True
    )
    held: str = option(
        AUTO,
        label="L2-SP in fine-tuning",
        help="Hold the backbone near where it was; auto: with fewer than 100 painted cells",
        choices=(AUTO, ALWAYS, NEVER),
        advanced=True,
    )
    average: float = option(
        0.1,
        label="Averaging",
        help="Share of the fine-tuning over which the weights are averaged; 0 takes the last ones",
        min=0.0,
        max=1.0,
        advanced=True,
    )
    tile: int = option(
        96, label="Tile", help="Side of what counts as one thing to recognise", min=32, max=1024, step=16, unit="px"
    )
    view: int = option(64, label="View", help="Side of what is shown of a tile", min=32, max=512, step=16, unit="px")
    tiles: int = option(32, label="Tiles per step", help="Each is shown twice", min=4, max=1024)
    queue: int = option(
        512, label="Queue", help="Other tiles to tell apart from; at most half of those there are", min=64, max=65_536
    )
    temperature: float = option(
        0.1, label="Temperature", help="Lower: more is made of the most similar tiles", min=0.01, max=1.0, advanced=True
    )
    momentum: float = option(
        0.99, label="Momentum", help="Of the network that makes the keys", min=0.0, max=0.99999, advanced=True
    )
    contrast_rate: float = option(
        5e-4, label="Rate without labels", help="Of AdamW, at its peak", min=1e-6, max=10.0, advanced=True
    )
    mixed_precision: bool = option(
        True, label="Half precision", help="Train in bfloat16 where the device is faster in it", advanced=True
    )

    @property
    def contrast(self) -> ContrastOptions:
        """Those of the contrastive step."""
        return ContrastOptions(
            working_diameter=self.working_diameter,
            tile=self.tile,
            view=self.view,
            batch=self.tiles,
            queue=self.queue,
            temperature=self.temperature,
            momentum=self.momentum,
            rate=self.contrast_rate,
            mixed_precision=self.mixed_precision,
        )


LARGE: Mapping[str, Json] = {
    "iterations": 10,
    "contrast_share": 0.5,
    "crop": 512,
    "tile": 192,
    "view": 128,
    "tiles": 128,
    "queue": 4096,
    "temperature": 0.2,
    "momentum": 0.999,
}
PRESETS: Mapping[str, Mapping[str, Json]] = {
    "fast": {},
    "tiny": {"detector": "tiny", "rate": 2e-3},
    "balanced": {**LARGE, "detector": "balanced", "steps": 5_000, "batch": 8, "rate": 3e-4},
    "paper": {
        **LARGE,
        "detector": "paper",
        "steps": 30_000,
        "batch": 16,
        "rate": 1e-4,
        "tile": 320,
        "view": 224,
        "tiles": 256,
        "queue": 65_536,
    },
}
"""`tiny` for trying things out in seconds, `fast` for a processor, `balanced` for a GPU, `paper` as published."""
