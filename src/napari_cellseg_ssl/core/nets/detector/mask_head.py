"""Masks in boxes, 28 x 28. He et al., "Mask R-CNN", ICCV 2017, section 3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.detector.cascade import Cascade, Regions
from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.detector.pyramid import STRIDES, convolution
from napari_cellseg_ssl.core.nets.detector.roi_align import roi_align_pyramid
from napari_cellseg_ssl.core.nets.detector.targets import Target, mask_targets

POOLED, SIZE = 14, 28
CHUNK = 256
"""Boxes at a time in prediction, so that memory does not grow with their number."""


class MaskPredictor(nn.Module):
    """Twice the size, and one mask for each class."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(channels, n_classes, 1)
        nn.init.kaiming_normal_(self.conv5_mask.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.mask_fcn_logits.weight, std=0.001)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (R, C, 14, 14) to logits (R, classes, 28, 28)."""
        return self.mask_fcn_logits(functional.relu(self.conv5_mask(features), inplace=True)).float()


class RegionHeads(nn.Module):
    """What is asked of regions: the cascade, and masks.

    Parameters
    ----------
    config : DetectorConfig
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = Cascade(config)
        layers = [
            convolution(config.channels, config.channels, 3, config.head_norm, relu=True)
            for _ in range(config.mask_convs)
        ]
        for layer in layers:
            nn.init.kaiming_normal_(layer[0].weight, mode="fan_out", nonlinearity="relu")
        self.mask_head = nn.Sequential(*layers)
        self.mask_predictor = MaskPredictor(config.channels, config.n_classes)

    def mask_logits(self, pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor, classes: Tensor) -> Tensor:
        """Return the masks (R, 28, 28) of boxes (R, 4), each of its class (R,)."""
        strides = STRIDES[: len(pyramid)]
        pooled = roi_align_pyramid(pyramid, boxes, image, POOLED, strides=strides, aligned=self.config.aligned)
        logits = self.mask_predictor(self.mask_head(pooled))
        return logits[torch.arange(len(classes), device=classes.device), classes]

    def mask_loss(self, pyramid: Sequence[Tensor], regions: Regions, targets: Sequence[Target]) -> Tensor:
        """Return the cross-entropy of the masks of positive regions over known pixels."""
        if not len(regions.boxes):
            return pyramid[0].new_zeros(())
        logits = self.mask_logits(pyramid, regions.boxes, regions.image, regions.labels - 1)
        masks, known = torch.zeros_like(logits), torch.zeros_like(logits, dtype=torch.bool)
        for index, target in enumerate(targets):
            here = regions.image == index
            masks[here], known[here] = mask_targets(target, regions.objects[here], regions.boxes[here], SIZE)
        loss = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
        return (loss * known).sum() / known.sum().clamp(min=1)

    def masks(self, pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor, classes: Tensor) -> Tensor:
        """Return probabilities (R, 28, 28)."""
        parts = [
            self.mask_logits(pyramid, *(each[start : start + CHUNK] for each in (boxes, image, classes))).sigmoid()
            for start in range(0, len(boxes), CHUNK)
        ]
        return torch.cat(parts) if parts else boxes.new_zeros(0, SIZE, SIZE)
