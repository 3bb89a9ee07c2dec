"""Parts of an image that keep the intensity statistics of the whole."""

from dataclasses import dataclass, replace
from typing import Any

from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.intensity import Intensity, even_sample


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
