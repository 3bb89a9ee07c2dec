"""Which label file belongs to which image: by folder and by name, in the ways that other programs name them.

A label file is named like its image, or with `_labels`, `_masks`, `_cp_masks`, `_seg` and the like after it; images may
end in `_img`. Cell Tracking Challenge: `man_seg000`, `man_track000` and `mask000` belong to `t000`, those in `01_GT`,
`01_ST` and `01_RES` to the images in `01`. Where several folders have images of one name, the folders decide: `a/masks`
belongs to `a/images`, `labels/a` to `images/a`. What they do not decide is refused.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.image_files import PNG, TIFF, ZARR, stem_of
from napari_cellseg_ssl.core.wording import listed

_LABEL_SUFFIX = re.compile(r"[_\-. ](cp_masks?|masks?|labels?|seg|object identities)$", re.IGNORECASE)
_IMAGE_SUFFIX = re.compile(r"[_\-. ](img|image|raw)$", re.IGNORECASE)
_BY_PRODUCT = re.compile(r"[_\-. ](flows|outlines|cp_outlines|cp_output)$", re.IGNORECASE)
"""Pictures that Cellpose makes of an image."""
_CHALLENGE = re.compile(r"(?:man_seg_?|man_track_?|mask)(\d+)$")
_SEQUENCE = re.compile(r"(\d\d)(_GT|_ST|_RES|_ERR_SEG)?$")
_ROLE = re.compile(r"images?|imgs?|raw|labels?|masks?|seg(mentations?)?|tra|gt|(ground)?truth|annotations?|painted")
"""A word of a folder's name that says what is in it, not what it belongs to."""
_FULLEST_FIRST = (*TIFF, *ZARR, *PNG)
"""Of two images of one name, the first is the image, the other a picture of it."""


def label_key(path: Path) -> str:
    """Stem of the image that a label file belongs to; its own where it is not named like labels."""
    stem = stem_of(path)
    challenge = _CHALLENGE.match(stem)
    if challenge:
        return f"t{challenge[1]}"
    bare = _IMAGE_SUFFIX.sub("", stem)  # x_mask_img lies beside x_img
    return _LABEL_SUFFIX.sub("", bare) if _LABEL_SUFFIX.search(bare) else stem


def labels_beside(files: Sequence[Path]) -> Mapping[Path, Path]:
    """Find the files of a folder that are labels of another one of it, and say of which."""
    pictures = [file for file in files if not _is_label_name(file)]
    by_stem, by_name = _by(files, stem_of), _by(pictures, lambda file: _bare(stem_of(file)))
    found = {}
    for file in files:
        if _is_label_name(file):
            key = label_key(file)
            beside = [other for other in by_stem[key] + by_name[_bare(key)] if other != file]
            if beside:
                found[file] = beside[0]
    return found


def by_products(files: Sequence[Path]) -> set[Path]:
    """Find the files of a folder that are neither images nor labels, but made from one of its images."""
    stems = {stem_of(file) for file in files}
    matches = {file: _BY_PRODUCT.search(stem_of(file)) for file in files}
    return {file for file, match in matches.items() if match and stem_of(file)[: match.start()] in stems}


@dataclass(frozen=True)
class Pairs:
    """The label file of each image, None where there is none, and the files that are of no image."""

    images: Sequence[Path]
    labels: Sequence[Path | None]
    unused: Sequence[Path]

    def describe(self, what: str = "labels") -> str:
        """Say how many pairs there are, and what was left out."""
        alone = [image for image, label in zip(self.images, self.labels, strict=True) if label is None]
        text = f"{len(self.images) - len(alone)} of {len(self.images)} images have {what}"
        text += f"; without: {listed(_names(alone))}." if alone else "."
        if self.unused:
            text += f" Not used as {what}, since they belong to no image here: {listed(_names(self.unused))}."
        return text


def pair_files(images: Sequence[Path], labels: Sequence[Path], *, images_are_labels: bool = False) -> Pairs:
    """Find the label file of each image; no file is its own label, or the label of two images.

    Parameters
    ----------
    images_are_labels : bool
        Whether labels are paired with labels, a truth with a prediction: then both may be the same file.

    Raises
    ------
    WrongAnnotation
        If two label files belong to one image, or one could belong to images of the same name in several folders.
    """
    finder = _Finder(images, images_are_labels)
    found: dict[Path, Path] = {}
    unused = []
    for label in labels:
        if not images_are_labels and _absolute(label) in finder.files:
            continue
        image = finder.image_of(label)
        if image is None:
            unused.append(label)
        elif image in found:
            name = stem_of(image)
            raise messages.two_label_files(found[image], label, name)
        else:
            found[image] = label
    return Pairs(images, [found.get(image) for image in images], unused)


class _Finder:
    """Images by what they are called, and by their folders."""

    def __init__(self, images: Sequence[Path], are_labels: bool) -> None:
        self.files = frozenset(_absolute(image) for image in images)
        self._places = {folder: _place(folder) for folder in {image.parent for image in images}}
        self._near: dict[Path, frozenset[Path]] = {}
        unique = list(dict.fromkeys(images))
        self._by_stem = _by(unique, stem_of)
        self._by_name = _by(unique, lambda image: _bare(label_key(image) if are_labels else stem_of(image)))

    def image_of(self, label: Path) -> Path | None:
        """Find the image of a label file: in the nearest folder the one with the most similar name."""
        key = label_key(label)
        near = self._nearest(label.parent)
        candidates: dict[Path, int] = {}
        for step, called in enumerate((self._by_stem[stem_of(label)], self._by_stem[key], self._by_name[_bare(key)])):
            for image in called:
                if image.parent in near:
                    candidates.setdefault(image, step)
        folders = sorted({image.parent for image in candidates})
        if len(folders) > 1:
            raise messages.images_in_several_folders(label, listed(str(folder) for folder in folders))
        return min(candidates, key=lambda image: _rank(image, label, candidates[image]), default=None)

    def _nearest(self, folder: Path) -> frozenset[Path]:
        """Choose the folders of images that a folder of labels may belong to."""
        if folder not in self._near:
            own, sequence = _place(folder), _sequence(folder)
            common = {
                other: len(own) + 1 if _absolute(other) == _absolute(folder) else _common(own, place)
                for other, place in self._places.items()
                if sequence is None or _sequence(other, of_images=True) in (None, sequence)
            }
            most = max(common.values(), default=0)
            self._near[folder] = frozenset(other for other, count in common.items() if count == most)
        return self._near[folder]


def _rank(image: Path, label: Path, step: int) -> tuple[int, bool, int, str]:
    """Order images of similar names: as the label is named, of its kind, then the fuller format."""
    suffix = image.suffix.lower()
    kind = _FULLEST_FIRST.index(suffix) if suffix in _FULLEST_FIRST else len(_FULLEST_FIRST)
    return step, step == 0 and suffix != label.suffix.lower(), kind, str(image)


def _by(files: Sequence[Path], key: Callable[[Path], str]) -> defaultdict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        found[key(file)].append(file)
    return found


def _is_label_name(file: Path) -> bool:
    return label_key(file) != stem_of(file)


def _bare(stem: str) -> str:
    return _IMAGE_SUFFIX.sub("", stem)


def _sequence(folder: Path, *, of_images: bool = False) -> str | None:
    """Sequence of the Cell Tracking Challenge that a folder belongs to, "01" for "01_GT/SEG"."""
    name = folder.parent.name if folder.name in ("SEG", "TRA") else folder.name
    match = _SEQUENCE.match(name)
    return match[1] if match and (of_images or match[2]) else None


def _place(folder: Path) -> tuple[str, ...]:
    """What a folder belongs to: its path without the words that say what is in it."""
    place = []
    for part in _absolute(folder).parts:
        sequence = _SEQUENCE.match(part)
        words = [sequence[1]] if sequence else [word for word in re.split(r"[_\-. ]+", part.lower()) if word]
        place.append("_".join(word for word in words if not _ROLE.fullmatch(word)))
    return tuple(part for part in place if part)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the last parts that two places share."""
    count = 0
    for one, other in zip(reversed(first), reversed(second), strict=False):
        if one != other:
            break
        count += 1
    return count


def _names(files: Sequence[Path]) -> list[str]:
    """Name files, with their folder where they are from several."""
    several = len({file.parent for file in files}) > 1
    return [f"{file.parent.name}/{file.name}" if several else file.name for file in files]
