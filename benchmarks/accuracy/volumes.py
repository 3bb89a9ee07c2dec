"""Methods on volumes of nuclei: any method id, trained without a label on each volume by itself or on all together.

    python -m benchmarks.accuracy.volumes DATA [--methods ID ...] [--volumes NAME ...] [--budget SECONDS]
                                          [--seeds N ...]
                                 [--diameter auto|truth] [--together] [--option NAME=VALUE ...]
                                 [--segment NAME=VALUE ...] [--out FOLDER] [--json]

DATA holds `dev` and `extra`, each with `images/NAME.tif`, `labels/NAME.tif` (for some) and an `index.csv` that gives
the spacing in its column `spacing_zyx_um`. One thread, CPU seconds, and peak memory of training and prediction, each
model in a process of its own. With `--together` the chosen volumes train one model, as those of one experiment would.
`--diameter auto` estimates the size of objects from the pixels, `truth` takes the median of the true ones. Volumes
without labels give counts and times. `--out` keeps labels as TIFF.
"""

import argparse
import csv
import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tifffile

from benchmarks._lib.datasets import median_diameter
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import ExportRequest, LabelsReady, PredictRequest, export, segment_image
from napari_cellseg_ssl.tasks.diameters import resolve_diameter

SHOWN = ("f1_50", "seg", "dice")


@dataclass(frozen=True)
class Volume:
    """One image file, the file of its true instances if there is one, and the spacing of Z, Y, X."""

    name: str
    image_path: Path
    labels_path: Path
    spacing: tuple[float, ...]

    def read_image(self) -> ImageStack:
        """Read the pixels."""
        return ImageStack.from_array(tifffile.imread(self.image_path), "ZYX", name=self.name, spacing=self.spacing)

    def read_labels(self) -> Array | None:
        """Read the true instances, (Z, Y, X)."""
        return tifffile.imread(self.labels_path).astype(np.int32) if self.labels_path.exists() else None


def find_volumes(data: Path, names: list[str]) -> list[Volume]:
    """List the volumes of all folders, or those with some names."""
    found = []
    for index in sorted(data.glob("*/index.csv")):
        with index.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                images, file = index.parent / "images", f"{row['name']}.tif"
                spacing = tuple(float(size) for size in row["spacing_zyx_um"].split())
                if not names or row["name"] in names:
                    found.append(Volume(row["name"], images / file, index.parent / "labels" / file, spacing))
    return found


def diameter_of(image: ImageStack, truth: Array | None, mode: str) -> float:
    """Diameter in px of the plane, estimated or true."""
    true = median_diameter(truth) if mode == "truth" and truth is not None else None
    return float(true * np.prod(image.aspect) ** (1 / 3)) if true else resolve_diameter(image, "auto")


def measure(volumes: list[Volume], method_id: str, seed: int, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Train once; one row per volume."""
    import torch

    torch.set_num_threads(1)
    images, truths = [volume.read_image() for volume in volumes], [volume.read_labels() for volume in volumes]
    diameters = [diameter_of(*pair, arguments.diameter) for pair in zip(images, truths, strict=True)]
    method = get_method(method_id)
    options = with_values(method.info.preset(ndim=3), dict(pair.split("=") for pair in arguments.option))
    items = (TrainingItem(image=image, diameter=size) for image, size in zip(images, diameters, strict=True))
    start = time.process_time()
    budget = arguments.budget if method.info.uses_torch else None
    run = Run(seed=seed, elapsed=lambda: time.process_time() - start, time_budget=budget)
    bundle = last_of(method.train(TrainingSet(tuple(items)), options, run), TrainFinished).bundle
    trained = round(time.process_time() - start, 1)
    chosen = with_values(bundle.segment_options, dict(pair.split("=") for pair in arguments.segment))
    rows = []
    for image, truth, size in zip(images, truths, diameters, strict=True):
        begin = time.process_time()
        job = PredictRequest(bundle=bundle, image=image, object_diameter=size, device="cpu")
        labels = last_of(segment_image(job, chosen), LabelsReady).labels
        row = {"volume": image.name, "method": method_id, "seed": seed, "diameter": round(size, 1)}
        row |= {"steps": bundle.provenance.steps, "train_cpu_s": trained}
        row |= {"segment_cpu_s": round(time.process_time() - begin, 1), "n": int(labels.max())}
        if truth is not None:
            scores = image_scores(truth, labels[0])
            row |= {name: round(getattr(scores, name), 3) for name in SHOWN}
        if arguments.out:
            list(export(ExportRequest(folder=arguments.out / method_id, image=image, labels=labels)))
        rows.append(row)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [row | {"peak_gb": round(peak, 2)} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="*", default=["classical", "cellulus"])
    parser.add_argument("--volumes", nargs="*", default=[])
    parser.add_argument("--budget", type=float)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--diameter", choices=("auto", "truth"), default="auto")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--option", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--segment", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = find_volumes(arguments.data, arguments.volumes)
    groups = [found] if arguments.together else [[volume] for volume in found]
    for method_id, group in product(arguments.methods, groups):
        for seed in arguments.seeds if get_method(method_id).info.uses_torch else arguments.seeds[:1]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                rows = alone.submit(measure, group, method_id, seed, arguments).result()
            for row in rows:
                print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
