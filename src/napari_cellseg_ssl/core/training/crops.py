"""Crops to train on, drawn from several images of unequal sizes and scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import resize_image, working_shape
from napari_cellseg_ssl.core.data.training_set import TrainingSet

TRIES = 10
STRUCTURE_SCALE = 3.0
BRIGHT, BRIGHT_SHARE = 0.15, 0.02
MOST_VOXELS = 64_000_000
"""Of a volume, all channels together, at the working scale; from larger ones each crop is rescaled by itself."""


@dataclass(frozen=True, kw_only=True)
class CropFrame:
    """One frame (C, *S) in source px, the percentile limits (C, 2) it is normalised by, and its scale.

    `scale` is working px per source px, in volumes per px of the plane; `aspect` is the size of a source px along each
    axis in px of the plane, empty where it is the same along all.
    """

    pixels: Array
    limits: Array
    scale: float
    aspect: tuple[float, ...] = ()

    @property
    def working_size(self) -> float:
        """Pixels at the working scale."""
        return float(self.pixels[0].size * self.scale ** (self.pixels.ndim - 1) * prod(self.aspect))


def crop_frame(pixels: Array, limits: Array, scale: float, aspect: tuple[float, ...] = ()) -> CropFrame:
    """Make a `CropFrame`; volumes that fit into memory at the working scale are brought there once and for all."""
    frame = CropFrame(pixels=pixels, limits=limits, scale=scale, aspect=aspect)
    if pixels.ndim == 3 or frame.working_size * len(pixels) > MOST_VOXELS:
        return frame
    shape = working_shape(pixels.shape[1:], scale, aspect)
    return CropFrame(pixels=np.stack([resize_image(channel, shape) for channel in pixels]), limits=limits, scale=1.0)


def crop_frames(data: TrainingSet, intensity: Intensity, diameter: float) -> list[CropFrame]:
    """List the frames of a set, at the scale at which objects are `diameter` px wide."""
    return [
        crop_frame(frame, intensity.limits(frame), diameter / item.diameter, item.image.aspect)
        for item in data.items
        for frame in item.image.frames
    ]


class CropSampler:
    """Draw square (or cubic) crops at the working scale.

    Only the window that is needed is normalised and rescaled, so that memory does not grow with the images. Frames
    are drawn in proportion to their area at the working scale: every piece of sample is as likely as any other.

    Parameters
    ----------
    frames : sequence of CropFrame
    side : int, working px
    intensity : Intensity
    jitter : float
        Crops are magnified by a factor drawn between 1 - jitter and 1 + jitter.
    candidates : int
        For each crop so many are drawn, and the one with most structure stays: noise between sparse objects has
        structure of its own, and a network shown little else learns that.
    """

    def __init__(
        self,
        frames: Sequence[CropFrame],
        *,
        side: int,
        intensity: Intensity,
        jitter: float = 0.0,
        candidates: int = 1,
    ) -> None:
        self._candidates = candidates
        self._frames, self._side, self._intensity, self._jitter = tuple(frames), side, intensity, jitter
        sizes = np.array([frame.working_size for frame in frames])
        self._weights = sizes / sizes.sum()

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw `count` crops -> (count, C, *side) float32, normalised, in one of the 8 orientations each.

        A nearly empty crop is drawn again, a few times: background alone teaches nothing.
        """
        return np.stack([self._draw_best(rng) for _ in range(count)])

    def _draw_best(self, rng: np.random.Generator) -> Array:
        drawn = [self._draw_filled(rng) for _ in range(self._candidates)]
        return max(drawn, key=structure) if len(drawn) > 1 else drawn[0]

    def _draw_filled(self, rng: np.random.Generator) -> Array:
        for _ in range(TRIES):
            crop = self._draw_one(rng)
            if np.mean(crop > BRIGHT) >= BRIGHT_SHARE:
                break
        return random_orientation(crop, rng)

    def _draw_one(self, rng: np.random.Generator) -> Array:
        frame = self._frames[rng.choice(len(self._frames), p=self._weights)]
        magnification = frame.scale * rng.uniform(1 - self._jitter, 1 + self._jitter)
        shape = frame.pixels.shape[1:]
        window = [max(2, round(self._side / magnification / each)) for each in frame.aspect or (1.0,) * len(shape)]
        corner = [int(rng.integers(max(1, size - side + 1))) for size, side in zip(shape, window, strict=True)]
        parts = (slice(at, at + side) for at, side in zip(corner, window, strict=True))
        pixels = frame.pixels[(slice(None), *parts)]
        missing = [(0, side - size) for size, side in zip(pixels.shape[1:], window, strict=True)]
        if any(after for _, after in missing):
            pixels = np.pad(pixels, [(0, 0), *missing], mode="symmetric")
        crop = self._intensity.normalise(pixels, frame.limits)
        return np.stack([resize_image(channel, (self._side,) * len(shape)) for channel in crop])


def structure(crop: Array) -> float:
    """How much a crop (C, *S) varies once fine noise is smoothed away."""
    from scipy.ndimage import gaussian_filter

    return float(gaussian_filter(crop, (0, *(STRUCTURE_SCALE,) * (crop.ndim - 1))).std())


def random_orientation(crop: Array, rng: np.random.Generator) -> Array:
    """Mirror each spatial axis of a crop (C, *S) by chance, then exchange Y and X by chance."""
    for axis in range(1, crop.ndim):
        if rng.random() < 0.5:
            crop = np.flip(crop, axis)
    return crop.swapaxes(-1, -2) if rng.random() < 0.5 else crop


def random_brightness(crops: Array, rng: np.random.Generator, *, gain: float = 0.2, bias: float = 0.05) -> Array:
    """Scale and shift the intensity of each crop (B, C, *S) by up to `gain` and `bias`."""
    shape = (len(crops), *(1,) * (crops.ndim - 1))
    gains, biases = rng.uniform(1 - gain, 1 + gain, shape), rng.uniform(-bias, bias, shape)
    return (crops * gains + biases).astype(np.float32)
