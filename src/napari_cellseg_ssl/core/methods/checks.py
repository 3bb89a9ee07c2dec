"""What keeps a method from training on a set of images."""

from collections.abc import Sequence

from napari_cellseg_ssl.core.data.images import ImageStack, require_finite
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.data.volumes import require_depth
from napari_cellseg_ssl.core.errors import CellSegError, WrongImage
from napari_cellseg_ssl.core.methods import messages
from napari_cellseg_ssl.core.methods.base import MethodInfo


def problems(data: TrainingSet, info: MethodInfo) -> Sequence[CellSegError]:
    """List what keeps a method from training on this set; empty = it may train."""
    if not data.items:
        return (messages.no_image(),)
    found: list[CellSegError] = []
    for item in data.items:
        found += _image_problems(item, data.items[0].image, info)
    if info.labels == "required" and not found:
        found += _label_problems(data, info)
    return tuple(found)


def _label_problems(data: TrainingSet, info: MethodInfo) -> list[CellSegError]:
    painted = [item.annotation for item in data.items if item.annotation is not None]
    if not any(note.known.any() for note in painted):
        return [messages.labels_required(info.title)]
    if data.n_cells == 0:
        return [messages.only_background_painted()]
    if not any(note.has_background for note in painted):
        return [messages.background_required(data.n_cells)]
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
        found.append(messages.channels_differ(image.name, image.n_channels, first.n_channels))
    if ndim not in info.spatial_ndims:
        found.append(messages.dimensions_not_supported(info.title, ndim, image.name))
    if ndim != len(first.spatial_shape):
        found.append(messages.dimensions_differ(image.name, ndim, first.name, len(first.spatial_shape)))
    expected = (image.frames.shape[0], *image.spatial_shape)
    if item.annotation is not None and item.annotation.cells.shape != expected:
        found.append(messages.labels_do_not_fit(image.name, item.annotation.cells.shape, expected))
    return found
