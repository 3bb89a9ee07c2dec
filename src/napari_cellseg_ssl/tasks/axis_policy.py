"""What the axes of images mean: as their files say, unless the user knows better."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.volumes import ZMeaning, as_slices, as_volume, with_spacing
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.io.user_files import read_image

LETTERS = {"time": "T", "channel": "C", "band": "C", "sample": "S", "s": "C", "depth": "Z", "row": "Y", "column": "X"}
"""Of dimensions that are called by a word, and of the colours of bioio."""


def axes_of_dims(dims: Sequence[object]) -> str:
    """Return the axes that named dimensions mean: their letter, or the one of a known word."""
    names = [str(dim).lower() for dim in dims]
    if "c" in names:
        names = ["n" if name == "s" else name for name in names]
    return "".join(LETTERS.get(name, name.upper()) for name in names)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How images are to be understood.

    Parameters
    ----------
    axes : str, optional
        Overrides what a file says, for example "ZYX".
    channels : sequence of int, optional
        Channels to keep.
    z : "volume" or "frames", optional
        Whether slices are one volume, also where they seem to be time, or images of their own. When absent, they are a
        volume where the axes say Z and `spatial_ndims` allow it.
    spacing : sequence of float, optional
        Size of a pixel along each spatial axis, ([Z,] Y, X), in µm.
    spatial_ndims : tuple of int
        What the method or model works on.
    """

    axes: str | None = None
    channels: Sequence[int] | None = None
    z: ZMeaning | None = None
    spacing: Sequence[float] | None = None
    spatial_ndims: Sequence[int] = (2, 3)

    def file(self, path: Path, tell: Callable[[str], None] = lambda text: None) -> ImageStack:
        """Read an image file; what is done with its slices, and what of its size of a pixel is not used, is told.

        Raises
        ------
        WrongImage
            If it cannot be read, or is not what was said.
        """
        tell_size = tell if self.spacing is None else lambda text: None
        image = read_image(path, axes=self.axes, channels=self.channels, tell=tell_size)
        try:
            return self.understood(image, tell)
        except WrongImage as problem:
            raise WrongImage(f"'{path}': {problem.message}", problem.hint) from problem

    def array(self, array: Any, name: str) -> ImageStack:
        """Take an array for an image; the names of its dimensions, as in xarray, are believed."""
        axes = self.axes
        if (dims := getattr(array, "dims", None)) is not None:
            axes, array = axes or axes_of_dims(dims), array.data
        return self.understood(ImageStack.from_array(array, axes, name=name, channels=self.channels))

    def understood(self, image: ImageStack, tell: Callable[[str], None] = lambda text: None) -> ImageStack:
        """Take the slices of an image as was said, or as is possible."""
        if self.z == "volume":
            image = as_volume(image)
        if self.spacing is not None:
            image = with_spacing(image, self.spacing)
        if self.z == "volume" or len(image.spatial_shape) == 2:
            return image
        if self.z == "frames":
            return as_slices(image)
        if 3 in self.spatial_ndims:
            return image
        tell(f"No volumes here, so the {image.spatial_shape[0]} slices of '{image.name}' are segmented one by one.")
        return as_slices(image)
