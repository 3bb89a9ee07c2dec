"""Crops with their objects, as the detector learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.training.frames import Frame

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.nets.detector.targets import Target

ZOOM = (1 / 1.3, 1.3)
"""Magnification of a crop; of everyday images +-30 % is usual, and cells are of one size already."""


class ObjectCrops:
    """Draw crops (C, side, side) around known objects and background, turned, magnified and lit by chance.

    Parameters
    ----------
    frames : sequence of Frame
        At the working scale, some with labels.
    side : int, px
    pasted : float
        Probability that a cell of another crop is pasted in; see `LabelledSampler`.
    """

    def __init__(self, frames: Sequence[Frame], side: int, *, pasted: float = 0.5) -> None:
        from napari_cellseg_ssl.core.training.labelled_crops import LabelledSampler

        self._crops = LabelledSampler(frames, side, zoom=ZOOM, pasted=pasted)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, list[Target]]:
        """Return images (count, C, side, side) and what is known of each."""
        import torch

        from napari_cellseg_ssl.core.nets.detector.targets import Target
        from napari_cellseg_ssl.core.training.augment import random_intensity

        crops = self._crops.labelled(rng, count)
        images = random_intensity(torch.from_numpy(np.stack([crop.pixels for crop in crops])), rng)
        known = [
            Target.from_labels(torch.from_numpy(crop.cells).long(), torch.from_numpy(crop.known)) for crop in crops
        ]
        return images, known

    def unchanged(self, rng: np.random.Generator, count: int) -> Tensor:
        """Return images (count, C, side, side) as bright as they are, from anywhere in the frames."""
        import torch

        return torch.from_numpy(np.stack([crop.pixels for crop in self._crops.anywhere(rng, count)]))
