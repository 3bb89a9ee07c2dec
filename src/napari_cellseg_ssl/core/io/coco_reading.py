"""Annotated sets in the format of COCO, to learn from.

The format is described at https://cocodataset.org/#format-data. Masks are polygons, run lengths, or compressed run
lengths. `pycocotools` converts between them and pixels, so the same pixels count as in every other program.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.coco_bounds import image_shape
from napari_cellseg_ssl.core.io.coco_objects import CocoImage, CocoObject, Region, corners, region_of
from napari_cellseg_ssl.core.io.image_places import ImagePlaces

FEWEST_PIXELS = 4
CROWD, SMALL, BOXES = "crowd", f"below {FEWEST_PIXELS} px", "without a mask"
ONLY_CATEGORY = 1
"""Where a file names none."""


@dataclass(frozen=True, kw_only=True)
class CocoSet:
    """An annotated set.

    Parameters
    ----------
    images : tuple of CocoImage
        In the order of the file, those without objects included.
    categories : {id: name}
    skipped : {reason: count}
        Annotations that were left out.
    """

    images: tuple[CocoImage, ...]
    categories: Mapping[int, str]
    skipped: Mapping[str, int]

    @cached_property
    def classes(self) -> Mapping[int, int]:
        """Number the categories from 1 without gaps: {id: class}."""
        return {id_: n for n, id_ in enumerate(sorted(self.categories), start=1)}

    def __str__(self) -> str:
        n_objects = sum(len(image.objects) for image in self.images)
        text = f"{n_objects} objects of {len(self.categories)} categories in {len(self.images)} images"
        left_out = ", ".join(f"{count} {reason}" for reason, count in self.skipped.items())
        return f"{text}; left out: {left_out}." if left_out else f"{text}."


def read_coco(file: Path, folder: Path | None = None) -> CocoSet:
    """Read an annotation file, and find its images.

    Accepted are COCO's own files and those like them, such as LIVECell's, where annotations may be a dictionary and
    images lie in folders of their own.

    Parameters
    ----------
    file : Path
        The JSON file.
    folder : Path, optional
        Where the images are, also in folders in it. Without it they are taken to lie beside the file, and nobody
        looks whether they do.

    Raises
    ------
    WrongAnnotation
        If the file cannot be read, is no such file, or has no masks.
    WrongImage
        If images are missing.
    """
    content = _content(Path(file))
    try:
        records = {int(one["id"]): {**one, "shape": _shape(one, Path(file))} for one in content["images"]}
        objects, unclear, skipped = _objects(_listed(content["annotations"]), records, Path(file))
        images = _images(records, objects, unclear, folder or Path(file).parent, must_exist=folder is not None)
        named = {int(one["id"]): str(one.get("name", one["id"])) for one in content.get("categories", ())}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as problem:
        raise messages.not_coco(file, problem) from problem
    used = {one.category for found in objects.values() for one in found}
    return CocoSet(
        images=images, categories={**{id_: str(id_) for id_ in sorted(used - set(named))}, **named}, skipped=skipped
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise messages.no_such_coco_file(file) from problem
    except (OSError, ValueError, RecursionError) as problem:
        raise messages.not_json(file, problem) from problem
    if not isinstance(content, dict):
        raise messages.results_without_images(file)
    return content


def _listed(annotations: Any) -> Sequence[Mapping[str, Any]]:
    return list(annotations.values()) if isinstance(annotations, dict) else annotations


def _objects(
    annotations: Sequence[Mapping[str, Any]], images: Mapping[int, Any], file: Path
) -> tuple[dict[int, list[CocoObject]], dict[int, list[Region]], Mapping[str, int]]:
    """Sort the annotations by image, objects and the regions of those that cannot be used; and count the latter."""
    found: defaultdict[int, list[CocoObject]] = defaultdict(list)
    unclear: defaultdict[int, list[Region]] = defaultdict(list)
    skipped: Counter[str] = Counter()
    for one in annotations:
        reason = _reason_to_skip(one)
        if reason:
            skipped[reason] += 1
            region = region_of(one)
            image = int(one["image_id"])
            if region is not None and image in images:
                _require_near(region, one, images[image], file)
                unclear[image].append(region)
            continue
        image = int(one["image_id"])
        if image not in images:
            raise messages.annotation_of_unknown_image(file, image)
        score = None if one.get("score") is None else float(one["score"])
        category = int(one.get("category_id", ONLY_CATEGORY))
        found[image].append(CocoObject(category=category, segmentation=one["segmentation"], score=score))
        _require_near(found[image][-1], one, images[image], file)
    if annotations and skipped[BOXES] == len(annotations):
        raise messages.boxes_without_masks(file)
    return found, unclear, dict(skipped)


def _shape(record: Mapping[str, Any], file: Path) -> tuple[int, int]:
    try:
        return image_shape(record["height"], record["width"])
    except (ValueError, OverflowError) as problem:
        raise messages.wrong_coco_image(file, record["id"], problem) from problem


def _require_near(region: Region, one: Mapping[str, Any], image: Mapping[str, Any], file: Path) -> None:
    try:
        region.require_near(image["shape"])
    except ValueError as problem:
        height, width = image["shape"]
        raise messages.annotation_outside_its_image(
            one.get("id"), file, image["file_name"], width, height, problem
        ) from problem


def _reason_to_skip(one: Mapping[str, Any]) -> str:
    if one.get("iscrowd"):
        return CROWD
    segmentation = one.get("segmentation")
    if not segmentation:
        return BOXES
    if isinstance(segmentation, list) and not corners(segmentation):
        return SMALL
    width, height = (one.get("bbox") or (0, 0, FEWEST_PIXELS, FEWEST_PIXELS))[2:]
    return SMALL if one.get("area", width * height) < FEWEST_PIXELS else ""


def _images(
    records: Mapping[int, Mapping[str, Any]],
    objects: Mapping[int, list[CocoObject]],
    unclear: Mapping[int, list[Region]],
    folder: Path,
    *,
    must_exist: bool,
) -> tuple[CocoImage, ...]:
    places = ImagePlaces((folder,)) if must_exist else None
    images, missing = [], []
    for id_, one in records.items():
        name = str(one["file_name"])
        path = folder / name if places is None else places.find(name)
        if path is None:
            missing.append(name)
            continue
        frame = int(one.get("frame", 0))
        if frame < 0:
            raise ValueError(f"frame {frame}")
        images.append(
            CocoImage(
                id=id_, name=name, path=path, frame=frame, shape=one["shape"],
                objects=tuple(objects.get(id_, ())), unclear=tuple(unclear.get(id_, ())),
            )
        )  # fmt: skip
    if missing:
        raise messages.images_missing(len(missing), len(records), folder, missing[0])
    return tuple(images)
