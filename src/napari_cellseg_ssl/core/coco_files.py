"""Annotated sets in the format of COCO, to learn from.

The format is described at https://cocodataset.org/#format-data. Masks are polygons, run lengths, or compressed run
lengths. `pycocotools` converts between them and pixels, so the same pixels count as in every other program.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.images import Array

FEWEST_NUMBERS = 6
"""Of a polygon: three corners."""
FEWEST_PIXELS = 4
CROWD, SMALL, BOXES = "crowd", f"below {FEWEST_PIXELS} px", "without a mask"
ONLY_CATEGORY = 1
"""Where a file names none."""
SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True, kw_only=True)
class CocoObject:
    """One annotated object, its mask still as it is in the file.

    Parameters
    ----------
    category : int
        As the file numbers it; there may be gaps.
    segmentation : list of polygons, or run lengths
    score : float, optional
        How sure a detector was.
    """

    category: int
    segmentation: Any
    score: float | None = None

    def run_lengths(self, shape: tuple[int, int]) -> dict[str, Any]:
        """Return its mask in an image of a shape (Y, X) as compressed run lengths."""
        from pycocotools import mask

        if isinstance(self.segmentation, list):
            return mask.merge(mask.frPyObjects(_corners(self.segmentation), *shape))
        if isinstance(self.segmentation["counts"], list):
            return mask.frPyObjects(self.segmentation, *shape)
        return dict(self.segmentation)


@dataclass(frozen=True, kw_only=True)
class CocoImage:
    """One image, where its file is, and what is annotated in it.

    Parameters
    ----------
    path : Path
        May not exist where a file was read without a folder of images.
    frame : int
        Which frame of the file.
    shape : (Y, X)
    objects : tuple of CocoObject
    left_out : tuple of CocoObject
        Crowds, which are no single objects, but no background either.
    """

    id: int
    name: str
    path: Path
    frame: int
    shape: tuple[int, int]
    objects: tuple[CocoObject, ...]
    left_out: tuple[CocoObject, ...] = ()

    def masks(self) -> Array:
        """Decode all masks -> (N, Y, X) bool; those of objects that have no pixel are empty.

        Raises
        ------
        WrongAnnotation
            If one cannot be decoded, or is of another shape.
        """
        masks = np.zeros((len(self.objects), *self.shape), bool)
        for n, decoded in enumerate(self._decoded(self.objects)):
            masks[n] = decoded
        return masks

    def left_out_mask(self) -> Array:
        """Draw what was left out, (Y, X) bool: about these pixels nothing is known."""
        mask = np.zeros(self.shape, bool)
        for decoded in self._decoded(self.left_out):
            mask |= decoded
        return mask

    def boxes(self) -> Array:
        """Bounding boxes (N, 4) float32 of the masks, left, top, right and bottom in px; 0 for an empty mask."""
        from pycocotools import mask

        found = [mask.toBbox(one.run_lengths(self.shape)) for one in self.objects]
        boxes = np.array(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    def labels(self) -> Array:
        """Paint the objects into one label image (Y, X) int32; ids are places among the objects, from 1.

        Of objects that overlap, the smaller one lies on top: below the larger one it would vanish.
        """
        decoded = list(self._decoded(self.objects))
        labels = np.zeros(self.shape, np.int32)
        for n in sorted(range(len(decoded)), key=lambda n: -int(decoded[n].sum())):
            labels[decoded[n]] = n + 1
        return labels

    def _decoded(self, objects: Sequence[CocoObject]) -> Iterator[Array]:
        from pycocotools import mask

        for n, one in enumerate(objects):
            try:
                decoded = mask.decode(one.run_lengths(self.shape)).astype(bool)
            except (ValueError, TypeError, KeyError, IndexError) as problem:
                raise WrongAnnotation(f"Mask {n + 1} of '{self.name}' cannot be decoded: {problem!r}.") from problem
            if decoded.shape != self.shape:
                raise WrongAnnotation(
                    f"Mask {n + 1} of '{self.name}' has the shape {decoded.shape}, the image {self.shape}."
                )
            yield decoded


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


Objects = defaultdict[int, list[CocoObject]]
"""Of each image, by its id."""


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
        records = {int(one["id"]): one for one in content["images"]}
        objects, crowds, skipped = _objects(_listed(content["annotations"]), records, Path(file))
        images = _images(records, objects, crowds, folder or Path(file).parent, must_exist=folder is not None)
        named = {int(one["id"]): str(one.get("name", one["id"])) for one in content.get("categories", ())}
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise WrongAnnotation(
            f"'{file}' is not in the format of COCO ({problem!r}).",
            "It needs 'images' with id, file_name, height and width, and 'annotations' with image_id and segmentation.",
        ) from problem
    used = {one.category for found in objects.values() for one in found}
    return CocoSet(
        images=images, categories={**{id_: str(id_) for id_ in sorted(used - set(named))}, **named}, skipped=skipped
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise WrongAnnotation(f"There is no file '{file}'.", "Choose the JSON file of the annotations.") from problem
    except (OSError, ValueError) as problem:
        raise WrongAnnotation(f"'{file}' cannot be read as JSON: {problem}.", "Is the file complete?") from problem
    if not isinstance(content, dict):
        raise WrongAnnotation(f"'{file}' holds a list, not an annotated set.", "Results need their images beside them.")
    return content


def _listed(annotations: Any) -> Sequence[Mapping[str, Any]]:
    return list(annotations.values()) if isinstance(annotations, dict) else annotations


def _objects(
    annotations: Sequence[Mapping[str, Any]], images: Mapping[int, Any], file: Path
) -> tuple[Objects, Objects, Mapping[str, int]]:
    """Sort the annotations by image, crowds apart, and count those that cannot be used."""
    found: Objects = defaultdict(list)
    crowds: Objects = defaultdict(list)
    skipped: Counter[str] = Counter()
    for one in annotations:
        reason = _reason_to_skip(one)
        if reason:
            skipped[reason] += 1
            if reason == CROWD and one.get("segmentation"):
                crowds[int(one["image_id"])].append(CocoObject(category=0, segmentation=one["segmentation"]))
            continue
        image = int(one["image_id"])
        if image not in images:
            raise WrongAnnotation(
                f"'{file}' has an annotation of image {image}, which it does not list.", "Is the file complete?"
            )
        score = None if one.get("score") is None else float(one["score"])
        category = int(one.get("category_id", ONLY_CATEGORY))
        found[image].append(CocoObject(category=category, segmentation=one["segmentation"], score=score))
    if annotations and skipped[BOXES] == len(annotations):
        raise WrongAnnotation(f"'{file}' has boxes but no masks.", "Choose annotations with segmentations.")
    return found, crowds, dict(skipped)


def _reason_to_skip(one: Mapping[str, Any]) -> str:
    if one.get("iscrowd"):
        return CROWD
    segmentation = one.get("segmentation")
    if not segmentation:
        return BOXES
    if isinstance(segmentation, list) and not _corners(segmentation):
        return SMALL
    width, height = (one.get("bbox") or (0, 0, FEWEST_PIXELS, FEWEST_PIXELS))[2:]
    return SMALL if one.get("area", width * height) < FEWEST_PIXELS else ""


def _corners(polygons: Any) -> list[list[float]]:
    """Return polygons with three corners or more; a single one may stand without its list."""
    nested = polygons if isinstance(polygons[0], list) else [polygons]
    return [polygon for polygon in nested if len(polygon) >= FEWEST_NUMBERS]


def _images(
    records: Mapping[int, Mapping[str, Any]], objects: Objects, crowds: Objects, folder: Path, *, must_exist: bool
) -> tuple[CocoImage, ...]:
    places = _Places(folder) if must_exist else None
    images, missing = [], []
    for id_, one in records.items():
        name = str(one["file_name"])
        path = folder / name if places is None else places.find(name)
        if path is None:
            missing.append(name)
            continue
        shape = (int(one["height"]), int(one["width"]))
        images.append(
            CocoImage(
                id=id_, name=name, path=path, frame=int(one.get("frame", 0)), shape=shape,
                objects=tuple(objects.get(id_, ())), left_out=tuple(crowds.get(id_, ())),
            )
        )  # fmt: skip
    if missing:
        raise WrongImage(
            f"{len(missing)} of {len(records)} images are not in '{folder}', for example '{missing[0]}'.",
            "Choose the folder that holds them.",
        )
    return tuple(images)


class _Places:
    """Files below a folder: by their place, else by a name that only one has, else by such a name without suffix."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise WrongImage(f"There is no folder '{folder}'.", "Choose the folder of the images.")
        self._folder = folder

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(self._folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                found[path.name].append(path)
                found[path.stem].append(path)
        return found

    def find(self, name: str) -> Path | None:
        """Find an image, None where it is missing or its name is that of several."""
        if (self._folder / name).is_file():
            return self._folder / name
        candidates = self._by_name.get(Path(name).name) or self._by_name.get(Path(name).stem, [])
        return candidates[0] if len(candidates) == 1 else None
