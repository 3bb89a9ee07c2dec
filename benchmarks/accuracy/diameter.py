"""How well the object diameter is estimated from unlabelled images, on every labelled set of a data folder.

    python -m benchmarks.accuracy.diameter DATA [--sets NAME ...] [--json]

An image's truth is the median equivalent diameter of its annotated objects. Errors are |log2(estimate / truth)|:
0.32 is 25 %, 1 a factor of two. `pooled` replaces each image's estimate by the set's; `shrunk` is halfway between.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets, median_diameter
from napari_cellseg_ssl.core.data.diameter import estimate_diameter, estimate_set_diameter

WITHIN = np.log2(1.25)


def measure(one_set: LabelledSet) -> dict[str, object]:
    truth, estimates, seconds = [], [], []
    images = [item.read_image() for item in one_set]
    for item, image in zip(one_set, images, strict=True):
        start = time.perf_counter()
        estimates.append(estimate_diameter(image))
        seconds.append(time.perf_counter() - start)
        truth.append(median_diameter(item.read_labels()))
    log_truth = np.log2(np.array(truth, dtype=float))
    log_single = np.log2([e.diameter for e in estimates])
    log_pooled = np.full(len(truth), np.log2(estimate_set_diameter(images).diameter))
    return {
        "set": one_set.name,
        "images": len(truth),
        "truth_px": round(float(np.median(truth)), 1),
        "single": errors(log_single - log_truth),
        "pooled": errors(log_pooled - log_truth),
        "shrunk": errors((log_single + log_pooled) / 2 - log_truth),
        "confidence": round(float(np.median([e.confidence for e in estimates])), 2),
        "max_seconds": round(max(seconds), 2),
    }


def errors(log_ratio: np.ndarray) -> dict[str, float]:
    size = np.abs(log_ratio)
    return {
        "bias": round(float(np.median(log_ratio)), 3),
        "median": round(float(np.median(size)), 3),
        "p90": round(float(np.percentile(size, 90)), 3),
        "within_25": round(float(np.mean(size <= WITHIN)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [measure(one) for one in find_sets(arguments.data, names=tuple(arguments.sets))]
    if arguments.json:
        print(json.dumps(rows))
        return
    kinds = ("single", "pooled", "shrunk")
    heads = "".join(f" | {kind:>6} bias  median  p90  in 25 %" for kind in kinds)
    print(f"{'set':28} {'n':>3} {'px':>5}{heads} | conf   s")
    for row in rows:
        cells = "".join(
            f" | {row[k]['bias']:+11.2f} {row[k]['median']:7.2f} {row[k]['p90']:5.2f} {row[k]['within_25']:7.2f}"
            for k in kinds
        )
        print(
            f"{row['set']:28} {row['images']:3} {row['truth_px']:5}{cells} | {row['confidence']} {row['max_seconds']}"
        )
    for kind in kinds:
        mean = {key: round(float(np.mean([row[kind][key] for row in rows])), 3) for key in rows[0][kind]}
        print(f"mean over sets, {kind}: {mean}")


if __name__ == "__main__":
    main()
