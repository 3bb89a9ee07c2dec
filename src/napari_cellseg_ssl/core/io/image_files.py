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
from napari_cellseg_ssl.core.io.zarr_files import is_zarr, read_zarr

TIFF, PNG, ZARR = (".tif", ".tiff"), (".png",), (".zarr",)
PICTURES = (*TIFF, *PNG, ".jpg", ".jpeg", ".bmp")
"""Single files; everyday images come as JPEG, which no labels survive."""
_MODES = {"PA": "RGB", "RGBA": "RGB", "LA": "L", "CMYK": "RGB", "YCbCr": "RGB"}
_PNG_HEADER = 26
"""Bytes of a PNG up to its bit depth and its kind of colour."""


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
    array, stated, size, notes = _read(path)
    array, stated = _without_single(array, axes or stated)
    try:
        image = ImageStack.from_array(array, stated, name=stem_of(path), channels=channels)
    except WrongImage as problem:
        raise WrongImage(f"'{path}': {problem.message}", problem.hint) from problem
    for text in notes:
        tell(text)
    if stated is None and array.ndim > 2:
        tell(messages.axes_guessed(path.name, array.shape, image.axes))
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
    array = np.asarray(_read(path, as_stored=True)[0])
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
    array, axes, *_ = _read(path, as_stored=True)
    return array, axes


def _without_single(array: Any, axes: str | None) -> tuple[Any, str | None]:
    """Leave out axes of length 1 that say nothing, as in files that always have five."""
    if axes is None or len(axes) != array.ndim:
        return array, axes
    single = [n for n, axis in enumerate(axes) if axis.upper() in "TZC" and array.shape[n] == 1]
    index = tuple(0 if n in single else slice(None) for n in range(array.ndim))
    return array[index], "".join(axis for n, axis in enumerate(axes) if n not in single)


def _read(path: Path, *, as_stored: bool = False) -> tuple[Any, str | None, PixelSize, tuple[str, ...]]:
    """Read pixels, axes and size of a pixel where they are stated, and what is to be said of the file."""
    suffix = path.suffix.lower()
    try:
        if suffix in TIFF:
            tiff = read_tiff(path, as_stored=as_stored)
            return tiff.array, tiff.axes, tiff.size, tiff.notes
        if is_zarr(path):
            return read_zarr(path)
        return _read_picture(path, as_stored=as_stored), None, PixelSize(), ()
    except MemoryError as problem:  # or a damaged file says that it has that many pixels
        raise messages.file_too_large(path) from problem


def _read_picture(path: Path, *, as_stored: bool = False) -> Array:
    """Read a picture; the numbers of a palette are ids where values are wanted as they are stored."""
    from PIL import Image

    with decoding(path), Image.open(path) as picture:
        if picture.format == "PNG" and _has_deep_colours(path):
            return _read_deep_png(path)
        mode = picture.mode if picture.mode == "P" and as_stored else _MODES.get(picture.mode, picture.mode)
        return np.asarray(picture.convert("RGB" if mode == "P" and not as_stored else mode))


def _has_deep_colours(path: Path) -> bool:
    """Whether a PNG has 16 bits a colour, of which Pillow keeps eight."""
    with path.open("rb") as stream:
        head = stream.read(_PNG_HEADER)
    return len(head) == _PNG_HEADER and head[24] == 16 and head[25] in (2, 4, 6)


def _read_deep_png(path: Path) -> Array:
    """Read a PNG of 16 bits a colour, without its transparency."""
    from imagecodecs import png_decode

    array: Array = png_decode(path.read_bytes())
    return array[..., 0] if array.shape[-1] == 2 else array[..., :3]
