"""What is known of an image: objects, and where it may be believed that there are no others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_cellseg_ssl.core.nets.detector.roi_align import taps

MOSTLY = 0.5
"""A box of which more than this is unknown says nothing."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The annotation of one image.

    Parameters
    ----------
    boxes : (N, 4) float
    masks : (N, Y, X) bool
    classes : (N,) long
        From 0.
    known : (Y, X) bool, optional
        Where the masks may be believed, also that there is no object; everywhere by default.
    """

    boxes: Tensor
    masks: Tensor
    classes: Tensor
    known: Tensor | None = None

    @classmethod
    def from_labels(cls, labels: Tensor, known: Tensor | None = None, *, smallest: int = 4) -> Target:
        """Take objects from a label image.

        Parameters
        ----------
        labels : (Y, X) integer
            0 is no object.
        known : (Y, X) bool, optional
            Labels elsewhere do not count; of an object that is partly known, the known part does.
        smallest : int
            px; smaller objects are left out, and where they are becomes unknown.
        """
        if known is not None:
            labels = labels * known
            known = None if bool(known.all()) else known
        ids, pixels = labels.unique(return_counts=True)
        large = (pixels >= smallest) & (ids > 0)
        small = torch.isin(labels, ids[~large & (ids > 0)])
        if small.any():
            known = ~small if known is None else known & ~small
        masks = labels[None] == ids[large][:, None, None]
        classes = torch.zeros(len(masks), dtype=torch.long, device=labels.device)
        return cls(boxes=boxes_of(masks), masks=masks, classes=classes, known=known)

    def to(self, device: torch.device | str) -> Target:
        """Copy to a device."""
        known = None if self.known is None else self.known.to(device)
        return Target(
            boxes=self.boxes.to(device), masks=self.masks.to(device), classes=self.classes.to(device), known=known
        )

    def judges(self, boxes: Tensor) -> Tensor:
        """Whether it can be said that boxes hold no object, if none of the objects fits them.

        It cannot where most of a box is unknown, or more of it is unknown than is background.

        Parameters
        ----------
        boxes : (N, 4), px

        Returns
        -------
        (N,) bool
        """
        if self.known is None:
            return torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
        height, width = self.known.shape
        limits = boxes.new_tensor([width, height, width, height])
        ends = torch.cat([boxes[:, :2].floor(), boxes[:, 2:].ceil()], dim=1)
        x1, y1, x2, y2 = torch.minimum(ends.clamp(min=0), limits).long().unbind(1)
        background = self.known & ~self.masks.any(0)
        unknown, free = (_sums(mask, x1, y1, x2, y2) for mask in (~self.known, background))
        return (unknown <= MOSTLY * (x2 - x1) * (y2 - y1)) & (unknown <= free)


def boxes_of(masks: Tensor) -> Tensor:
    """Return the smallest boxes (N, 4) around masks (N, Y, X), none of which may be empty."""
    if not len(masks):
        return torch.zeros(0, 4, device=masks.device)
    ends = []
    for axis in (1, 2):  # what is left is X, then Y
        filled = masks.any(axis).to(torch.uint8)
        ends.append((filled.argmax(1), filled.shape[1] - filled.flip(1).argmax(1)))
    (x1, x2), (y1, y2) = ends
    return torch.stack([x1, y1, x2, y2], dim=1).float()


def mask_targets(target: Target, objects: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Draw objects as they look in boxes.

    Parameters
    ----------
    objects : (N,) long
        Which object each box is of.
    boxes : (N, 4)

    Returns
    -------
    masks : (N, size, size) float, 0 or 1
    known : (N, size, size) bool
    """
    x1, y1, x2, y2 = (boxes - 0.5).unbind(1)
    (rows, down), (columns, across) = (
        taps(start, stop, size, n) for start, stop, n in zip((y1, x1), (y2, x2), target.masks.shape[1:], strict=True)
    )
    rows, columns = rows[:, :, None, :, None], columns[:, None, :, None, :]
    weights = down[:, :, None, :, None] * across[:, None, :, None, :]
    inside = target.masks[objects[:, None, None, None, None], rows, columns]
    masks = (inside * weights).sum((3, 4)) >= 0.5
    if target.known is None:
        return masks.float(), torch.ones_like(masks)
    return masks.float(), (target.known[rows, columns] * weights).sum((3, 4)) >= 0.5


def _sums(mask: Tensor, x1: Tensor, y1: Tensor, x2: Tensor, y2: Tensor) -> Tensor:
    """Count the pixels of a mask (Y, X) in boxes (N,)."""
    integral = torch.nn.functional.pad(mask.int().cumsum(0).cumsum(1), (1, 0, 1, 0))
    return integral[y2, x2] - integral[y1, x2] - integral[y2, x1] + integral[y1, x1]
