"""All that defines a detector, and the sizes it comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from napari_cellseg_ssl.core.nets import messages
from napari_cellseg_ssl.core.options import Json


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Sizes and rules of a detector.

    Parameters
    ----------
    backbone : str
        A key of `backbone.BODIES`.
    in_channels : int
    norm : {"batch", "frozen", "group"}
        Of the backbone; see `norms`.
    channels : int
        Of the feature pyramid.
    head_norm : {"none", "batch", "group"}
        Of the pyramid and of convolutions in box and mask heads.
    rpn_convs : int
        Convolutions before objectness and box deltas.
    anchor_sizes : tuple of float, px
        Square root of an anchor's area, one for each of `anchor_levels`.
    anchor_levels : tuple of int
        Level of the pyramid (0 is P2, at a quarter of the image's size) that the anchors of a size are on.
    aspect_ratios : tuple of float
        Height by width.
    candidates, proposals : (int, int)
        Best anchors of a level, and proposals of an image after suppression; in training and in prediction.
    proposal_overlap : float
        IoU from which one proposal suppresses another.
    anchor_samples, box_samples, mask_samples : int
        Anchors, proposals and masks of an image that enter the losses.
    box_convs, box_layers, box_width : int
        Convolutions, linear layers and width of the latter, of each box head.
    overlaps : tuple of float
        IoU from which a box is an object, of each stage of the cascade.
    mask_convs : int
    n_classes : int
        Without the background. 1 is class-agnostic.
    aligned : bool
        Whether pooling takes the middle of a pixel for its middle; torchvision's weights were learned without it.
    least_score, detection_overlap, most_detections
        Which detections stay.
    """

    backbone: str = "resnet50"
    in_channels: int = 3
    norm: str = "batch"
    channels: int = 256
    head_norm: str = "none"
    rpn_convs: int = 1
    anchor_sizes: tuple[float, ...] = (8.0, 16.0, 32.0, 64.0, 128.0)
    anchor_levels: tuple[int, ...] = (0, 1, 2, 3, 4)
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    candidates: tuple[int, int] = (2000, 2000)
    proposals: tuple[int, int] = (2000, 2000)
    proposal_overlap: float = 0.7
    anchor_samples: int = 256
    box_samples: int = 512
    mask_samples: int = 128
    box_convs: int = 4
    box_layers: int = 1
    box_width: int = 1024
    overlaps: tuple[float, ...] = (0.5, 0.6, 0.7)
    mask_convs: int = 4
    n_classes: int = 1
    aligned: bool = True
    least_score: float = 0.05
    detection_overlap: float = 0.5
    most_detections: int = 3000

    def as_json(self) -> dict[str, Json]:
        """Describe the detector, so that `from_json` makes the same."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, described: Mapping[str, Json]) -> DetectorConfig:
        """Read what `as_json` wrote.

        Raises
        ------
        WrongRun
            If there is something that this version does not know.
        """
        unknown = set(described) - {field.name for field in fields(cls)}
        if unknown:
            raise messages.unknown_detector(sorted(unknown))
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in described.items()}
        return cls(**values)  # type: ignore[arg-type]


PRESETS = {
    "tiny": DetectorConfig(
        backbone="tiny",
        norm="group",
        channels=64,
        candidates=(200, 200),
        proposals=(100, 200),
        anchor_samples=128,
        box_samples=64,
        mask_samples=24,
        box_convs=0,
        box_layers=2,
        box_width=128,
        mask_convs=2,
    ),
    "fast": DetectorConfig(
        backbone="resnet18",
        channels=128,
        candidates=(500, 1000),
        proposals=(300, 500),
        box_samples=128,
        mask_samples=32,
        box_convs=0,
        box_layers=2,
        box_width=256,
        mask_convs=2,
    ),
    "balanced": DetectorConfig(head_norm="batch", rpn_convs=2),
    "paper": DetectorConfig(
        backbone="resnest200e",
        anchor_sizes=(4.0, 9.0, 17.0, 31.0, 64.0, 127.0),
        anchor_levels=(0, 0, 1, 2, 3, 4),
        aspect_ratios=(0.25, 0.5, 1.0, 2.0, 4.0),
        candidates=(12000, 6000),
        proposals=(3000, 3000),
        mask_convs=8,
    ),
}
"""`tiny` for tests, `fast` for a CPU, `balanced` laid out as torchvision's second COCO model, `paper` as LIVECell's."""
