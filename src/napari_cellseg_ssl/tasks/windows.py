"""Parts of an image that keep the intensity statistics of the whole."""

from dataclasses import dataclass, replace

from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.intensity import Intensity


@dataclass(frozen=True, kw_only=True)
class KnownIntensity(Intensity):
    """Intensity statistics (C, 2) measured elsewhere: those of the frame that a window was cut from."""

    measured: Array

    def limits(self, frame: Array) -> Array:
        """Return what was measured, whatever the frame."""
        return self.measured


def whole_frame(intensity: Intensity, frame: Array) -> KnownIntensity:
    """Measure a frame (C, *S) once, for all windows of it."""
    return KnownIntensity(low=intensity.low, high=intensity.high, measured=intensity.limits(frame))


def cut_out(image: ImageStack, frame: int, region: tuple[slice, ...]) -> ImageStack:
    """View a window of one frame as an image of one frame."""
    return replace(image, frames=image.frames[(slice(frame, frame + 1), slice(None), *region)])
