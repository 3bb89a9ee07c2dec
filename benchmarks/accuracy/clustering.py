"""Density peaks against scikit-learn's mean-shift, as the reference uses it, on real embeddings; and slider times.

    python -m benchmarks.accuracy.clustering DATA [--set NAME] [--run FOLDER] [--budget SECONDS] [--sizes N ...]
                                             [--json]

Trains on the set (or loads a run), predicts its first images, and cuts or repeats embeddings, intensity and truth to
N x N px. Both clusterings then make instances with the same foreground, joining and outline. Seconds are those of
the clustering alone; `slider_ms` is the median CPU time of a redraw of a whole image of that size after a change of
each slider, `slider_small_ms` that of the same objects in an image of that size that was magnified by 1.6 for the
network. One thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks._lib.datasets import find_sets
from benchmarks.accuracy.cellulus import predict, read, train
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_labels
from napari_cellseg_ssl.core.methods.cellulus import METHOD, segment
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.segmentation.density_peaks import density_peaks
from napari_cellseg_ssl.core.segmentation.mean_shift import mean_shift

REPEATS = 9
SLIDERS = {
    "smallest": (0.05, 0.15),
    "tightness": (0.4, 0.6),
    "threshold": (4.0, 5.0),
    "bandwidth": (0.36, 0.48),
    "joining": (0.4, 0.6),
}
MAGNIFIED = 1.6


def repeated(array: Array, side: int) -> Array:
    """Repeat the last two axes and cut them to `side`."""
    times = [-(-side // n) for n in array.shape[-2:]]
    return np.ascontiguousarray(np.tile(array, (*(1,) * (array.ndim - 2), *times))[..., :side, :side])


def squares(maps: PredictionMaps, truth: Array, side: int) -> tuple[PredictionMaps, Array]:
    """Maps and truth of side x side working px, at scale 1."""
    arrays = {name: repeated(array, side) for name, array in maps.arrays.items()}
    working = resize_labels(truth, maps.arrays["embedding"].shape[2:])
    square = replace(maps, arrays=arrays, scale=1.0, source_shape=(side, side), diameter=maps.working_diameter)
    return square, own_ids(repeated(working, side), working.shape)


def magnified(maps: PredictionMaps, truth: Array, side: int) -> PredictionMaps:
    """Maps of an image of side x side px whose objects are so small that the network saw it magnified."""
    square, _ = squares(maps, truth, round(side * MAGNIFIED))
    return replace(square, scale=MAGNIFIED, source_shape=(side, side), diameter=square.diameter / MAGNIFIED)


def own_ids(labels: Array, period: tuple[int, ...]) -> Array:
    """Give the objects of each repetition their own ids."""
    rows, columns = (np.arange(n) // p for n, p in zip(labels.shape, period, strict=True))
    copy = rows[:, None] * (columns.max() + 1) + columns
    return np.where(labels > 0, labels + copy * (int(labels.max()) + 1), 0)


def timed(cluster: Callable[..., Array], seconds: list[float]) -> Callable[..., Array]:
    def run(*arguments: Array, **options: float) -> Array:
        start = time.perf_counter()
        labels = cluster(*arguments, **options)
        seconds.append(time.perf_counter() - start)
        return labels

    return run


def compare(maps: PredictionMaps, truth: Array, name: str) -> tuple[float, float]:
    """Seconds and F1 of one clustering."""
    seconds: list[float] = []
    function = density_peaks if name == "density-peaks" else mean_shift
    with patch.object(segment, function.__name__, timed(function, seconds)):
        labels = METHOD.segment(maps, CellulusSegmentOptions(clustering=name))[0]
    return seconds[0], image_scores(truth, labels).f1_50


def sliders(maps: PredictionMaps) -> dict[str, float]:
    """Median ms of a redraw, per slider."""
    found = {}
    for name, values in SLIDERS.items():
        METHOD.segment(maps, CellulusSegmentOptions())
        times = []
        for step, value in zip(range(REPEATS), cycle(values), strict=False):
            options = replace(CellulusSegmentOptions(), **{name: value * (1 + 1e-3 * step)})
            start = time.thread_time()  # other work on the machine does not count
            METHOD.segment(maps, options)
            times.append(1000 * (time.thread_time() - start))
        found[name] = round(statistics.median(times), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="bbbc039")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--sizes", nargs="*", type=int, default=[256, 512, 1024])
    parser.add_argument("--without-mean-shift", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    data, truths = read(find_sets(arguments.data, names=(arguments.set,)), "auto", 4)
    settings = argparse.Namespace(preset="fast", option=[], cpu_clock=True)
    bundle = ModelBundle.load(arguments.run) if arguments.run else train(data, arguments.budget, 0, settings)
    maps = predict(data, bundle)[0]
    for side in arguments.sizes:
        square, truth = squares(maps, truths[0], side)
        row: dict[str, object] = {"side": side}
        for name in ("density-peaks",) if arguments.without_mean_shift else ("density-peaks", "mean-shift"):
            seconds, f1 = compare(square, truth, name)
            row |= {f"{name}_s": round(seconds, 4), f"{name}_f1": round(f1, 4)}
        row["slider_ms"] = sliders(square)
        row["slider_small_ms"] = sliders(magnified(maps, truths[0], side))
        print(json.dumps(row) if arguments.json else row, flush=True)


if __name__ == "__main__":
    main()
