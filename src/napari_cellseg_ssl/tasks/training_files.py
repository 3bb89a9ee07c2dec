"""Image files that are read once and kept, to learn from beside an image that is open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.labels_mode import annotations_of
from napari_cellseg_ssl.core.data.volumes import as_slices
from napari_cellseg_ssl.core.io.user_files import find_files, pair_by_stem, read_image, read_labels
from napari_cellseg_ssl.tasks.batch_reading import read_each


@dataclass(frozen=True)
class TrainingFile:
    """An image file as it was read, and what is known of it.

    `diameter` is that of its objects in px, for an image that was drawn with objects of a known size.
    """

    path: Path
    image: ImageStack
    annotation: Annotation | None = None
    diameter: float | None = None

    def sliced(self) -> "TrainingFile":
        """Return the file with the slices of its volumes as frames."""
        image, note = as_slices(self.image), self.annotation
        if note is not None:
            shape = (-1, *image.spatial_shape)
            note = Annotation(cells=note.cells.reshape(shape), known=note.known.reshape(shape))
        return replace(self, image=image, annotation=note)


def read_training_files(paths: Iterable[Path]) -> tuple[TrainingFile, ...]:
    """Read images, or all images in a folder.

    Raises
    ------
    WrongImage
        If some of them cannot be read; then none is taken, and all of these are named.
    """
    return tuple(read_each(find_files(paths), lambda path: TrainingFile(path, read_image(path))))


def read_drawn_pairs(images: Sequence[Path], labels: Sequence[Path], diameter: float) -> tuple[TrainingFile, ...]:
    """Read drawn images and all their objects, which have a known size in px; labels pair by their places.

    Raises
    ------
    WrongImage, WrongAnnotation
        If one of them cannot be read.
    """
    files = read_training_files(images)
    pairs = zip(files, labels, strict=True)
    notes = read_each(pairs, lambda pair: Annotation.from_dense(read_labels(pair[1], pair[0].image)))
    return tuple(replace(file, annotation=note, diameter=diameter) for file, note in zip(files, notes, strict=True))


def with_labels(files: Sequence[TrainingFile], folder: Path) -> tuple[TrainingFile, ...]:
    """Return those of the files for which a folder holds labels, by name, with these labels.

    Raises
    ------
    WrongImage, WrongAnnotation
        If the folder holds no labels of these images, or some that do not fit their image.
    """
    images = [file.path for file in files]
    candidates = find_files([folder], labels=True, images=images)
    pairs = zip(files, pair_by_stem(images, candidates), strict=True)
    known = [(file, path) for file, path in pairs if path is not None]
    found = read_each(known, lambda pair: read_labels(pair[1], pair[0].image))
    notes = annotations_of(found, [file.image.name for file, _ in known])
    return tuple(replace(file, annotation=note) for (file, _), note in zip(known, notes, strict=True))
