"""Crops to learn from, with the classes and the closeness to the core of their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.targets import targets
from napari_cellseg_ssl.core.training.frames import Frame

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.training.pasting import LabelledCrop


@dataclass(frozen=True)
class Batch:
    """Crops (B, C, Y, X), and classes and closeness (B, Y, X) of their pixels, -1 where unknown."""

    images: Tensor
    classes: Tensor
    closeness: Tensor


class Sampler:
    """Draw square crops from frames of unequal sizes; see `LabelledSampler`.

    Crops are drawn with a margin, which is cut off once the targets are made: the core of a cell that the crop's edge
    cuts may lie beyond it.
    """

    def __init__(self, frames: Sequence[Frame], options: MaunetOptions) -> None:
        from napari_cellseg_ssl.core.training.labelled_crops import LabelledSampler

        self._margin = round(options.working_diameter)
        self._inverted = options.inverted
        self._crops = LabelledSampler(
            frames,
            options.crop + 2 * self._margin,
            zoom=(options.smallest_zoom, options.largest_zoom),
            affine=options.rescaled,
            pasted=options.pasted,
            mirrored=True,
        )

    def labelled(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops around known cells and background, deformed by chance, some with cells of the others."""
        return self._batch(self._crops.labelled(rng, count), rng)

    def anywhere(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw crops from all frames in proportion to their width."""
        return self._batch(self._crops.anywhere(rng, count), rng)

    def _batch(self, crops: Sequence[LabelledCrop], rng: np.random.Generator) -> Batch:
        import torch

        wanted = [targets(crop.cells, crop.known) for crop in crops]
        images = self._middle([crop.pixels for crop in crops])
        inverted = rng.random((len(crops), 1, 1, 1)) < self._inverted
        return Batch(
            images=torch.from_numpy(np.where(inverted, 1 - images, images)),
            classes=torch.from_numpy(self._middle([one.classes for one in wanted])).long(),
            closeness=torch.from_numpy(self._middle([one.closeness for one in wanted])),
        )

    def _middle(self, arrays: Sequence[Array]) -> Array:
        """Stack arrays (..., Y, X) without their margins."""
        kept = slice(self._margin, -self._margin)
        return np.stack([array[..., kept, kept] for array in arrays])
