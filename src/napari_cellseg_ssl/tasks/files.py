"""Finding, pairing and reading the files of a user: images, labels, painted labels."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from napari_cellseg_ssl.core.annotations import BACKGROUND_ID, Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.image_files import PNG, TIFF, ZARR, read_image, read_labels, stem_of
from napari_cellseg_ssl.core.images import Array

__all__ = [
    "READABLE",
    "LabelsMode",
    "annotate",
    "find_files",
    "guess_labels_mode",
    "label_key",
    "pair_by_stem",
    "read_image",
    "read_labels",
    "stem_of",
]

READABLE = TIFF + PNG + ZARR
LabelsMode = Literal["sparse", "dense"]
_LABEL_SUFFIX = re.compile(r"_(labels|masks?)$")
_CTC_LABELS = re.compile(r"man_seg_?(\d+)$")


def find_files(paths: Iterable[str | Path], *, labels: bool = False) -> list[Path]:
    """List image files: files as they are, folders by what can be read in them, sorted.

    Label files that lie beside their image are left out, unless it is `labels` that are looked for.

    Raises
    ------
    WrongImage
        If a path does not exist, cannot be read as an image, or a folder holds none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.suffix.lower() in ZARR and path.is_dir():
            found.append(path)
        elif path.is_dir():
            inside = _inside(path, labels)
            if not inside:
                raise WrongImage(f"The folder '{path}' holds no TIFF, PNG or OME-Zarr.", "Choose another folder.")
            found += inside
        elif not path.exists():
            raise WrongImage(f"'{path}' does not exist.", "Check the path.")
        elif path.suffix.lower() not in READABLE:
            raise WrongImage(f"'{path}' is not a TIFF, PNG or OME-Zarr.", "Convert it, or choose another file.")
        else:
            found.append(path)
    return found


def _inside(folder: Path, labels: bool) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE and not p.name.startswith("."))
    stems = {stem_of(p) for p in files}
    return [p for p in files if labels or label_key(p) == stem_of(p) or label_key(p) not in stems]


def pair_by_stem(images: Sequence[Path], labels: Sequence[Path]) -> list[Path | None]:
    """Find the label file of each image: same stem, "<stem>_labels", or man_segNNN for tNNN.

    Raises
    ------
    WrongAnnotation
        If no label file belongs to any image, or two belong to one.
    """
    by_key: dict[str, Path] = {}
    for path in labels:
        key = label_key(path)
        if key in by_key:
            raise WrongAnnotation(f"Both '{by_key[key]}' and '{path}' could belong to image '{key}'.", "Remove one.")
        by_key[key] = path
    pairs = [by_key.get(stem_of(path)) for path in images]
    if labels and not any(pairs):
        raise WrongAnnotation(
            f"No label file belongs to an image: labels such as '{labels[0].name}', images such as '{images[0].name}'.",
            "Name each label file like its image.",
        )
    return pairs


def label_key(path: Path) -> str:
    """Stem of the image that a label file belongs to."""
    stem = stem_of(path)
    challenge = _CTC_LABELS.match(stem)
    return f"t{challenge[1]}" if challenge else _LABEL_SUFFIX.sub("", stem)


def annotate(labels: Array, mode: LabelsMode) -> Annotation:
    """Decode labels (N, *S) as sparse painting or as a dense label image."""
    return Annotation.from_dense(labels) if mode == "dense" else Annotation.from_painting(labels)


def guess_labels_mode(labels: Iterable[Array]) -> LabelsMode:
    """Guess whether label images (N, *S) are sparse painting, with id 1 as background, or dense.

    Painted background is several strokes, or one that is large, long or hollow; in a dense label image, id 1 is a
    cell like the others.
    """
    votes = [_looks_painted(frame) for array in labels for frame in array if (frame == BACKGROUND_ID).any()]
    return "sparse" if votes and 2 * sum(votes) >= len(votes) else "dense"


def _looks_painted(frame: Array) -> bool:
    from skimage.measure import label, regionprops

    if frame.ndim != 2:
        return bool(label(frame == BACKGROUND_ID).max() > 1)
    pieces = regionprops(label(frame == BACKGROUND_ID))
    others = np.bincount(frame[frame > BACKGROUND_ID].ravel().astype(np.int64))
    others = others[others > 0]
    piece = max(pieces, key=lambda p: p.area)
    is_large = len(others) > 0 and piece.area > 4 * np.median(others)
    is_thin = piece.solidity < 0.8 or piece.eccentricity > 0.98
    return len(pieces) > 1 or is_large or is_thin
