"""A whole-slide image, made by mirroring real ones, segmented by a saved run: memory, time, and whether seams show.

    python -m benchmarks.speed.whole_slide DATA RUN [--set NAME] [--size Y X] [--crops N] [--side PX]
                                           [--diameter PX|auto]

The image is a TIFF on disk and the labels go into another one, as with `cellseg-ssl segment`; both are mapped into
memory, and count in the peak. One thread.

The seam check cuts squares out of the result, `--crops` of them across borders of blocks (of tiles, where there is
one block), and as many that no border of a block crosses. For each, an enlarged crop of the image is segmented anew:
with a margin of context as wide as the network's halo and two objects, the same diameter, the intensity limits of the
whole image and, where a predictor needs the statistics of a field, those of the whole image. Objects of the crop that
do not touch its frame are then looked up in the result: how many have a partner with IoU = 1 ("identical"), with IoU
above 0.95 ("nearly") and above 0.8 ("found"). Crops begin where the network's grid of the whole image has a point. That
can be done to the pixel where images keep their scale (`--diameter` is the working diameter), and to half a pixel
otherwise, so that IoU = 1 is rare there; what seams do is the difference between crops across borders ("across"), of
these the objects within half an object of a border ("border"), and the other crops ("within").

"cut" counts the objects that end in a straight line along a border of a block for more than half their width;
"cut_elsewhere" those that do so along as many lines halfway between borders, by chance.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks._lib.datasets import LabelledSet, find_sets
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import working_shape
from napari_cellseg_ssl.core.inference.predictor import NeedsField, Predictor
from napari_cellseg_ssl.core.inference.tiling import TILE, field_of, predict_tiled
from napari_cellseg_ssl.core.inference.windows import KnownField, cut_out, informed, whole_frame
from napari_cellseg_ssl.core.io.tiff import create_tiff
from napari_cellseg_ssl.core.io.user_files import read_image
from napari_cellseg_ssl.core.methods.events import MapsReady, last_of
from napari_cellseg_ssl.core.metrics.matching import overlap
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.segmentation.clean_up import ids_at_edge
from napari_cellseg_ssl.tasks import LabelsReady, PredictRequest, segment_image
from napari_cellseg_ssl.tasks.predict import PredictionJob

SLIDE = (8415, 10496)
ROWS = 256
CONTEXT = 2.0
"""Objects around a crop, besides the network's halo."""
AGREEMENT = (0.999999, 0.95, 0.8)


def mirrored(size: int, length: int) -> Array:
    """Indices into an axis of so many px, there and back again until they are `length`."""
    there_and_back = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    return np.resize(there_and_back, length)


def write_slide(data: LabelledSet, file: Path, size: tuple[int, int], channels: int) -> ImageStack:
    """Lay the images of a set side by side and mirror them until the slide is full."""
    images = [item.read_image() for item in data]
    height = min(image.shape[1] for image in images)
    row = np.concatenate([image[:, :height] for image in images], axis=2)
    row = np.repeat(row, channels, axis=0) if len(row) == 1 else row[:channels]
    slide = create_tiff(file, (channels, *size), row.dtype, "CYX")
    rows, columns = (mirrored(side, length) for side, length in zip(row.shape[1:], size, strict=True))
    for top in range(0, size[0], ROWS):
        slide[:, top : top + ROWS] = row[:, rows[top : top + ROWS]][:, :, columns]
    slide.flush()
    return read_image(file, axes="CYX" if channels > 1 else "YX")


def borders(shape: tuple[int, ...], job: PredictionJob) -> tuple[list[int], list[int]]:
    """Rows and columns at which a block's core begins; those of tiles, where there is one block."""
    blocks = job.blocks()
    starts = [sorted({block.core[axis].start for block in blocks} - {0}) for axis in (0, 1)]
    if len(blocks) > 1:
        return starts[0], starts[1]
    step = TILE[2] / job.scale
    rows, columns = ([round(k * step) for k in range(1, int(side / step) + 1)] for side in shape)
    return rows, columns


def crops_across(
    shape: tuple[int, ...], lines: tuple[list[int], list[int]], side: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[slice, slice]]:
    """Squares with a border, of one axis or the other by turns, somewhere in their middle half."""
    for n in range(count):
        axis = n % 2 if lines[n % 2] else 1 - n % 2
        start = [int(rng.integers(0, length - side + 1)) for length in shape]
        line = int(rng.choice(lines[axis]))
        start[axis] = int(np.clip(line - rng.integers(side // 4, 3 * side // 4), 0, shape[axis] - side))
        yield slice(start[0], start[0] + side), slice(start[1], start[1] + side)


def crops_within(
    shape: tuple[int, ...], lines: tuple[list[int], list[int]], side: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[slice, slice]]:
    """Squares that no border crosses, or none where borders are too close."""
    gaps = [
        [(a, b) for a, b in pairwise([0, *found, length]) if b - a >= side]
        for found, length in zip(lines, shape, strict=True)
    ]
    if not all(gaps):
        return
    for _ in range(count):
        chosen = [axis[int(rng.integers(len(axis)))] for axis in gaps]
        start = [int(rng.integers(a, b - side + 1)) for a, b in chosen]
        yield slice(start[0], start[0] + side), slice(start[1], start[1] + side)


def known_predictor(job: PredictionJob, intensity: Intensity, *, is_one_block: bool) -> Predictor:
    """Give the predictor the field that the whole image was predicted with."""
    if is_one_block and isinstance(job.predictor, NeedsField):
        shape = working_shape(job.image.spatial_shape, job.scale)
        field = field_of(job.image.frames[0], shape, job.predictor, intensity)
        return KnownField(job.predictor.for_field(field), working_diameter=job.predictor.working_diameter)
    return informed(job.predictor, job.image, 0, job.scale, intensity)


def segmented_alone(
    job: PredictionJob, predictor: Predictor, intensity: Intensity, crop: tuple[slice, slice], options: Any
) -> Array:
    """Segment a crop and its context alone -> (side, side) int32."""
    margin = ceil(predictor.halo / job.scale + CONTEXT * job.diameter)
    grid = predictor.multiple_of / job.scale
    read = tuple(
        slice(round(max(0, s.start - margin) // grid * grid), min(length, round(-(-(s.stop + margin) // grid) * grid)))
        for s, length in zip(crop, job.image.spatial_shape, strict=True)
    )
    events = predict_tiled(
        cut_out(job.image, 0, read),
        predictor,
        diameter=job.diameter,
        specs=job.specs,
        intensity=intensity,
    )
    labels = job.method.segment(last_of(events, MapsReady).maps, options)[0]
    inner = tuple(slice(s.start - r.start, s.stop - r.start) for s, r in zip(crop, read, strict=True))
    return labels[inner]


def agreement(found: Array, alone: Array) -> list[float]:
    """Best IoU in `found` of each object of `alone` that does not touch the frame; both (Y, X) of one crop."""
    pairs = overlap(alone, found)
    best = np.zeros(len(pairs.truth_ids))
    np.maximum.at(best, pairs.truth, pairs.iou)
    return best[~np.isin(pairs.truth_ids, ids_at_edge(alone))].tolist()


def border_band(crop: tuple[slice, slice], lines: tuple[list[int], list[int]], width: float) -> Array:
    """Mark what is not farther than `width` from a border, (Y, X) bool of a crop."""
    near = [
        np.any([np.abs(np.arange(s.start, s.stop) - line) <= width for line in found], axis=0)
        if found
        else np.zeros(s.stop - s.start, bool)
        for s, found in zip(crop, lines, strict=True)
    ]
    return near[0][:, np.newaxis] | near[1]


def compared(
    labels: Array, alone: Array, crop: tuple[slice, slice], lines: tuple[list[int], list[int]], diameter: float
) -> tuple[list[float], list[float]]:
    """Best IoU of all objects of a crop, and of those within half an object of a border."""
    found = np.asarray(labels[crop])
    at_border = np.unique(alone[border_band(crop, lines, diameter / 2)])
    return agreement(found, alone), agreement(found, np.where(np.isin(alone, at_border), alone, 0))


def cut_along(labels: Array, axis: int, line: int) -> int:
    """Count objects that end along a line for more than half their width."""
    reach = slice(max(0, line - ROWS), line + ROWS)
    near = np.asarray(labels[reach] if axis == 0 else labels[:, reach].T)
    middle = line - reach.start
    count = 0
    for one, other in ((near[middle - 1], near[middle]), (near[middle], near[middle - 1])):
        ids, lengths = np.unique(one[(one > 0) & (one != other)], return_counts=True)
        areas = np.bincount(near.ravel(), minlength=1)[ids]
        count += int((lengths > np.sqrt(areas / np.pi)).sum())
    return count


def cuts(labels: Array, lines: tuple[list[int], list[int]]) -> tuple[int, int]:
    """Objects cut along borders, and along lines halfway between them."""
    halfway = [[(a + b) // 2 for a, b in pairwise([0, *found])] for found in lines]
    return tuple(
        sum(cut_along(labels, axis, line) for axis in (0, 1) for line in chosen[axis]) for chosen in (lines, halfway)
    )


class Timer:
    """Wall and CPU seconds of all calls of a function."""

    def __init__(self, function: Any) -> None:
        self._function, self.wall, self.cpu = function, 0.0, 0.0

    def __call__(self, *arguments: Any) -> Any:
        """Call and count."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = self._function(*arguments)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


def shares(ious: list[float]) -> dict[str, float]:
    names = ("identical", "nearly", "found")
    return {
        "objects": len(ious),
        **{
            name: round(float(np.mean(np.array(ious) > least)), 4) for name, least in zip(names, AGREEMENT, strict=True)
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", default="he_gbm40")
    parser.add_argument("--size", type=int, nargs=2, default=SLIDE, metavar=("Y", "X"))
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--diameter", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    bundle = ModelBundle.load(arguments.run)
    (data,) = (one for one in find_sets(arguments.data, names=(arguments.set,)) if one.name == arguments.set)
    shape = tuple(arguments.size)
    wanted = arguments.diameter if arguments.diameter == "auto" else float(arguments.diameter)
    with tempfile.TemporaryDirectory() as folder:
        image = write_slide(data, Path(folder) / "slide.tif", shape, int(bundle.architecture["in_channels"]))
        into = create_tiff(Path(folder) / "labels.tif", shape, np.uint32, "YX")[np.newaxis]
        request = PredictRequest(bundle=bundle, image=image, object_diameter=wanted, device="cpu", threads=1)
        job = PredictionJob(request)
        request = replace(request, object_diameter=job.diameter)
        timer = Timer(job.method.segment)
        wall, cpu = time.perf_counter(), time.process_time()
        with patch.object(type(job.method), "segment", lambda _, maps, options: timer(maps, options)):
            labels = last_of(segment_image(request, into=into), LabelsReady).labels[0]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lines = borders(shape, job)
        n_blocks = len(job.blocks())
        intensity = whole_frame(bundle.intensity, image, 0)
        predictor = known_predictor(job, intensity, is_one_block=n_blocks == 1)
        rng = np.random.default_rng(arguments.seed)
        compared_objects: dict[str, list[float]] = {"across": [], "border": [], "within": []}
        for name, crops in (("across", crops_across), ("within", crops_within)):
            for crop in crops(shape, lines, arguments.side, arguments.crops, rng):
                alone = segmented_alone(job, predictor, intensity, crop, bundle.segment_options)
                ious, of_those = compared(labels, alone, crop, lines, job.diameter)
                compared_objects[name] += ious
                compared_objects["border"] += of_those if name == "across" else []
        seams = {
            f"{part}_{key}": value
            for part, ious in compared_objects.items()
            if ious
            for key, value in shares(ious).items()
        }
        cut, elsewhere = cuts(labels, lines)
        row = {
            "method": bundle.method_id,
            "set": arguments.set,
            "size": shape,
            "diameter": round(job.diameter, 1),
            "blocks": n_blocks,
            "peak_mb": round(peak),
            "of_which_files_mb": round((image.frames.nbytes + into.nbytes) / 2**20),
            "prediction_s": round(wall - timer.wall, 1),
            "prediction_cpu_s": round(cpu - timer.cpu, 1),
            "instances_s": round(timer.wall, 1),
            "instances_cpu_s": round(timer.cpu, 1),
            "instances": int(labels.max()),
            **seams,
            "cut": cut,
            "cut_elsewhere": elsewhere,
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
