"""Scores of the classical segmentation with one set of defaults on every labelled set of a data folder.

    python -m benchmarks.accuracy.classical DATA [--sets NAME ...] [--diameter auto|image|set] [--set OPTION=VALUE ...]
                                            [--json]

`--diameter auto` estimates each image's from its pixels; `image` takes each image's true median, `set` the median of
these over the set, as the published baselines do. Scores are means over images; 3D sets are included with `--ndim 3`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets, median_diameter
from napari_cellseg_ssl.core.data.diameter import estimate_diameter
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.metrics.scores import image_scores, set_scores
from napari_cellseg_ssl.core.options import with_values

SHOWN = ("f1_50", "seg", "ap_50", "s_dsb", "dice", "seg_pooled")


def measure(one_set: LabelledSet, mode: str, options: ClassicalSegmentOptions) -> dict[str, object]:
    truths = [item.read_labels() for item in one_set]
    of_set = float(np.median([median_diameter(truth) for truth in truths]))
    scores, seconds = [], []
    for item, truth in zip(one_set, truths, strict=True):
        image = item.read_image()
        intensity = Intensity().normalise(image).mean(axis=0)
        if mode == "auto":
            diameter = estimate_diameter(image).diameter
        else:
            diameter = of_set if mode == "set" else float(median_diameter(truth) or of_set)
        start = time.perf_counter()
        labels = segment_frame(intensity, diameter, options)
        seconds.append(time.perf_counter() - start)
        scores.append(image_scores(truth, labels))
    means = {name: round(value, 4) for name, value in set_scores(scores).items()}
    return {"set": one_set.name, "images": len(truths), **means, "median_seconds": round(float(np.median(seconds)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--diameter", choices=("auto", "image", "set"), default="auto")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", dest="options")
    parser.add_argument("--ndim", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    options = with_values(ClassicalSegmentOptions(), dict(pair.split("=") for pair in arguments.options))
    sets = find_sets(arguments.data, ndim=arguments.ndim, names=tuple(arguments.sets))
    rows = [measure(one, arguments.diameter, options) for one in sets]
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'set':28} {'n':>3} " + " ".join(f"{name:>10}" for name in SHOWN) + "  s/image")
    for row in rows:
        print(f"{row['set']:28} {row['images']:3} " + " ".join(f"{row[name]:10.3f}" for name in SHOWN), end="")
        print(f"  {row['median_seconds']}")
    print(f"mean f1_50 over sets: {np.mean([row['f1_50'] for row in rows]):.3f}")


if __name__ == "__main__":
    main()
