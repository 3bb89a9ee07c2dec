"""What the detector's parts cost, and what it learns from two of the packaged images.

    python -m benchmarks.accuracy.detector [--preset NAME] [--learn STEPS] [--seed N]

One JSON line. Without --learn: CPU seconds of the process with one thread, medians of five. With it: scores on all
three packaged images, the third of which was not learned from.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import tifffile
import torch
from torch.nn import functional

from benchmarks._lib.detection_scores import coco_scores, judged
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import resize_labels, resize_linear, working_shape
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.nets.detector.cascade import first_regions, positives_of
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.nets.detector.detector import POOLED_LEVELS, Detector
from napari_cellseg_ssl.core.nets.detector.large_images import detect_image
from napari_cellseg_ssl.core.nets.detector.roi_align import SAMPLES, roi_align
from napari_cellseg_ssl.core.nets.detector.targets import Target
from napari_cellseg_ssl.core.segmentation.detected import to_labels
from napari_cellseg_ssl.core.training.augment import random_intensity
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.labelled_crops import LabelledSampler

DIAMETER, COVERAGE = 24, 0.28
FOUND = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast", choices=PRESETS)
    parser.add_argument("--learn", type=int, default=0, metavar="STEPS")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    line: dict[str, Any] = {"preset": chosen.preset, "torch": torch.__version__, "seed": chosen.seed}
    if chosen.learn:
        line |= learn(chosen.preset, chosen.learn, chosen.seed)
    else:
        line |= {"step_256": step(chosen.preset), "detect_512": detect(chosen.preset), "pooling": pooling()}
    print(json.dumps(line))


def seconds(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(5):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return round(float(np.median(taken)), 3)


def drawn(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    labels = draw_mask(MaskPrior(diameter=DIAMETER, coverage=(COVERAGE,)), (side, side), rng).labels
    image = (labels > 0) * 0.6 + rng.normal(0.2, 0.05, labels.shape)
    return torch.from_numpy(image[None, None].astype(np.float32)), torch.from_numpy(labels)


def step(preset: str) -> dict[str, float]:
    """Time forward and backward, all and by parts."""
    detector, rng = Detector(replace(PRESETS[preset], in_channels=1)).train(), np.random.default_rng(0)
    images, labels = drawn(256)
    target, shape = Target.from_labels(labels), (256, 256)
    pyramid = [level.detach().requires_grad_() for level in detector.pyramid(images)]
    levels, answers = pyramid[:POOLED_LEVELS], detector.rpn(pyramid)
    proposals = detector.rpn.proposals(*answers, shape)
    regions = first_regions(proposals, [target], detector.config, rng)
    objects = positives_of(regions, detector.config.mask_samples, rng)
    heads = detector.roi_heads
    return {
        "cells": len(target.boxes),
        "all": seconds(lambda: sum(detector.losses(images, [target], rng).values()).backward()),
        "encoder": seconds(lambda: sum(tap.sum() for tap in detector.backbone.body(images)).backward()),
        "encoder and pyramid": seconds(lambda: sum(level.sum() for level in detector.pyramid(images)).backward()),
        "proposals": seconds(
            lambda: sum(detector.rpn.losses(*detector.rpn(pyramid), [target], rng).values()).backward()
        ),
        "suppression": seconds(lambda: detector.rpn.proposals(*answers, shape)),
        "cascade": seconds(lambda: sum(heads.stages.losses(levels, regions, [target], shape).values()).backward()),
        "masks": seconds(lambda: heads.mask_loss(levels, objects, [target]).backward()),
    }


def detect(preset: str) -> dict[str, float]:
    """Time a network that knows nothing and so finds as many objects as it may."""
    config = replace(PRESETS[preset], in_channels=1, least_score=0.0, most_detections=FOUND)
    detector, (images, _) = Detector(config).eval(), drawn(512)
    (found,) = detector.detect(images)
    return {
        "found": len(found),
        "all": seconds(lambda: detector.detect(images)),
        "objectness": seconds(lambda: detector.objectness(images)),
        "labels": seconds(lambda: to_labels(found, (512, 512), score=0.0)),
    }


def pooling() -> dict[str, float]:
    """Time RoIAlign, forward and backward, and the same by samples of the whole map."""
    features, boxes = torch.randn(1, 128, 64, 64, requires_grad=True), torch.rand(128, 2) * 200 + 20
    boxes = torch.cat([boxes - 12, boxes + 12], dim=1)

    def sampled() -> torch.Tensor:
        steps = (torch.arange(14 * SAMPLES) + 0.5) / (14 * SAMPLES)
        x, y = (boxes[:, [i]] + steps * (boxes[:, [i + 2]] - boxes[:, [i]]) for i in (0, 1))
        grid = torch.stack(torch.broadcast_tensors(x[:, None], y[:, :, None]), dim=-1) / 128 - 1
        values = functional.grid_sample(features, grid.flatten(0, 1)[None], padding_mode="border", align_corners=False)
        return functional.avg_pool2d(values.view(128, 128, 28, 28).transpose(0, 1), SAMPLES)

    def ours() -> torch.Tensor:
        return roi_align(features, boxes, torch.zeros(128), 14, stride=4)

    torch.testing.assert_close(ours(), sampled(), atol=1e-4, rtol=1e-4)
    return {
        "ours": seconds(lambda: ours().sum().backward()),
        "grid_sample": seconds(lambda: sampled().sum().backward()),
    }


def learn(preset: str, steps: int, seed: int, *, side: int = 192, batch: int = 2, rate: float = 5e-4) -> dict[str, Any]:
    """Learn from nuclei_1 and nuclei_2, all cells annotated, and find the cells of all three images."""
    images = {name: packaged(name) for name in ("nuclei_1", "nuclei_2", "nuclei_3")}
    known = [images[name] for name in ("nuclei_1", "nuclei_2")]
    frames = [Frame(pixels=i[None], cells=c, known=np.ones(c.shape, bool), is_dense=True) for i, c in known]
    sampler, rng = LabelledSampler(frames, side, pasted=0.0), np.random.default_rng(seed)
    detector = Detector(replace(PRESETS[preset], in_channels=1)).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=rate, weight_decay=1e-4)
    start = time.process_time()
    for done in range(1, steps + 1):
        crops = sampler.labelled(rng, batch)
        pixels = random_intensity(torch.from_numpy(np.stack([crop.pixels for crop in crops])), rng)
        targets = [Target.from_labels(torch.from_numpy(c.cells), torch.from_numpy(c.known)) for c in crops]
        optimiser.param_groups[0]["lr"] = rate * min(1, done / 30) * (1 + np.cos(np.pi * done / steps)) / 2
        optimiser.zero_grad()
        sum(detector.losses(pixels, targets, rng).values()).backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10)
        optimiser.step()
    line: dict[str, Any] = {"steps": steps, "seconds": round(time.process_time() - start)}
    detector.eval()
    for name, (pixels, cells) in images.items():
        found = detect_image(detector, pixels[None])
        labels, _ = to_labels(found, cells.shape)
        scores = image_scores(cells, labels)
        ap = {f"ap_50_{kind}": round(coco_scores([judged(cells, found)], kind).ap_50, 3) for kind in ("bbox", "segm")}
        line[name] = {**ap, "f1": round(scores.f1_50, 3), "cells": scores.n_truth, "found": scores.n_prediction}
    return line


def packaged(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read an image and its labels, both at the size at which the median cell is as wide as those that are drawn."""
    root = files("napari_cellseg_ssl.samples")
    image, cells = (tifffile.imread(str(root / folder / f"{name}.tif")) for folder in ("images", "labels"))
    areas = np.bincount(cells.ravel())[1:]
    scale = DIAMETER / (2 * float(np.median(np.sqrt(areas[areas > 0] / np.pi))))
    shape = working_shape(image.shape, scale)
    intensity, image = Intensity(), image[None].astype(np.float32)
    pixels = intensity.normalise(resize_linear(image[0], shape)[None], intensity.limits(image))[0]
    return pixels.astype(np.float32), resize_labels(cells.astype(np.int32), shape)


if __name__ == "__main__":
    main()
