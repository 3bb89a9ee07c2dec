"""How large the objects of images are, in px of the plane: as given, or estimated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.diameter import DiameterEstimate, estimate_diameter, estimate_set_diameter
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.scaling import resize_linear, working_shape
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.requests import Diameter

WINDOW = {2: 2048, 3: 192}
"""Larger frames are judged by a central window of this many px, by the number of spatial axes."""
FRAMES = 3
"""So many frames of a stack are looked at."""
SMALLEST = 1.0


def resolve_diameters(
    images: Sequence[ImageStack], wanted: Diameter, *, one_size: bool = True
) -> tuple[list[float], str]:
    """Find the diameter of each image's objects in source px, and say in a sentence what is used.

    An image in which nothing stands out takes the median of the others. Without `one_size`, a wanted diameter is that
    of the first image only.

    Raises
    ------
    WrongOption
        If the wanted diameter is no positive length.
    """
    if wanted != "auto" and not one_size and len(images) > 1:
        first, given = resolve_diameters(images[:1], wanted)
        others, estimated = resolve_diameters(images[1:], "auto")
        return first + others, f"{given} Other images: {estimated}"
    if wanted != "auto":
        if not SMALLEST <= wanted < float("inf"):
            raise messages.wrong_diameter(wanted)
        return [float(wanted)] * len(images), f"Object diameter {wanted:.1f} px, as given."
    estimates = [_estimate(image) for image in images]
    seen = [one.diameter for one in estimates if one.confidence > 0]
    typical = float(np.median(seen)) if seen else estimates[0].diameter
    diameters = [one.diameter if one.confidence > 0 else typical for one in estimates]
    return diameters, _sentence(diameters, estimates)


def resolve_unknown(
    images: Sequence[ImageStack], wanted: Diameter, known: Sequence[float | None], *, one_size: bool = True
) -> tuple[list[float], str]:
    """Find the diameters that are not known yet, as `resolve_diameters` does, and say in a sentence what is used."""
    if not any(known):
        return resolve_diameters(images, wanted, one_size=one_size)
    unknown = [image for image, size in zip(images, known, strict=True) if size is None]
    if known[0] is not None and not one_size:
        wanted = "auto"  # what is wanted is said of the first image
    found, how = resolve_diameters(unknown, wanted, one_size=one_size) if unknown else ([], "")
    rest = iter(found)
    sizes = [size for size in known if size is not None]
    low, high = f"{min(sizes):.1f}", f"{max(sizes):.1f}"
    is_told = f"{low if low == high else f'{low} to {high}'} px, known, in {len(sizes)} images."
    return [next(rest) if size is None else size for size in known], f"{how} Object diameter {is_told}".strip()


def resolve_diameter(image: ImageStack, wanted: Diameter) -> float:
    """Find the diameter of one image's objects; see `resolve_diameters`."""
    return resolve_diameters([image], wanted)[0][0]


def _estimate(image: ImageStack) -> DiameterEstimate:
    n = len(image.frames)
    chosen = sorted({round(i * (n - 1) / max(1, FRAMES - 1)) for i in range(FRAMES)})
    windows = [_window(image, i) for i in chosen]
    ndim = len(image.spatial_shape)
    if len(windows) == 1:
        return estimate_diameter(windows[0], spatial_ndim=ndim)
    return estimate_set_diameter(windows, spatial_ndim=ndim)


def _window(image: ImageStack, frame: int) -> Array:
    """Return the middle of a frame, (C, *S), volumes with px as far apart in depth as in the plane."""
    side = WINDOW[len(image.spatial_shape)]
    starts = [max(0, (size - side) // 2) for size in image.spatial_shape]
    middle: tuple[Any, ...] = (frame, slice(None), *(slice(start, start + side) for start in starts))
    window: Array = image.frames[middle]
    if image.aspect == (1.0,) * len(image.aspect):
        return window
    shape = working_shape(window.shape[1:], 1.0, image.aspect)
    return np.stack([resize_linear(channel, shape) for channel in window])


def _sentence(diameters: Sequence[float], estimates: Sequence[DiameterEstimate]) -> str:
    if len(estimates) == 1:
        return f"Object diameter {diameters[0]:.1f} px, estimated: {estimates[0].why}"
    unsure = sum(not one.is_reliable for one in estimates)
    doubt = f" In {unsure} of {len(estimates)} images the estimate is uncertain; give the diameter if you know it."
    low, high = min(diameters), max(diameters)
    return f"Object diameter {low:.1f} to {high:.1f} px, estimated for each image.{doubt if unsure else ''}"
