"""The detector has to learn: on drawn images, from scratch, in seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks._lib.detection_scores import coco_scores, judged
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask
from napari_cellseg_ssl.core.metrics.scores import match_instances
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.nets.detector.detector import Detector
from napari_cellseg_ssl.core.nets.detector.targets import Target
from napari_cellseg_ssl.core.segmentation.detected import to_labels

pytestmark = pytest.mark.learns

SIDE, STEPS, RATE, WARM_UP = 96, 100, 1e-3, 20


def examples(count):
    rng = np.random.default_rng(0)
    drawn = [draw_mask(MaskPrior(diameter=24, coverage=(0.3,)), (SIDE, SIDE), rng).labels for _ in range(count)]
    images = np.stack([(labels > 0) * 0.6 + rng.normal(0.2, 0.05, labels.shape) for labels in drawn])
    return torch.from_numpy(images[:, None].astype(np.float32)), drawn


def average_precision(detector, images, labels):
    detector.eval()
    found = [detector.detect(image[None])[0] for image in images]
    pairs = [judged(truth, detections) for truth, detections in zip(labels, found, strict=True)]
    return [coco_scores(pairs, kind).ap_50 for kind in ("bbox", "segm")], found


def learn(detector, images, targets, steps):
    rng = np.random.default_rng(0)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=RATE)
    detector.train()
    for step in range(steps):
        chosen = rng.integers(len(images), size=2)
        losses = detector.losses(images[chosen], [targets[i] for i in chosen], rng)
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / WARM_UP)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10)
        optimiser.step()


def test_a_hundred_steps_are_enough_to_find_most_drawn_cells():
    torch.manual_seed(0)
    images, labels = examples(4)
    detector = Detector(replace(PRESETS["tiny"], in_channels=1))
    untrained, _ = average_precision(detector, images, labels)

    learn(detector, images, [Target.from_labels(torch.from_numpy(each)) for each in labels], STEPS)

    learned, found = average_precision(detector, images, labels)
    assert max(untrained) < 0.1
    assert min(learned) > 0.6
    drawn, _ = to_labels(found[0], labels[0].shape)
    assert match_instances(labels[0], drawn, 0.5).f1 > 0.6


def test_a_few_painted_cells_and_strokes_of_background_are_enough():
    torch.manual_seed(0)
    images, labels = examples(4)
    targets = []
    for truth in labels:
        painted = np.isin(truth, np.unique(truth)[1:3])  # two cells of each image
        painted[truth == 0] = (np.indices(truth.shape)[0] // 16 % 2 == 0)[truth == 0]  # and stripes of background
        targets.append(Target.from_labels(torch.from_numpy(truth), torch.from_numpy(painted)))
    detector = Detector(replace(PRESETS["tiny"], in_channels=1))

    learn(detector, images, targets, STEPS)

    (_, masks), _ = average_precision(detector, images, labels)
    assert masks > 0.5
