"""Finding, pairing and reading the files of a user: images, labels, painted labels."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.image_files import PICTURES, PNG, TIFF, ZARR, read_image, read_labels, stem_of
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
LOSSY = tuple(suffix for suffix in PICTURES if suffix not in READABLE)
"""Images too, where nobody has better ones; no labels survive them."""
FOREIGN = (
    ".czi", ".nd2", ".lif", ".lsm", ".oib", ".oif", ".vsi", ".ims", ".dv", ".mrc", ".svs", ".ndpi", ".scn", ".h5",
    ".hdf5", ".npy", ".npz", ".gif", ".webp", ".qptiff",
)  # fmt: skip
"""Endings of images that are not read, so that a folder does not pass over them in silence."""


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
    unread: list[str] = []
    for path in map(Path, paths):
        if path.is_dir() and not is_zarr(path):
            inside, others = _sorted_out(path, labels)
            if not inside:
                raise messages.folder_holds_no_images(path)
            found += inside
            left_out += others
            unread += [p.name for p in sorted(path.iterdir()) if _is_unread(p, inside)]
        elif not path.exists():
            raise messages.no_such_path(path)
        elif path.suffix.lower() not in (READABLE if labels else READABLE + LOSSY) and not is_zarr(path):
            raise messages.unknown_format(path)
        else:
            found.append(path)
    unexpected = [path.name for path in left_out if path not in images]
    if unexpected:
        why = "labels, since their own labels lie" if labels else "images, since the image that they are of lies"
        tell(f"Not taken for {why} beside them: {listed(unexpected)}.")
    if unread and not labels:
        tell(messages.not_read(unread))
    return list(dict.fromkeys(found))


def _is_unread(path: Path, used: Sequence[Path]) -> bool:
    """Whether a file of a folder is an image that is not used because of its format."""
    suffix = path.suffix.lower()
    return suffix in FOREIGN or (suffix in LOSSY and path not in used)


def _sorted_out(folder: Path, labels: bool) -> tuple[list[Path], list[Path]]:
    """List the images of a folder, or its labels, and what is readable and none."""
    inside = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    files = [p for p in inside if p.suffix.lower() in READABLE]
    if not files and not labels:
        return [p for p in inside if p.suffix.lower() in LOSSY], []
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
