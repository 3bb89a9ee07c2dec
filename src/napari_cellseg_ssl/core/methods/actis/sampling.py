"""Crops to learn from, with the classes of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.segmentation.boundaries import three_classes
from napari_cellseg_ssl.core.training.frames import Frame

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.training.pasting import LabelledCrop


@dataclass(frozen=True)
class Batch:
    """Crops (B, C, Y, X) and the classes (B, Y, X) of their pixels, -1 where unknown."""

    images: Tensor
    classes: Tensor


class Sampler:
    """Draw square crops from frames of unequal sizes; see `LabelledSampler`.

    Parameters
    ----------
    frames : sequence of Frame
    side : int, px
    """

    def __init__(self, frames: Sequence[Frame], side: int) -> None:
        from napari_cellseg_ssl.core.training.labelled_crops import LabelledSampler

        self._crops = LabelledSampler(frames, side, mirrored=True)

    def labelled(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops around known cells and background, deformed by chance, some with cells of the others."""
        return _batch(self._crops.labelled(rng, count))

    def anywhere(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops from all frames in proportion to their width."""
        return _batch(self._crops.anywhere(rng, count))


def _batch(crops: Sequence[LabelledCrop]) -> Batch:
    import torch

    classes = np.stack([three_classes(crop.cells, crop.known, exact=crop.exact) for crop in crops])
    return Batch(torch.from_numpy(np.stack([crop.pixels for crop in crops])), torch.from_numpy(classes).long())
