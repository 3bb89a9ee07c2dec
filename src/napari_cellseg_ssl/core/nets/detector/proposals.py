"""Region proposals: where there may be an object of any kind. Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_cellseg_ssl.core.nets.detector.anchors import make_anchors
from napari_cellseg_ssl.core.nets.detector.boxes import clip, decode, encode, overlaps
from napari_cellseg_ssl.core.nets.detector.config import DetectorConfig
from napari_cellseg_ssl.core.nets.detector.matching import NOTHING, match, sample
from napari_cellseg_ssl.core.nets.detector.pyramid import STRIDES, convolution
from napari_cellseg_ssl.core.nets.detector.targets import Target
from napari_cellseg_ssl.core.segmentation.box_suppression import suppress

LOW, HIGH = 0.3, 0.7
"""IoU below which an anchor is background, and from which it is an object."""
POSITIVE_SHARE = 0.5


class ProposalHead(nn.Module):
    """Objectness and box deltas of every anchor of one level."""

    def __init__(self, channels: int, n_convs: int, n_anchors: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*(convolution(channels, channels, 3, "none", relu=True) for _ in range(n_convs)))
        self.cls_logits = nn.Conv2d(channels, n_anchors, 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * n_anchors, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, Y * X * anchors) and deltas (B, Y * X * anchors, 4)."""
        hidden = self.conv(features)
        logits, deltas = self.cls_logits(hidden), self.bbox_pred(hidden)
        return logits.permute(0, 2, 3, 1).flatten(1), deltas.permute(0, 2, 3, 1).reshape(len(features), -1, 4)


class ProposalNetwork(nn.Module):
    """Find boxes that may hold an object.

    Parameters
    ----------
    config : DetectorConfig
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.head = ProposalHead(config.channels, config.rpn_convs, len(config.aspect_ratios))

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return anchors (A, 4), logits (B, A) and deltas (B, A, 4) of each of the levels that have anchors."""
        levels = [pyramid[index] for index in self.config.anchor_levels]
        anchors = make_anchors(
            [(level.shape[2], level.shape[3]) for level in levels],
            [STRIDES[index] for index in self.config.anchor_levels],
            self.config.anchor_sizes,
            self.config.aspect_ratios,
            levels[0].device,
        )
        logits, deltas = zip(*(self.head(level) for level in levels), strict=True)
        return anchors, [each.float() for each in logits], [each.float() for each in deltas]

    def losses(
        self,
        anchors: Sequence[Tensor],
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        targets: Sequence[Target],
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        """Compare sampled anchors with what is known of each image; see `judges` of `Target` for what is left out."""
        places = torch.cat(list(anchors))
        all_logits, all_deltas = torch.cat(list(logits), 1), torch.cat(list(deltas), 1)
        objectness, boxes, n_sampled = all_logits.new_zeros(()), all_logits.new_zeros(()), 0
        for index, target in enumerate(targets):
            matched = match(overlaps(target.boxes, places), low=LOW, high=HIGH, keep_best=True)
            negative = (matched == NOTHING) & target.judges(places)
            positives, negatives = sample(matched >= 0, negative, self.config.anchor_samples, POSITIVE_SHARE, rng)
            chosen = torch.cat([positives, negatives])
            truth = (torch.arange(len(chosen), device=chosen.device) < len(positives)).float()
            objectness = objectness + functional.binary_cross_entropy_with_logits(
                all_logits[index, chosen], truth, reduction="sum"
            )
            wanted = encode(places[positives], target.boxes[matched[positives]])
            boxes = boxes + (all_deltas[index, positives] - wanted).abs().sum()
            n_sampled += len(chosen)
        return {"objectness": objectness / max(1, n_sampled), "proposal_boxes": boxes / max(1, n_sampled)}

    @torch.no_grad()
    def proposals(
        self,
        anchors: Sequence[Tensor],
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        shape: tuple[int, int],
    ) -> list[Tensor]:
        """Return the best boxes (P, 4) of each image of `shape` px, cut at its sides, best first."""
        candidates, most = (pair[0 if self.training else 1] for pair in (self.config.candidates, self.config.proposals))
        found = []
        for index in range(len(logits[0])):
            boxes, scores, levels = [], [], []
            for level, (places, of_level, steps) in enumerate(zip(anchors, logits, deltas, strict=True)):
                best, chosen = of_level[index].topk(min(candidates, len(places)))
                boxes.append(clip(decode(steps[index, chosen], places[chosen]), shape))
                scores.append(best)
                levels.append(torch.full_like(chosen, level))
            found.append(self._suppressed(torch.cat(boxes), torch.cat(scores), torch.cat(levels), most))
        return found

    def _suppressed(self, boxes: Tensor, scores: Tensor, levels: Tensor, most: int) -> Tensor:
        filled = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
        boxes, scores, levels = boxes[filled], scores[filled], levels[filled]
        kept = suppress(
            boxes.cpu().numpy(),
            scores.cpu().numpy(),
            self.config.proposal_overlap,
            groups=levels.cpu().numpy(),
            limit=most,
        )
        return boxes[torch.from_numpy(kept).to(boxes.device)]
