"""The settings of the contrastive step."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ContrastOptions:
    """How to learn from unlabelled images; see the options of the same names in `CupreOptions`.

    CUPre publishes none of these. Momentum, temperature and the length of the queue are those that the authors of
    momentum contrast use for small images on one device.
    """

    working_diameter: float = 24.0
    tile: int = 96
    view: int = 64
    batch: int = 32
    queue: int = 512
    temperature: float = 0.1
    momentum: float = 0.99
    rate: float = 5e-4
    weight_decay: float = 1e-4
    mixed_precision: bool = True
