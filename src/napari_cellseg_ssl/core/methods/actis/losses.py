"""What ACTIS learns from: painted pixels, then its teacher's labels too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.actis.sampling import Batch, Sampler
from napari_cellseg_ssl.core.segmentation.boundaries import UNKNOWN

if TYPE_CHECKING:
    from torch import Tensor, nn

N_CLASSES = 3
RAMP = 0.2
"""Share of the refinement over which the weight of the pseudo-labels rises to its full value."""


class Losses:
    """What the student learns from in its two kinds of steps, and how sure its teacher has to be.

    Deviations from the paper and its reference code, with reasons:

    - The teacher moves. The reference assigns the average to a loop variable, so its teacher stays the baseline.
    - The teacher averages probabilities, not logits, so that one view's outlier cannot outvote the others.
    - Class weights apply to true labels only. On pseudo-labels they feed back: a network that is pushed towards
      boundaries labels more boundary, which is then weighted up again.
    - Pseudo-labels call foreground what lies above the threshold that fits the painted cells, not what is more probable
      than not. Where edges are not painted, cells come out too wide, and a student of such labels makes them wider.
    - Both losses are divided by the weight of the pixels that count, not by the number of all pixels.
    """

    def __init__(
        self, student: nn.Module, teacher: nn.Module, sampler: Sampler, options: ActisOptions, device: str
    ) -> None:
        import torch

        from napari_cellseg_ssl.core.training.confidence import ClassThresholds

        self.student, self.teacher, self.sampler = student, teacher, sampler
        self.options, self.device = options, device
        self.thresholds = ClassThresholds(N_CLASSES, masked=options.masked, momentum=options.threshold_momentum)
        self.background_odds = 1.0
        self._weights = torch.tensor([1.0, 1.0, options.boundary_weight], device=device)

    def calibrate(self, foreground_threshold: float) -> None:
        """Set the probability above which the teacher calls something foreground."""
        self.background_odds = foreground_threshold / (1 - foreground_threshold)

    def baseline(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Return the loss on crops of painted places."""
        from napari_cellseg_ssl.core.training.augment import random_intensity
        from napari_cellseg_ssl.core.training.masked_losses import masked_cross_entropy

        batch = self.sampler.labelled(rng, self.options.batch)
        with self._precision():
            logits = self.student(random_intensity(batch.images, rng).to(self.device))
        return {"supervised": masked_cross_entropy(logits, batch.classes.to(self.device), self._weights)}

    def refinement(self, rng: np.random.Generator, refined: float) -> dict[str, Tensor]:
        """Return that loss, and cross-entropy with confident pseudo-labels on crops from anywhere.

        Parameters
        ----------
        refined : float, 0 to 1
            Share of the refinement that is done.
        """
        import torch

        from napari_cellseg_ssl.core.training.augment import orient, random_intensity
        from napari_cellseg_ssl.core.training.masked_losses import masked_cross_entropy

        painted = self.sampler.labelled(rng, self.options.refine_batch)
        anywhere = self.sampler.anywhere(rng, self.options.unlabelled_batch)
        view = int(rng.integers(8))
        wanted = orient(self.pseudo_labels(anywhere), view)
        images = torch.cat([painted.images, orient(anywhere.images, view)])
        with self._precision():
            logits = self.student(random_intensity(images, rng).to(self.device))
        n_painted = len(painted.images)
        supervised = masked_cross_entropy(logits[:n_painted], painted.classes.to(self.device), self._weights)
        weight = self.options.pseudo_weight * min(1.0, refined / RAMP)
        return {"supervised": supervised, "pseudo": weight * masked_cross_entropy(logits[n_painted:], wanted)}

    def pseudo_labels(self, batch: Batch) -> Tensor:
        """Classes (B, Y, X) for crops from anywhere: painted where known, else the teacher's where it is confident."""
        import torch

        from napari_cellseg_ssl.core.training.confidence import pseudo_classes, shift_background
        from napari_cellseg_ssl.core.training.ema import averaged_probabilities

        known = batch.classes.to(self.device)
        with self._precision():
            probabilities = averaged_probabilities(
                self.teacher, batch.images.to(self.device), self.options.teacher_views
            )
        probabilities = shift_background(probabilities, self.background_odds)
        self.thresholds.update(probabilities, known == UNKNOWN)
        return torch.where(known == UNKNOWN, pseudo_classes(probabilities, self.thresholds), known)

    def observe(self, probabilities: Sequence[Array]) -> None:
        """Set the confidence thresholds of a model that was not refined, from probabilities (3, Y, X)."""
        import torch

        for one in probabilities:
            self.thresholds.update(torch.from_numpy(one)[None])

    def _precision(self) -> AbstractContextManager[object]:
        from napari_cellseg_ssl.core.training.precision import half_precision

        return half_precision(self.device, self.options.mixed_precision)
