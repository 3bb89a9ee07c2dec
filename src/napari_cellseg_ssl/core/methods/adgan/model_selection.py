"""Which moment of a training predicts best, judged without a label.

A network that has understood the images finds objects from which the same images can be drawn again. So the objects
found in some fields are drawn as ideal masks and translated back: only what is in the instances can come through, not
what a translation hides in its greys. What is drawn is compared with the images, and the objects with the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, objects_to_mask
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK
from napari_cellseg_ssl.core.methods.adgan.network import AdganPredictor
from napari_cellseg_ssl.core.methods.adgan.options import AdganSegmentOptions
from napari_cellseg_ssl.core.methods.adgan.segment import segment_frame
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge

THRESHOLDS = (-0.6, -0.4, -0.2, 0.0, 0.3, 0.6)
NEARLY = 0.002
FEWEST = 3
"""Whole objects without which there is nothing to judge."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The fields that every moment of a training is judged on.

    Parameters
    ----------
    fields : (B, 1, *S) float32
        Greys from -1 to 1.
    prior : MaskPrior
    options : AdganSegmentOptions
    """

    fields: Array
    prior: MaskPrior
    options: AdganSegmentOptions

    def judge(self, predictor: AdganPredictor) -> dict[str, float]:
        """Score a moment.

        Returns
        -------
        {"redrawn", "sizes", "quality": float}
            Likeness, -1 to 1, of the images drawn from the objects; share of the foreground that is in objects of a
            size that the masks have; and the product of both.
        """
        return self._scores(predictor, predictor.translate(self.fields, IMAGE, MASK)[:, 0], self.options)

    def calibrate(self, predictor: AdganPredictor) -> tuple[AdganSegmentOptions, dict[str, float]]:
        """Search the threshold by which the objects explain the fields best; returns it, and its scores.

        The default stays unless another one is better by more than chance.
        """
        masks = predictor.translate(self.fields, IMAGE, MASK)[:, 0]
        tried = [self.options, *(replace(self.options, threshold=threshold) for threshold in THRESHOLDS)]
        scores = [self._scores(predictor, masks, options) for options in tried]
        best = int(np.argmax([one["quality"] for one in scores]))
        if scores[best]["quality"] - scores[0]["quality"] < NEARLY:
            best = 0
        return tried[best], scores[best]

    def _scores(self, predictor: AdganPredictor, masks: Array, options: AdganSegmentOptions) -> dict[str, float]:
        labels = [segment_frame(mask, self.prior.diameter, options) for mask in masks]
        ideal = np.stack([objects_to_mask(one, rim=self.prior.rim) for one in labels])[:, np.newaxis]
        redrawn = _correlation(predictor.translate(ideal, MASK, IMAGE), self.fields)
        sizes = _likely_sizes(labels, self.prior)
        return {"redrawn": redrawn, "sizes": sizes, "quality": redrawn * sizes}


def _correlation(first: Array, second: Array) -> float:
    """Mean over fields of Pearson's correlation; 0 where one is constant."""
    found = []
    for a, b in zip(first, second, strict=True):
        spread = float(a.std() * b.std())
        found.append(float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 1e-9 else 0.0)
    return float(np.mean(found))


def _likely_sizes(labels: Sequence[Array], prior: MaskPrior) -> float:
    """Share of the foreground, 0 to 1, that belongs to whole objects of a size that the masks have."""
    whole = [np.where(np.isin(one, ids_at_edge(one)), 0, one) for one in labels]
    sizes = np.concatenate([diameters_of_cells(one) for one in whole])
    if len(sizes) < FEWEST:
        return 0.0
    volumes = sizes ** labels[0].ndim
    deviation = np.abs(np.log(sizes / prior.diameter)) / np.log1p(max(prior.spread, 0.1))
    likely = np.exp(-0.5 * np.maximum(0, deviation - 1) ** 2)
    return float((volumes * likely).sum() / volumes.sum())
