"""What every method learns in a few steps, as hashes: whether a change of the code changes a result.

    python -m benchmarks.checks.hashes [--methods NAME ...] [--preset NAME] [--steps N] [--seed S]

Trains every method on packaged samples, and those for volumes on a small drawn one, on the processor with one thread,
and prints a line for each: method, axes, SHA-256 of the weights, SHA-256 of the labels that they give. Only steps
count, no clock, so that two runs of one version print the same. Numbers differ between machines and versions of
torch: compare the lines of two versions of this package on one machine. Networks of a preset other than "fast" are
made small, so that its schedules and stages are seen and not its size.
"""

import argparse
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.io.user_files import read_image, read_labels
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished, last_of
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import Json, option_specs, with_values

DIAMETERS = {"nuclei_1": 12.7, "nuclei_2": 12.5, "nuclei_3": 16.7}
"""As the samples' own page says."""
VOLUME_SHAPE, SPACING, VOLUME_DIAMETER = (36, 72, 72), (1.5, 0.5, 0.5), 14.0
SMALL = {
    "width": 4, "last_width": 4, "growth": 2, "depth": 1, "crop": 64, "batch": 2, "refine_batch": 1,
    "unlabelled_batch": 1, "passes": 2, "detector": "tiny", "weights": "none", "tile": 32, "view": 32, "tiles": 4,
    "queue": 64, "encoder": "resnet18", "second_encoder": "none", "encoder_weights": "none", "teacher_views": 2,
    "iterations": 3,
}  # fmt: skip
TINY_DETECTOR = {"detector": "tiny", "crop": 64}


@dataclass(frozen=True)
class Case:
    """One training: a method, the number of spatial axes, and what it begins with."""

    name: str
    method_id: str
    ndim: int = 2
    labelled: bool = True
    values: Mapping[str, Json] = field(default_factory=dict)
    after: str = ""


CASES = (
    *(Case(method_id, method_id) for method_id in METHODS if method_id != "cupre"),
    Case("cupre-pretraining", "cupre", labelled=False, values={"source": "shapes", **TINY_DETECTOR}),
    Case("cupre-fine-tuning", "cupre", values=TINY_DETECTOR, after="cupre-pretraining"),
    *(
        Case(method_id, method_id, ndim=3, labelled=False)
        for method_id in METHODS
        if 3 in get_method(method_id).info.spatial_ndims
    ),
)


def sample_set(*, labelled: bool) -> TrainingSet:
    """Return the three packaged images of nuclei, two of them painted in part."""
    items = []
    for name in samples.NAMES:
        image = read_image(samples.IMAGES / f"{name}.tif")
        note = None
        if labelled and (samples.PAINTED / f"{name}.tif").exists():
            note = Annotation.from_painting(read_labels(samples.PAINTED / f"{name}.tif", image))
        items.append(TrainingItem(image=image, annotation=note, diameter=DIAMETERS[name]))
    return TrainingSet(tuple(items))


def volume_set() -> TrainingSet:
    """Return a volume of balls at random places, with every third slice kept."""
    rng = np.random.default_rng(0)
    grid = np.indices(VOLUME_SHAPE)
    inside = np.zeros(VOLUME_SHAPE, bool)
    for centre in rng.uniform(5, np.array(VOLUME_SHAPE) - 5, (14, 3)):
        inside |= ((grid - centre[:, None, None, None]) ** 2).sum(axis=0) <= (VOLUME_DIAMETER / 2) ** 2
    grey = 0.1 + 0.7 * ndimage.gaussian_filter(inside.astype(float), 1.0) + 0.05 * rng.standard_normal(VOLUME_SHAPE)
    image = ImageStack.from_array(grey[1::3].astype(np.float32), "ZYX", name="balls", spacing=SPACING)
    return TrainingSet((TrainingItem(image=image, diameter=VOLUME_DIAMETER),))


def options_of(case: Case, preset: str, steps: int) -> Any:
    """Training options of a case: those of a preset, with so many steps."""
    info = get_method(case.method_id).info
    known = {spec.name for spec in option_specs(info.train_options)}
    values: dict[str, Json] = {"steps": steps, **case.values}
    if preset != "fast":
        values = {**SMALL, **values}
    wanted = {name: value for name, value in values.items() if name in known}
    return with_values(info.preset(preset, ndim=case.ndim), wanted)


def labels_of(case: Case, bundle: ModelBundle, data: TrainingSet) -> Iterator[Array]:
    """Segment every image of a set."""
    method = get_method(case.method_id)
    predictor = method.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in method.info.maps}
    for item in data.items:
        events = predict_tiled(
            item.image, predictor, diameter=item.diameter, specs=specs, intensity=bundle.intensity, tile=128
        )
        yield method.segment(last_of(events, MapsReady).maps, bundle.segment_options)


def hash_of(arrays: Mapping[str, Array]) -> str:
    """Hash arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def main() -> None:
    """Train, and print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", default=[], help="names in the first column")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    made: dict[str, ModelBundle] = {}
    for case in CASES:
        wanted = not arguments.methods or case.name in arguments.methods
        is_needed = any(other.after == case.name and other.name in arguments.methods for other in CASES)
        if not wanted and not is_needed:
            continue
        data = volume_set() if case.ndim == 3 else sample_set(labelled=case.labelled)
        run = Run(seed=arguments.seed, start_from=made.get(case.after))
        method = get_method(case.method_id)
        events = method.train(data, options_of(case, arguments.preset, arguments.steps), run)
        made[case.name] = bundle = last_of(events, TrainFinished).bundle
        labels = {str(n): one for n, one in enumerate(labels_of(case, bundle, data))}
        if wanted:
            print(f"{case.name:20} {case.ndim}D weights {hash_of(bundle.weights)} labels {hash_of(labels)}", flush=True)


if __name__ == "__main__":
    main()
