"""Whether Z is a dimension of the objects or a row of slices, and what a volume needs in order to be one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from typing import Literal

from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.images import SAMPLE_AXES, ImageStack

ZMeaning = Literal["volume", "frames"]

FEWEST_SLICES = 4
"""Of a volume; with fewer per object, a volume has hardly more to tell than its slices."""


def spatial_ndim(images: Iterable[ImageStack]) -> int:
    """Spatial axes of images: 3 where there are volumes, else 2."""
    return max((len(image.spatial_shape) for image in images), default=2)


def as_slices(image: ImageStack) -> ImageStack:
    """Turn each volume (C, Z, Y, X) of an image into frames (C, Y, X); flat images stay as they are."""
    if len(image.spatial_shape) == 2:
        return image
    frames = image.frames.swapaxes(1, 2).reshape(-1, image.n_channels, *image.spatial_shape[1:])
    axes = image.axes.replace("Z", "N" if "N" not in image.axes else "S")
    return replace(
        image,
        frames=frames,
        axes=axes,
        spacing=image.spacing[1:],
        sample_axes=f"{image.sample_axes}Z",
        sample_shape=(*image.sample_shape, image.spatial_shape[0]),
        slice_spacing=image.spacing[0],
    )


def as_volume(image: ImageStack) -> ImageStack:
    """Turn the frames of an image into the slices of one volume; volumes stay as they are.

    Raises
    ------
    WrongImage
        If it has one frame only, or frames along two axes.
    """
    if len(image.spatial_shape) == 3:
        return image
    samples = [axis for axis in image.axes if axis in SAMPLE_AXES]
    if len(samples) != 1:
        raise messages.not_a_volume(image.name, image.axes)
    frames = image.frames.swapaxes(0, 1).reshape(1, image.n_channels, *image.frames.shape[:1], *image.spatial_shape)
    axes = image.axes.replace(samples[0], "Z")
    return replace(
        image,
        frames=frames,
        axes=axes,
        spacing=(image.slice_spacing or image.spacing[-1], *image.spacing),
        sample_axes="",
        sample_shape=(),
        slice_spacing=None,
    )


def with_spacing(image: ImageStack, spacing: Sequence[float]) -> ImageStack:
    """State the size of a pixel along each spatial axis, ([Z,] Y, X), in µm.

    Raises
    ------
    WrongImage
        If there are not as many sizes as axes, or one is not positive.
    """
    if len(spacing) != len(image.spatial_shape) or not all(0 < size < float("inf") for size in spacing):
        axes = ", ".join("ZYX"[-len(image.spatial_shape) :])
        raise messages.wrong_spacing(image.name, ", ".join(f"{size:g}" for size in spacing), axes)
    return replace(image, spacing=tuple(spacing), is_calibrated=True)


def describe_volume(image: ImageStack, diameter: float) -> str:
    """Say what a volume with objects of a diameter, px of the plane, is taken for; empty for flat images."""
    if len(image.spatial_shape) == 2:
        return ""
    slices, distance = image.spatial_shape[0], image.aspect[0]
    sizes = " × ".join(str(size) for size in image.spatial_shape[1:])
    doubt = " If that is wrong, give the spacing of Z, Y, X." if distance == 1 else ""
    if diameter < FEWEST_SLICES * distance:
        doubt = f" An object is in {diameter / distance:.1f} of them: one by one they may be segmented better."
    return f"'{image.name}' is a volume of {slices} slices of {sizes} px, {distance:.3g} px apart.{doubt}"


def require_depth(image: ImageStack, diameter: float = 0.0) -> None:
    """Refuse volumes in which no object fits: what is cut above and below is segmented better slice by slice.

    Parameters
    ----------
    diameter : float
        Of a typical object, px of the plane; 0 where it is not known yet.

    Raises
    ------
    WrongImage
        If there are too few slices, with the number from which on there are enough.
    """
    if len(image.spatial_shape) == 2:
        return
    slices, needed = image.spatial_shape[0], max(FEWEST_SLICES, ceil(diameter / image.aspect[0]))
    if slices < needed:
        size = f" of objects {diameter:.0f} px wide" if diameter else ""
        raise messages.too_few_slices(image.name, slices, size, needed)
