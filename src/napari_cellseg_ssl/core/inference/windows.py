"""Parts of an image that keep the statistics of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity, even_sample
from napari_cellseg_ssl.core.data.scaling import working_shape
from napari_cellseg_ssl.core.inference.predictor import NeedsField, Predictor
from napari_cellseg_ssl.core.inference.tiling import field_of

OVERVIEW = {2: 1024, 3: 128}
"""Sides of an overview by the number of spatial axes, working px."""
WINDOWS = 4
"""Of an overview, along each axis."""


@dataclass(frozen=True, kw_only=True)
class KnownIntensity(Intensity):
    """Intensity statistics (C, 2) measured elsewhere: those of the frame that a window was cut from."""

    measured: Array

    def limits(self, frame: Array) -> Array:
        """Return what was measured, whatever the frame."""
        return self.measured


def whole_frame(intensity: Intensity, image: ImageStack, frame: int) -> KnownIntensity:
    """Measure a frame once, for all windows of it."""
    sample: tuple[Any, ...] = (frame, slice(None), *even_sample(image.spatial_shape))
    return KnownIntensity(low=intensity.low, high=intensity.high, measured=intensity.limits(image.frames[sample]))


def cut_out(image: ImageStack, frame: int, region: tuple[slice, ...]) -> ImageStack:
    """View a window of one frame as an image of one frame."""
    return replace(image, frames=image.frames[(slice(frame, frame + 1), slice(None), *region)])


class KnownField:
    """A predictor that has seen the field, and so takes parts of it for what they are; see `Predictor`.

    Parameters
    ----------
    predictor : Predictor
        What `NeedsField.for_field` returned.
    working_diameter : float or None
        None where the parts are at its scale.
    """

    def __init__(self, predictor: Predictor, *, working_diameter: float | None) -> None:
        self._predictor = predictor
        self.halo, self.multiple_of = predictor.halo, predictor.multiple_of
        self.working_diameter = working_diameter

    def __call__(self, crops: Array, origins: Array) -> Mapping[str, Array]:
        """Predict crops of the field."""
        return self._predictor(crops, origins)


def informed(predictor: Predictor, image: ImageStack, frame: int, scale: float, intensity: Intensity) -> Predictor:
    """Show a predictor that needs it a frame's overview, so that all windows are predicted by the same statistics.

    Parameters
    ----------
    scale : float
        Working px per px of the plane.
    intensity : Intensity
        Of the whole frame, see `whole_frame`.
    """
    if not isinstance(predictor, NeedsField):
        return predictor
    seen = overview(image, frame, scale)
    shape = working_shape(seen.shape[1:], scale, image.aspect)
    known = predictor.for_field(field_of(seen, shape, predictor, intensity))
    return KnownField(known, working_diameter=predictor.working_diameter)


def overview(image: ImageStack, frame: int, scale: float) -> Array:
    """Lay evenly spread windows of a frame side by side, (C, *s); all of it along axes that are short."""
    side = OVERVIEW[len(image.spatial_shape)]
    axes = [
        _windows(size, round(side / (scale * each)))
        for size, each in zip(image.spatial_shape, image.aspect, strict=True)
    ]
    seen = np.empty((image.n_channels, *(windows[-1][1].stop for windows in axes)), image.frames.dtype)
    for chosen in product(*axes):
        there: tuple[Any, ...] = (frame, slice(None), *(window for window, _ in chosen))
        seen[(slice(None), *(place for _, place in chosen))] = image.frames[there]
    return seen


def _windows(size: int, wanted: int) -> list[tuple[slice, slice]]:
    """Choose `wanted` px of an axis, as pairs (of the axis, of what is chosen)."""
    if size <= wanted:
        return [(slice(0, size), slice(0, size))]
    length = max(1, wanted // WINDOWS)
    starts = [round((k + 0.5) * size / WINDOWS - length / 2) for k in range(WINDOWS)]
    return [(slice(a, a + length), slice(k * length, (k + 1) * length)) for k, a in enumerate(starts)]
