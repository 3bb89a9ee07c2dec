"""Annotated sets to learn a detector from, opened but not read: pixels come image by image, at their own scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage, WrongOption
from napari_cellseg_ssl.core.image_files import PICTURES, PNG, TIFF, read_image, read_labels, stem_of
from napari_cellseg_ssl.core.images import Array, ImageStack

IMAGES, LABELS = "images", "labels"
"""Folders of pairs, as drawn pairs are written."""
MOST_NAMED = 5


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
    """Open whatever annotated set there is at a path.

    Raises
    ------
    WrongOption
        If there is none, or more than one.
    WrongAnnotation, WrongImage
        If it has no masks or no images.
    """
    if not path.exists():
        raise WrongOption(f"There is no annotated set '{path}'.", "Check the path of the source.")
    if not path.is_dir():
        raise WrongOption(f"'{path}' is no annotated set.", "Choose folders of pairs.")
    if not (path / IMAGES).is_dir() or not (path / LABELS).is_dir():
        raise WrongOption(
            f"The folder '{path}' is no annotated set: it does not hold the folders '{IMAGES}' and '{LABELS}'.",
            "Choose the folder above them.",
        )
    return label_folder(path)


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
        raise WrongImage(f"'{folder / IMAGES}' holds no TIFF, PNG or JPEG.", "Put the images there.")
    if not labels:
        raise WrongAnnotation(f"'{folder / LABELS}' holds no TIFF or PNG.", "Put a label image for each image there.")
    alone = [f"{IMAGES}/{images[stem].name}" for stem in images if stem not in labels]
    alone += [f"{LABELS}/{labels[stem].name}" for stem in labels if stem not in images]
    if alone:
        raise WrongAnnotation(
            f"{len(alone)} files in '{folder}' are without a partner: {listed(alone)}.",
            "Name each label image like its image, and take the others away.",
        )
    readers = [partial(_read_pair, images[stem], labels[stem]) for stem in images]
    return AnnotatedSet(name=f"the folder '{folder.name}'", readers=readers, unit="files")


def flat_image(path: Path) -> ImageStack:
    """Read an image that is no volume.

    Raises
    ------
    WrongImage
        If it is one, or cannot be read.
    """
    image = read_image(path)
    if len(image.spatial_shape) != 2:
        raise WrongImage(
            f"'{path}' is a volume, and the source has to be of images.", "Take its slices as frames: axes TYX."
        )
    return image


def listed(names: Iterable[str]) -> str:
    """Name some things, not more than a person would read."""
    names = list(names)
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _by_stem(folder: Path, suffixes: Sequence[str]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise WrongAnnotation(f"'{other}' and '{path}' have the same name.", "Take one of them away.")
    return found


def _read_pair(image_file: Path, labels_file: Path) -> Iterator[AnnotatedImage]:
    image = flat_image(image_file)
    try:
        note = Annotation.from_dense(read_labels(labels_file, image))
    except WrongAnnotation as problem:
        raise WrongAnnotation(f"'{labels_file}': {problem.message}", problem.hint) from problem
    for pixels, cells, known in zip(image.frames, note.cells, note.known, strict=True):
        yield AnnotatedImage(name=image_file.name, pixels=pixels, cells=cells, known=known)
