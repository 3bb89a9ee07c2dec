"""Losses that only look where something is known."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from napari_cellseg_ssl.core.segmentation.boundaries import UNKNOWN


def masked_cross_entropy(logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted cross-entropy over the known pixels, divided by the sum of their weights.

    The division makes a batch with few known pixels count as much as one with many, and unknown area count for
    nothing at all.

    Parameters
    ----------
    logits : (B, K, *S) float
    classes : (B, *S) int64
        Class of each pixel, -1 where it is unknown.
    weights : (K) float, optional

    Returns
    -------
    () float
        Zero, with zero gradients, when nothing is known.
    """
    known = classes != UNKNOWN
    losses = functional.cross_entropy(logits.float(), classes, weights, ignore_index=UNKNOWN, reduction="sum")
    if not bool(known.any()):
        return losses * 0.0
    total = known.sum() if weights is None else weights[classes[known]].sum()
    return losses / total
