"""Instances as COCO JSON, for programs that learn from it or score it.

The format is described at https://cocodataset.org/#format-data; `coco_files` reads it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.instance_scores import by_label
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.coco_bounds import MOST_PIXELS
from napari_cellseg_ssl.core.io.complete_files import write_text, writing
from napari_cellseg_ssl.core.io.own_files import SOFTWARE, SOFTWARE_FIELD

CELL = {"id": 1, "name": "cell"}


def write_coco(
    file: Path,
    frames: Iterable[Array],
    names: Sequence[str],
    *,
    scores: Sequence[Mapping[int, float] | Array] = (),
    info: Mapping[str, str] | None = None,
) -> None:
    """Write instances as COCO JSON with compressed run lengths, which keep every pixel.

    Parameters
    ----------
    frames : iterable of (Y, X) integer
        Label images, 0 = background. An annotation's key "label" is its id there; its own id counts over all images.
    names : sequence of str
        File name of each; where names repeat they are frames of one file, counted by "frame".
    scores : sequence of {label: score} or (K,) float, optional
        For each frame how sure the detector was, as an array in the order of the ids from 1.

    Raises
    ------
    WrongOption
        If the labels are volumes, or an image has more pixels than COCO masks can count.
    WrongImage
        If the file cannot be written.
    """
    seen: Counter[str] = Counter()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for n, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        if frame.ndim != 2:
            raise messages.coco_needs_planes()
        height, width = frame.shape
        if height * width > MOST_PIXELS:
            raise messages.too_large_for_coco(name, width, height, MOST_PIXELS)
        images.append({"id": n, "file_name": name, "height": height, "width": width, "frame": seen[name]})
        seen[name] += 1
        told = scores[n - 1] if scores else {}
        known = told if isinstance(told, Mapping) else by_label(told)
        for record in _records(frame):
            label = record["label"]
            rank = {"score": float(known[label])} if label in known else {}
            annotations.append({"id": len(annotations) + 1, "image_id": n, "category_id": CELL["id"], **record, **rank})
    content: dict[str, Any] = {SOFTWARE_FIELD: SOFTWARE, "info": dict(info or {})}
    content |= {"images": images, "categories": [CELL], "annotations": annotations}
    with writing(file):
        write_text(file, json.dumps(content))


def _records(labels: Array) -> Iterator[dict[str, Any]]:
    """Describe every instance of a label image (Y, X); each is looked at in its own box, so that many stay quick."""
    from pycocotools import mask
    from scipy.ndimage import find_objects

    size = list(labels.shape)
    for label, place in enumerate(find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        inside = labels[place] == label
        runs = {"size": size, "counts": _runs(inside, rows.start, columns.start, labels.shape)}
        yield {
            "label": label,
            "segmentation": {"size": size, "counts": mask.frPyObjects(runs, *size)["counts"].decode("ascii")},
            "area": int(inside.sum()),
            "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
            "iscrowd": 0,
        }


def _runs(inside: Array, top: int, left: int, shape: tuple[int, ...]) -> list[int]:
    """Run lengths, column by column and background first, of a mask (y, x) placed into an image of a shape."""
    height, width = shape
    columns, rows = np.nonzero(np.diff(np.pad(inside.T, ((0, 0), (1, 1))), axis=1))
    places, times = np.unique((left + columns) * height + top + rows, return_counts=True)
    changes = places[times == 1]  # what ends at the bottom of a column and begins at the top of the next is one run
    ends = changes if changes[-1] == height * width else [*changes, height * width]
    runs: list[int] = np.diff(ends, prepend=0).tolist()
    return runs
