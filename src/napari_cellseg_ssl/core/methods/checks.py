"""What keeps a method from training on a set of images."""

from collections.abc import Sequence

from napari_cellseg_ssl.core.data.images import ImageStack, require_finite
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.data.volumes import require_depth
from napari_cellseg_ssl.core.errors import CellSegError, WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.methods.base import MethodInfo


def problems(data: TrainingSet, info: MethodInfo) -> Sequence[CellSegError]:
    """List what keeps a method from training on this set; empty = it may train."""
    if not data.items:
        return (WrongImage("There is no image to train on.", "Open or choose an image first."),)
    found: list[CellSegError] = []
    for item in data.items:
        found += _image_problems(item, data.items[0].image, info)
    if info.labels == "required" and not found:
        found += _label_problems(data, info)
    return tuple(found)


def _label_problems(data: TrainingSet, info: MethodInfo) -> list[CellSegError]:
    painted = [item.annotation for item in data.items if item.annotation is not None]
    if not any(note.known.any() for note in painted):
        return [WrongAnnotation(f"{info.title} learns from painted cells, and none are painted.", "Paint some first.")]
    if data.n_cells == 0:
        return [
            WrongAnnotation(
                "Only background is painted, no cell.", "Paint at least 2 whole cells, each with its own id from 2."
            )
        ]
    if not any(note.has_background for note in painted):
        return [
            WrongAnnotation(
                f"{data.n_cells} cells are painted but no background.",
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
