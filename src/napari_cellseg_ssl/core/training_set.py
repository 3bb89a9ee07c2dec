"""Images to learn from, with what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.errors import CellSegError, WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.images import ImageStack, require_finite
from napari_cellseg_ssl.core.method import MethodInfo
from napari_cellseg_ssl.core.volumes import require_depth


@dataclass(frozen=True, kw_only=True)
class TrainingItem:
    """One image, what was painted on it if anything, and the diameter of its objects in source px."""

    image: ImageStack
    annotation: Annotation | None = None
    diameter: float


@dataclass(frozen=True)
class TrainingSet:
    """Images of any sizes with the same channels."""

    items: tuple[TrainingItem, ...]

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return self.items[0].image.n_channels

    @property
    def n_cells(self) -> int:
        """Annotated cells in all images."""
        return sum(item.annotation.n_cells for item in self.items if item.annotation is not None)

    def problems(self, info: MethodInfo) -> Sequence[CellSegError]:
        """List what keeps a method from training on this set; empty = it may train."""
        if not self.items:
            return (WrongImage("There is no image to train on.", "Open or choose an image first."),)
        found: list[CellSegError] = []
        for item in self.items:
            found += _image_problems(item, self.items[0].image, info)
        if info.labels == "required" and not found:
            found += self._label_problems(info)
        return tuple(found)

    def _label_problems(self, info: MethodInfo) -> list[CellSegError]:
        painted = [item.annotation for item in self.items if item.annotation is not None]
        if not any(note.known.any() for note in painted):
            return [
                WrongAnnotation(f"{info.title} learns from painted cells, and none are painted.", "Paint some first.")
            ]
        if self.n_cells == 0:
            return [
                WrongAnnotation(
                    "Only background is painted, no cell.", "Paint at least 2 whole cells, each with its own id from 2."
                )
            ]
        if not any(note.has_background for note in painted):
            return [
                WrongAnnotation(
                    f"{self.n_cells} cells are painted but no background.",
                    "Paint some background with id 1, for example a ring around a cell.",
                )
            ]
        return []


def _image_problems(item: TrainingItem, first: ImageStack, info: MethodInfo) -> list[CellSegError]:
    image, ndim = item.image, len(item.image.spatial_shape)
    found: list[CellSegError] = []
    for requirement in (require_finite, require_depth):
        try:
            requirement(image)
        except WrongImage as problem:
            found.append(problem)
    if image.n_channels != first.n_channels:
        found.append(
            WrongImage(
                f"Image '{image.name}' has {image.n_channels} channel(s), the others have {first.n_channels}.",
                "Train on images with the same channels.",
            )
        )
    if ndim not in info.spatial_ndims:
        found.append(
            WrongImage(
                f"{info.title} does not work on {ndim}D images such as '{image.name}'.",
                "Segment its slices one by one: frames instead of a volume.",
            )
        )
    if ndim != len(first.spatial_shape):
        found.append(
            WrongImage(
                f"'{image.name}' is {ndim}D, '{first.name}' is {len(first.spatial_shape)}D.",
                "Train on volumes only, or take their slices as frames.",
            )
        )
    expected = (image.frames.shape[0], *image.spatial_shape)
    if item.annotation is not None and item.annotation.cells.shape != expected:
        found.append(
            WrongAnnotation(
                f"The labels of '{image.name}' have the shape {item.annotation.cells.shape}, the image {expected}.",
                "Choose the labels that belong to this image.",
            )
        )
    return found
