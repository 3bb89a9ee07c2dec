"""What can be set in the classical segmentation. Lengths are in object diameters, so that they fit any scale."""

from dataclasses import dataclass

from napari_cellseg_ssl.core.options import option


@dataclass(frozen=True, kw_only=True)
class ClassicalTrainOptions:
    """Nothing is learned."""


@dataclass(frozen=True, kw_only=True)
class ClassicalSegmentOptions:
    """From intensities to instances."""

    threshold: str = option(
        "local",
        label="Threshold",
        help="otsu: one brightness for the whole image. sqrt: the same, kinder to dim objects. "
        "local: as sqrt, above the mean of the wide surroundings; for uneven light and faint objects.",
        choices=("otsu", "sqrt", "local"),
    )
    threshold_factor: float = option(
        1.0,
        label="Threshold factor",
        help="Above 1: smaller and fewer objects. Below 1: larger ones, and dim ones too.",
        min=0.2,
        max=3.0,
        step=0.05,
    )
    polarity: str = option(
        "auto",
        label="Objects are",
        help="Brighter or darker than their surroundings, or both within one object (contrast), as in phase contrast; "
        "auto takes what is rounder and of the right size.",
        choices=("auto", "bright", "dark", "contrast"),
    )
    smoothing: float = option(
        0.05,
        label="Smoothing",
        help="Blur before the threshold. More: less noise, less detail.",
        min=0.0,
        max=0.5,
        step=0.01,
        unit="diameters",
    )
    declump: bool = option(True, label="Split touching objects", help="Cut clumps at their necks.")
    distance_smoothing: float = option(
        0.1,
        label="Shape smoothing",
        help="Blur of the distance to the background before splitting. More: fewer pieces.",
        min=0.0,
        max=0.5,
        step=0.01,
        unit="diameters",
    )
    seed_distance: float = option(
        0.35,
        label="Seed distance",
        help="How close two centres may be. More: fewer pieces.",
        min=0.05,
        max=1.5,
        step=0.05,
        unit="diameters",
    )
    widest_neck: float = option(
        0.95,
        label="Widest neck",
        help="Cut only where an object narrows to less than this share of its width. Less: fewer pieces.",
        min=0.3,
        max=1.0,
        step=0.05,
    )
    min_size: float = option(
        0.1,
        label="Smallest object",
        help="Smaller objects are dropped; as a share of the typical object's area.",
        min=0.0,
        max=2.0,
        step=0.01,
    )
