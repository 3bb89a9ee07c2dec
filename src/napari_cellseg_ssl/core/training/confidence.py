"""Pseudo-labels and which of them to believe (ACTIS, section 3.1).

Deviations from the reference code, with reasons:

- Thresholds start at the first percentiles seen. The reference starts at 0.2, below any winning probability of
  three classes, and so masks nothing for the first dozens of steps.
- The masked share is constant. The reference's ramp starts at its end value and falls below zero after 10 000
  steps, where its quantile fails.
- Percentiles are taken over pixels that nobody labelled; the others have true labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_cellseg_ssl.core.segmentation.boundaries import UNKNOWN

MOST_SCORES = 1_000_000


class ClassThresholds:
    """A running percentile of confidence per class.

    Parameters
    ----------
    n_classes : int
    masked : float, 0 to 1
        Share of each class's pixels that is not believed (k in the paper).
    momentum : float
        Weight of the past in the running value.
    values : (n_classes) float, optional
        Where to start; NaN = take the first percentile seen.
    """

    def __init__(
        self, n_classes: int = 3, *, masked: float = 0.2, momentum: float = 0.99, values: Tensor | None = None
    ) -> None:
        self.masked, self.momentum = masked, momentum
        self.values = torch.full((n_classes,), torch.nan) if values is None else values.clone()

    def update(self, probabilities: Tensor, where: Tensor | None = None) -> None:
        """Follow the percentiles of one batch; a class that does not occur keeps its threshold.

        Parameters
        ----------
        probabilities : (B, K, *S) float
        where : (B, *S) bool, optional
            Pixels that count.
        """
        scores, classes = probabilities.max(1)
        for index in range(len(self.values)):
            chosen = scores[(classes == index) if where is None else (classes == index) & where]
            if chosen.numel() == 0:
                continue
            step = max(1, chosen.numel() // MOST_SCORES)
            found = torch.quantile(chosen[::step].float(), self.masked).cpu()
            old = self.values[index]
            self.values[index] = found if old.isnan() else self.momentum * old + (1 - self.momentum) * found

    def confident(self, probabilities: Tensor) -> Tensor:
        """Mark pixels whose winning class is more probable than that class's threshold -> (B, *S) bool.

        A class without a threshold yet is believed.
        """
        scores, classes = probabilities.max(1)
        return scores > self.values.nan_to_num(0.0).to(scores.device)[classes]


def shift_background(probabilities: Tensor, odds: float) -> Tensor:
    """Multiply the odds of class 0 in (B, K, *S): with t / (1 - t) a foreground of t becomes one of a half."""
    shifted = probabilities.clone()
    shifted[:, 0] *= odds
    return shifted / shifted.sum(1, keepdim=True)


def pseudo_classes(probabilities: Tensor, thresholds: ClassThresholds) -> Tensor:
    """Hard labels (B, *S) int64: the winning class where it is confident, else -1."""
    return torch.where(thresholds.confident(probabilities), probabilities.argmax(1), UNKNOWN)
