"""The cascade: each stage refines the boxes of the one before it, and is taught to be more exacting.

Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", CVPR 2018, sections 4.1 and 4.2; class
probabilities are averaged over the stages, and gradients into the pyramid divided by their number, as is usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.detector.boxes import Weights, clip, decode, encode, overlaps
from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.detector.matching import match, sample
from napari_cellseg_ssl.core.nets.detector.pyramid import STRIDES, convolution
from napari_cellseg_ssl.core.nets.detector.roi_align import roi_align_pyramid
from napari_cellseg_ssl.core.nets.detector.targets import Target

POOLED = 7
POSITIVE_SHARE = 0.25
BACKGROUND, IGNORED = 0, -1
"""Labels; those of objects are 1 more than their class."""


def stage_weights(stage: int) -> Weights:
    """Weights of a stage's deltas: 10, 10, 5, 5, then twice and three times as much, as boxes get better."""
    factor = stage + 1.0
    return (10 * factor, 10 * factor, 5 * factor, 5 * factor)


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Boxes of all images of a batch, and what they are.

    Parameters
    ----------
    boxes : (R, 4)
    image : (R,) long
        Index in the batch.
    labels : (R,) long
        `IGNORED`, `BACKGROUND`, or 1 more than the class.
    objects : (R,) long
        Index of the object in its image; means nothing where there is none.
    truth : (R, 4)
        Box of the object.
    """

    boxes: Tensor
    image: Tensor
    labels: Tensor
    objects: Tensor
    truth: Tensor

    def __getitem__(self, chosen: Tensor) -> Regions:
        """Return some of the regions."""
        return Regions(
            boxes=self.boxes[chosen],
            image=self.image[chosen],
            labels=self.labels[chosen],
            objects=self.objects[chosen],
            truth=self.truth[chosen],
        )


class BoxStage(nn.Module):
    """One stage: pooled features to class logits and class-agnostic box deltas."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels, width = config.channels, config.box_width
        convs = (convolution(channels, channels, 3, config.head_norm, relu=True) for _ in range(config.box_convs))
        sizes = [channels * POOLED**2, *[width] * config.box_layers]
        layers = (nn.Linear(sizes[i], sizes[i + 1]) for i in range(config.box_layers))
        self.box_head = nn.ModuleDict({"convs": nn.Sequential(*convs), "layers": nn.ModuleList(layers)})
        self.box_predictor = nn.ModuleDict(
            {"cls_score": nn.Linear(width, config.n_classes + 1), "bbox_pred": nn.Linear(width, 4)}
        )
        for layer in self.box_head["layers"]:
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        for name, spread in (("cls_score", 0.01), ("bbox_pred", 0.001)):
            nn.init.normal_(self.box_predictor[name].weight, std=spread)
            nn.init.zeros_(self.box_predictor[name].bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Map (R, C, 7, 7) to logits (R, 1 + classes), the background first, and deltas (R, 4)."""
        hidden = self.box_head["convs"](pooled).flatten(1)
        for layer in self.box_head["layers"]:
            hidden = functional.relu(layer(hidden), inplace=True)
        return self.box_predictor["cls_score"](hidden).float(), self.box_predictor["bbox_pred"](hidden).float()


class Cascade(nn.ModuleList):
    """The stages, one after the other.

    Parameters
    ----------
    config : DetectorConfig
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(BoxStage(config) for _ in config.overlaps)
        self.config = config

    def losses(
        self, pyramid: Sequence[Tensor], regions: Regions, targets: Sequence[Target], shape: tuple[int, int]
    ) -> dict[str, Tensor]:
        """Teach every stage, each with the boxes of the one before it, matched anew.

        Parameters
        ----------
        pyramid : P2 to P5
        regions : Regions
            From `first_regions`.
        shape : (Y, X)
            Of the images, px.
        """
        losses: dict[str, Tensor] = {}
        for index, stage in enumerate(self):
            pooled = scale_gradient(self._pool(pyramid, regions.boxes, regions.image), 1 / len(self))
            logits, deltas = stage(pooled)
            classes, boxes = stage_losses(logits, deltas, regions, stage_weights(index))
            losses |= {f"classes_{index + 1}": classes, f"boxes_{index + 1}": boxes}
            if index + 1 < len(self):
                refined = clip(decode(deltas.detach(), regions.boxes, stage_weights(index)), shape)
                regions = label_regions(refined, regions.image, targets, self.config.overlaps[index + 1])
        return losses

    def refine(
        self, pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return the boxes (R, 4) of the last stage, and probabilities (R, 1 + classes) averaged over all."""
        probabilities = []
        for index, stage in enumerate(self):
            logits, deltas = stage(self._pool(pyramid, boxes, image))
            probabilities.append(logits.softmax(1))
            boxes = clip(decode(deltas, boxes, stage_weights(index)), shape)
        return boxes, torch.stack(probabilities).mean(0)

    def _pool(self, pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        strides = STRIDES[: len(pyramid)]
        return roi_align_pyramid(pyramid, boxes, image, POOLED, strides=strides, aligned=self.config.aligned)


def first_regions(
    proposals: Sequence[Tensor], targets: Sequence[Target], config: DetectorConfig, rng: np.random.Generator
) -> Regions:
    """Draw boxes for the first stage from proposals and from the true boxes, a quarter of them objects at most."""
    boxes = torch.cat([torch.cat([found, target.boxes]) for found, target in zip(proposals, targets, strict=True)])
    counts = [len(found) + len(target.boxes) for found, target in zip(proposals, targets, strict=True)]
    image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(boxes.device)
    regions = label_regions(boxes, image, targets, config.overlaps[0])
    chosen: list[Tensor] = []
    for index in range(len(targets)):
        here = image == index
        positive, negative = here & (regions.labels > BACKGROUND), here & (regions.labels == BACKGROUND)
        chosen += sample(positive, negative, config.box_samples, POSITIVE_SHARE, rng)
    return regions[torch.cat(chosen)]


def label_regions(boxes: Tensor, image: Tensor, targets: Sequence[Target], threshold: float) -> Regions:
    """Say what boxes (R, 4) of the images (R,) are, by their IoU with the objects."""
    labels, objects = torch.full_like(image, IGNORED), torch.zeros_like(image)
    truth = boxes.clone()
    for index, target in enumerate(targets):
        here = (image == index).nonzero()[:, 0]
        own = boxes[here]
        matched = match(overlaps(target.boxes, own), low=threshold, high=threshold)
        is_object = matched >= 0
        labels[here[~is_object & target.judges(own)]] = BACKGROUND
        labels[here[is_object]] = target.classes[matched[is_object]] + 1
        objects[here[is_object]] = matched[is_object]
        truth[here[is_object]] = target.boxes[matched[is_object]]
    return Regions(boxes=boxes, image=image, labels=labels, objects=objects, truth=truth)


def stage_losses(logits: Tensor, deltas: Tensor, regions: Regions, weights: Weights) -> tuple[Tensor, Tensor]:
    """Return cross-entropy over what is not ignored, and the L1 distance of deltas, per region."""
    count = max(1, int((regions.labels != IGNORED).sum()))
    classes = functional.cross_entropy(logits, regions.labels, ignore_index=IGNORED, reduction="sum") / count
    positive = regions.labels > BACKGROUND
    wanted = encode(regions.boxes[positive], regions.truth[positive], weights)
    return classes, (deltas[positive] - wanted).abs().sum() / count


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, factor):  # type: ignore[no-untyped-def]
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return gradient * ctx.factor, None


def scale_gradient(features: Tensor, factor: float) -> Tensor:
    """Return the features; what flows back through them is multiplied by the factor."""
    return _ScaledGradient.apply(features, factor)


def positives_of(regions: Regions, most: int, rng: np.random.Generator) -> Regions:
    """Return up to `most` regions of each image that are objects."""
    positive = regions.labels > BACKGROUND
    none = torch.zeros_like(positive)
    chosen = [sample(positive & (regions.image == index), none, most, 1.0, rng)[0] for index in regions.image.unique()]
    return regions[torch.cat(chosen)] if chosen else regions
