"""The whole detector: pyramid, proposals, cascade and masks. See the package for sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.nets.detector.cascade import first_regions, positives_of
from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.detector.mask_head import RegionHeads
from napari_cellseg_ssl.core.nets.detector.objectness import largest_of_levels
from napari_cellseg_ssl.core.nets.detector.proposals import ProposalNetwork
from napari_cellseg_ssl.core.nets.detector.pyramid import STRIDES, PyramidBackbone
from napari_cellseg_ssl.core.nets.detector.targets import Target
from napari_cellseg_ssl.core.nets.expects_inputs import ExpectsInputs
from napari_cellseg_ssl.core.segmentation.box_suppression import suppress

POOLED_LEVELS = 4
"""P2 to P5; P6 has anchors only."""
MULTIPLE = STRIDES[POOLED_LEVELS - 1]
"""px. Of images with such sides the pixels of P2 to P5 lie on each other; P6 is merged into none of them."""


class Detector(ExpectsInputs):
    """Find objects in (B, C, Y, X) images: boxes, scores, classes and masks.

    Parameters
    ----------
    config : DetectorConfig
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config.in_channels)
        self.config = config
        self.backbone = PyramidBackbone(config)
        self.rpn = ProposalNetwork(config)
        self.roi_heads = RegionHeads(config)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Return P2 to P6, each (B, channels, Y', X')."""
        return self.backbone(self.expected(images))

    def losses(self, images: Tensor, targets: Sequence[Target], rng: np.random.Generator) -> dict[str, Tensor]:
        """Return all losses of a batch, which are meant to be added up.

        Parameters
        ----------
        images : (B, C, Y, X)
        targets : sequence of B Target, on the same device
        rng : numpy Generator
            Draws the anchors and boxes that are learned from.
        """
        pyramid, shape = self.pyramid(images), (images.shape[2], images.shape[3])
        levels = pyramid[:POOLED_LEVELS]
        anchors, logits, deltas = self.rpn(pyramid)
        losses = self.rpn.losses(anchors, logits, deltas, targets, rng)
        proposals = self.rpn.proposals(anchors, logits, deltas, shape)
        regions = first_regions(proposals, targets, self.config, rng)
        losses |= self.roi_heads.stages.losses(levels, regions, targets, shape)
        positives = positives_of(regions, self.config.mask_samples, rng)
        return {**losses, "masks": self.roi_heads.mask_loss(levels, positives, targets)}

    def detect(self, images: Tensor) -> list[Detections]:
        """Return what is found in each of the images (B, C, Y, X), best first; see the rules in the configuration."""
        return self.look(images)[0]

    @torch.inference_mode()
    def look(self, images: Tensor) -> tuple[list[Detections], Tensor]:
        """Find objects, and say how probable any object is at each pixel; the pyramid is computed once for both.

        Parameters
        ----------
        images : (B, C, Y, X)
            Of any size. Behind them they are filled up with what they are expected to be in the mean.

        Returns
        -------
        found : list of B Detections
            Best first; see the rules in the configuration.
        objectness : (B, Y, X) float32, 0 to 1
            The largest over anchors and levels, also where no box is found.
        """
        shape = (images.shape[2], images.shape[3])
        behind = (0, -shape[1] % MULTIPLE, 0, -shape[0] % MULTIPLE)
        pyramid = self.backbone(functional.pad(self.expected(images), behind))
        levels = pyramid[:POOLED_LEVELS]
        anchors, logits, deltas = self.rpn(pyramid)
        proposals = self.rpn.proposals(anchors, logits, deltas, shape)
        counts = torch.tensor([len(boxes) for boxes in proposals])
        image = torch.repeat_interleave(torch.arange(len(counts)), counts).to(images.device)
        boxes, probabilities = self.roi_heads.stages.refine(levels, torch.cat(proposals), image, shape)
        found = []
        for index in range(len(images)):
            here = image == index
            chosen, scores, classes = self._best(boxes[here], probabilities[here, 1:])
            masks = self.roi_heads.masks(levels, chosen, torch.full_like(classes, index), classes)
            arrays = (each.cpu().numpy() for each in (chosen, scores, classes, masks))
            found.append(Detections(**dict(zip(("boxes", "scores", "classes", "masks"), arrays, strict=True))))
        strides = [STRIDES[index] for index in self.config.anchor_levels]
        return found, largest_of_levels(self._objectness(pyramid, logits), strides, shape)

    @torch.inference_mode()
    def objectness(self, images: Tensor) -> list[Tensor]:
        """Return how probable any object is at each place of P2, P3, … that has anchors, each (B, Y', X'), 0 to 1."""
        pyramid = self.pyramid(images)
        return self._objectness(pyramid, self.rpn(pyramid)[1])

    def _objectness(self, pyramid: Sequence[Tensor], logits: Sequence[Tensor]) -> list[Tensor]:
        """Take the best anchor at each place of each level."""
        n_anchors, maps = len(self.config.aspect_ratios), []
        for index, of_level in zip(self.config.anchor_levels, logits, strict=True):
            best = of_level.unflatten(1, (-1, n_anchors)).amax(-1).sigmoid()
            maps.append(best.unflatten(1, pyramid[index].shape[2:]))
        return maps

    def _best(self, boxes: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose among boxes (R, 4) with the probabilities (R, classes) of an image."""
        place, classes = (probabilities > self.config.least_score).nonzero(as_tuple=True)
        scores, boxes = probabilities[place, classes], boxes[place]
        kept = suppress(
            boxes.cpu().numpy(),
            scores.cpu().numpy(),
            self.config.detection_overlap,
            groups=classes.cpu().numpy(),
            limit=self.config.most_detections,
        )
        chosen = torch.from_numpy(kept).to(boxes.device)
        return boxes[chosen], scores[chosen], classes[chosen]
