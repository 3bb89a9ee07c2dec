"""Files of pixels: TIFF, PNG and JPEG."""

from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.tiff import read_tiff

TIFF = (".tif", ".tiff")


def read_picture(path: Path) -> Array:
    """Read a PNG, a JPEG or another file that is not a TIFF: (Y, X) or (Y, X, 3), opacity left out.

    Raises
    ------
    WrongImage
        If it cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            mode = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L"}.get(picture.mode, picture.mode)
            return np.asarray(picture.convert(mode))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as problem:
        raise WrongImage(f"'{path}' cannot be read: {problem}.", "Is it a complete image file?") from problem


def read_pixels(path: Path) -> tuple[Array, str | None]:
    """Read a file of either kind, and the axes that it states.

    Raises
    ------
    WrongImage
        If it cannot be read.
    """
    if path.suffix.lower() in TIFF:
        tiff = read_tiff(path)
        return tiff.array, tiff.axes
    return read_picture(path), None
