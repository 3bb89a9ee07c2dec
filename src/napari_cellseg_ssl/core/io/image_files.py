"""Reading image files of any kind that users have: pixels with their axes, and label images."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.decoding import decoding
from napari_cellseg_ssl.core.io.tiff import read_tiff
from napari_cellseg_ssl.core.io.units import PixelSize
from napari_cellseg_ssl.core.io.zarr_files import read_zarr

TIFF, PNG, ZARR = (".tif", ".tiff"), (".png",), (".zarr",)
PICTURES = (*TIFF, *PNG, ".jpg", ".jpeg", ".bmp")
"""Single files; everyday images come as JPEG, which no labels survive."""
_MODES = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L", "CMYK": "RGB", "YCbCr": "RGB"}


def stem_of(path: Path) -> str:
    """Name of an image without what marks its format."""
    return re.sub(r"\.ome$", "", path.stem)


def read_image(
    path: Path,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> ImageStack:
    """Read an image.

    Parameters
    ----------
    axes : str, optional
        Overrides what the file says, for example "ZYX".
    channels : sequence of int, optional
        Channels to keep.
    tell : (text) -> None, optional
        Hears in a sentence what the file says of the size of a pixel that cannot be used.

    Raises
    ------
    WrongImage, OutOfMemory
        If it cannot be read, or axes and shape do not fit.
    """
    array, stated, size = _read(path)
    try:
        image = ImageStack.from_array(array, axes or stated, name=stem_of(path), channels=channels)
    except WrongImage as problem:
        raise WrongImage(f"'{path}': {problem.message}", problem.hint) from problem
    for doubt in size.doubts:
        tell(f"'{path.name}' {doubt}.")
    if not {"Y", "X"} <= set(size.sizes):
        return image
    # A file that says nothing of Z is taken to have cubic voxels, and `describe_volume` tells.
    spacing = tuple(size.sizes.get(axis, size.sizes["X"]) for axis in "ZYX"[-len(image.spatial_shape) :])
    return replace(image, spacing=spacing, is_calibrated=size.in_um)


def read_labels(path: Path, image: ImageStack | None = None) -> Array:
    """Read a label image, (N, *S) integer; axes are those of its image, where one is given.

    Raises
    ------
    WrongImage, WrongAnnotation
        If it cannot be read, is in colour, or is not of the image's size.
    """
    array, _, _ = _read(path)
    array = np.asarray(array)
    if image is None:
        return array[None] if array.ndim == 2 else array
    expected = (len(image.frames), *image.spatial_shape)
    if array.size != np.prod(expected) or array.shape[-2:] != expected[-2:]:
        raise messages.labels_of_another_shape(path, array.shape, image.name, expected)
    return array.reshape(expected)


def read_with_axes(path: Path) -> tuple[Any, str | None]:
    """Read pixels as they are, perhaps lazily, with the axes that their file states.

    Raises
    ------
    WrongImage, OutOfMemory
        If it cannot be read.
    """
    array, axes, _ = _read(path)
    return array, axes


def _read(path: Path) -> tuple[Any, str | None, PixelSize]:
    suffix = path.suffix.lower()
    try:
        if suffix in TIFF:
            tiff = read_tiff(path)
            return tiff.array, tiff.axes, tiff.size
        return read_zarr(path) if suffix in ZARR else (_read_picture(path), None, PixelSize())
    except MemoryError as problem:  # or a damaged file says that it has that many pixels
        raise messages.file_too_large(path) from problem


def _read_picture(path: Path) -> Array:
    from PIL import Image

    with decoding(path), Image.open(path) as picture:
        return np.asarray(picture.convert(_MODES.get(picture.mode, picture.mode)))
