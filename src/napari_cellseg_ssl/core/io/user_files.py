"""Finding, pairing and reading the files of a user: images, labels, painted labels."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.image_files import PNG, TIFF, ZARR, read_image, read_labels, stem_of
from napari_cellseg_ssl.core.io.pairing import by_products, label_key, labels_beside, pair_files
from napari_cellseg_ssl.core.io.zarr_files import is_zarr
from napari_cellseg_ssl.core.wording import listed

__all__ = [
    "READABLE",
    "find_files",
    "label_key",
    "pair_by_stem",
    "read_image",
    "read_labels",
    "stem_of",
]

READABLE = TIFF + PNG + ZARR


def find_files(
    paths: Iterable[str | Path],
    *,
    labels: bool = False,
    images: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """List image files, each once: files as they are, folders by what can be read in them, sorted.

    Of a folder that holds images and their labels, these are two lists: label files that lie beside their image are
    no images, and the images no labels.

    Parameters
    ----------
    labels : bool
        List labels instead of images.
    images : sequence of Path
        Files that are known to be images, of which nothing needs to be told.
    tell : (text) -> None, optional
        Hears in a sentence which files of a folder were left out.

    Raises
    ------
    WrongImage
        If a path does not exist, cannot be read as an image, or a folder holds none.
    """
    found: list[Path] = []
    left_out: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir() and not is_zarr(path):
            inside, others = _sorted_out(path, labels)
            if not inside:
                raise messages.folder_holds_no_images(path)
            found += inside
            left_out += others
        elif not path.exists():
            raise messages.no_such_path(path)
        elif path.suffix.lower() not in READABLE and not is_zarr(path):
            raise messages.unknown_format(path)
        else:
            found.append(path)
    unexpected = [path.name for path in left_out if path not in images]
    if unexpected:
        why = "labels, since their own labels lie" if labels else "images, since the image that they are of lies"
        tell(f"Not taken for {why} beside them: {listed(unexpected)}.")
    return list(dict.fromkeys(found))


def _sorted_out(folder: Path, labels: bool) -> tuple[list[Path], list[Path]]:
    """List the images of a folder, or its labels, and what is readable and none."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE and not p.name.startswith("."))
    beside = labels_beside(files)
    others = set(beside.values()) - set(beside) if labels else set(beside) | by_products(files)
    return [path for path in files if path not in others], [path for path in files if path in others]


def pair_by_stem(
    images: Sequence[Path],
    labels: Sequence[Path],
    tell: Callable[[str], None] = lambda text: None,
    what: str = "labels",
) -> list[Path | None]:
    """Find the label file of each image, by folder and stem: see `core.io.pairing`.

    Parameters
    ----------
    tell : (text) -> None, optional
        Hears how many pairs there are, and what was left out.
    what : str
        What the label files are, for that sentence.

    Raises
    ------
    WrongAnnotation
        If no label file belongs to any image, two belong to one, or one could belong to several.
    """
    pairs = pair_files(images, labels)
    if labels and not any(pairs.labels):
        if not pairs.unused:
            raise messages.labels_are_the_images(what, labels[0].name)
        raise messages.no_labels_match(labels[0].name, images[0].name)
    tell(pairs.describe(what))
    return list(pairs.labels)
