"""Annotated sets to learn a detector from, opened but not read: pixels come image by image, at their own scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.io.coco_objects import CocoImage
from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.core.io.image_files import PICTURES, PNG, TIFF, read_image, read_labels, stem_of
from napari_cellseg_ssl.core.io.image_places import ImagePlaces
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.wording import listed

IMAGES, LABELS = "images", "labels"
"""Folders of pairs, as drawn pairs are written."""
ANNOTATIONS, JSON = "annotations", ".json"


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage:
    """An image as it is in its file.

    Parameters
    ----------
    pixels : (C, Y, X) real
    cells : (Y, X) int32
    known : (Y, X) bool
        Where `cells` may be believed, its zeros included.
    """

    name: str
    pixels: Array
    cells: Array
    known: Array


Read = Callable[[], Iterator[AnnotatedImage]]


@dataclass(frozen=True, kw_only=True)
class AnnotatedSet:
    """Images that can be read one after the other.

    Parameters
    ----------
    name : str
        With its article, for sentences.
    readers : sequence of functions
        Each reads one file or one image of it.
    unit : str
        What a reader reads, in the plural.
    diameter : float, optional
        Of the objects of every image, source px, where that needs no measuring.
    left_out : sequence of str
        What of the set is not used.
    """

    name: str
    readers: Sequence[Read]
    unit: str = "images"
    diameter: float | None = None
    left_out: Sequence[str] = ()


def open_set(path: Path) -> AnnotatedSet:
    """Open whatever annotated set there is at a path: a file like COCO's, the folder of one, or a folder of pairs.

    Raises
    ------
    WrongOption
        If there is none, or more than one.
    WrongAnnotation, WrongImage
        If it has no masks or no images.
    """
    if not path.exists():
        raise messages.no_such_set(path)
    if path.is_file():
        if path.suffix.lower() != JSON:
            raise messages.not_a_json_file(path)
        return coco_file(path)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == JSON and not file.name.startswith("."))
    has_pairs = (path / IMAGES).is_dir() and (path / LABELS).is_dir()
    # Sets of boxes have a folder of labels too, of text files, beside a COCO file at best.
    if has_pairs and (not files or _by_stem(path / LABELS, TIFF + PNG)):
        return label_folder(path)
    if not files:
        raise messages.nothing_annotated(path, IMAGES, LABELS)
    if len(files) > 1:
        raise messages.several_json_files(path, len(files), listed(file.name for file in files))
    return coco_file(files[0])


def coco_file(file: Path) -> AnnotatedSet:
    """Open a file like COCO's; images that nobody finds are left out, unless that is all of them.

    They may lie below a folder "images" beside the file or below its own folder, or below the folder above it if its
    own is called "annotations", as COCO's is. What has no mask that can be learned from is unknown, not background.

    Raises
    ------
    WrongAnnotation
        If it cannot be read, is no such file, or has no masks.
    WrongImage
        If it has no images.
    """
    annotated = read_coco(file)
    if not any(image.objects for image in annotated.images):
        raise messages.no_masks(file)
    folders = [folder for folder in (file.parent / IMAGES, file.parent) if folder.is_dir()]
    if file.resolve().parent.name == ANNOTATIONS:
        folders.append(file.resolve().parent.parent)
    places = ImagePlaces(folders)
    found = [(image, places.find(image.name)) for image in annotated.images]
    readers = [partial(_read_coco_image, image, path) for image, path in found if path is not None]
    missing = [image.name for image, path in found if path is None]
    if not readers:
        raise messages.no_image_of_set(len(missing), file, listed(missing), IMAGES)
    left_out = [f"{count} {reason}" for reason, count in annotated.skipped.items()]
    if missing:
        left_out.append(f"{len(missing)} images that were not found")
    return AnnotatedSet(name=f"the COCO file {file.name}", readers=readers, left_out=left_out)


def label_folder(folder: Path) -> AnnotatedSet:
    """Open folders of images and of label images with the same names.

    Raises
    ------
    WrongImage, WrongAnnotation
        If one of them holds no images, or files are without a partner.
    """
    images = _by_stem(folder / IMAGES, PICTURES)
    labels = _by_stem(folder / LABELS, TIFF + PNG)
    if not images:
        raise messages.folder_without_images(folder / IMAGES)
    if not labels:
        raise messages.folder_without_labels(folder / LABELS)
    alone = [f"{IMAGES}/{images[stem].name}" for stem in images if stem not in labels]
    alone += [f"{LABELS}/{labels[stem].name}" for stem in labels if stem not in images]
    if alone:
        raise messages.files_without_partner(len(alone), folder, listed(alone))
    readers = [partial(_read_pair, images[stem], labels[stem]) for stem in images]
    return AnnotatedSet(name=f"the folder {folder.name}", readers=readers, unit="files")


def flat_image(path: Path) -> ImageStack:
    """Read an image that is no volume.

    Raises
    ------
    WrongImage
        If it is one, or cannot be read.
    """
    image = read_image(path)
    if len(image.spatial_shape) != 2:
        raise messages.source_is_a_volume(path)
    return image


def _by_stem(folder: Path, suffixes: Sequence[str]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise messages.names_twice(other, path)
    return found


def _read_pair(image_file: Path, labels_file: Path) -> Iterator[AnnotatedImage]:
    image = flat_image(image_file)
    try:
        note = Annotation.from_dense(read_labels(labels_file, image))
    except WrongAnnotation as problem:
        raise WrongAnnotation(f"'{labels_file}': {problem.message}", problem.hint) from problem
    for pixels, cells, known in zip(image.frames, note.cells, note.known, strict=True):
        yield AnnotatedImage(name=image_file.name, pixels=pixels, cells=cells, known=known)


def _read_coco_image(annotated: CocoImage, file: Path) -> Iterator[AnnotatedImage]:
    image = flat_image(file)
    if annotated.frame >= len(image.frames):
        raise messages.wrong_number_of_frames(file, len(image.frames), annotated.frame)
    if image.spatial_shape != annotated.shape:
        raise messages.wrong_size(file, image.spatial_shape, annotated.shape)
    pixels = np.asarray(image.frames[annotated.frame])
    yield AnnotatedImage(name=annotated.name, pixels=pixels, cells=annotated.labels(), known=annotated.known())
