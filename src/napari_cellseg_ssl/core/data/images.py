"""Images as (N, C, [Z,] Y, X), whatever order of axes they came in, and the way back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np

from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.on_demand import OnDemand, is_lazy

Array = np.ndarray[Any, np.dtype[Any]]

SAMPLE_AXES, CHANNEL_AXES, SPATIAL_AXES = "TSN", "C", "ZYX"
MAX_CHANNELS_GUESSED = 4
STRIP_PIXELS = 2**25


@dataclass(frozen=True, kw_only=True)
class ImageStack:
    """One image of the user's: frames of the same size and the same channels.

    Parameters
    ----------
    name : str
    frames : (N, C, *S) real
        N time points, samples or slices; S = (Y, X) or (Z, Y, X). Any numeric dtype; never copied or changed.
        Those of a lazy array are an `OnDemand`, of which an index reads what it selects.
    axes : str
        The source's axes, such as "TYXC" for an RGB time-lapse.
    spacing : tuple of float
        Size of a pixel along each axis of S, in µm where that is known, else relative to each other.
    is_calibrated : bool
        Whether `spacing` is in µm.
    sample_axes, sample_shape : str, tuple of int
        The axes of the source that N was made of, slowest first, with their lengths; Z where slices are frames.
    slice_spacing : float, optional
        Distance of slices that are frames, in the unit of `spacing`.
    """

    name: str
    frames: Array
    axes: str
    spacing: tuple[float, ...]
    is_calibrated: bool = False
    sample_axes: str = ""
    sample_shape: tuple[int, ...] = ()
    slice_spacing: float | None = None

    @classmethod
    def from_array(
        cls,
        array: Any,
        axes: str | None = None,
        *,
        name: str = "image",
        spacing: Sequence[float] | None = None,
        channels: Sequence[int] | None = None,
    ) -> "ImageStack":
        """Sort the axes of an array.

        Parameters
        ----------
        array : numpy-like or lazy (dask), real or bool
        axes : str, optional
            One letter per axis out of T, S, N (samples), C, Z, Y, X. Guessed by `guess_axes` when absent.
        spacing : sequence of float, optional, µm
            Size of a pixel along each spatial axis; None where it is not known.
        channels : sequence of int, optional
            Channels to keep, in this order.

        Raises
        ------
        WrongImage
            If axes and shape do not fit, a dimension is empty, or the values are not real numbers.
        """
        lazy = is_lazy(array)
        array = array if lazy else np.asanyarray(array)
        axes = (axes or guess_axes(array.shape)).upper()
        _check(array, axes, name)
        spatial = "".join(a for a in SPATIAL_AXES if a in axes)
        samples = "".join(a for a in axes if a in SAMPLE_AXES)
        order = samples + "".join(a for a in CHANNEL_AXES if a in axes) + spatial
        frames = array.transpose([axes.index(a) for a in order])
        shape = frames.shape
        n_channels = shape[len(samples)] if "C" in axes else 1
        frames = frames.reshape(-1, n_channels, *shape[len(shape) - len(spatial) :])
        if channels is not None:
            frames = frames[:, _valid_channels(channels, n_channels, name)]
        if lazy:
            frames = cast(Array, OnDemand(frames, name))
        sizes = tuple(spacing or (1.0,) * len(spatial))
        return cls(
            name=name,
            frames=frames,
            axes=axes,
            spacing=sizes,
            is_calibrated=bool(spacing),
            sample_axes=samples,
            sample_shape=tuple(shape[: len(samples)]),
        )

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.frames.shape[1])

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Size of a frame, ([Z,] Y, X)."""
        return tuple(self.frames.shape[2:])

    @property
    def aspect(self) -> tuple[float, ...]:
        """Size of a pixel along each spatial axis, in px of the plane; these are taken to be square."""
        depth = [size / self.spacing[-1] for size in self.spacing[:-2]]
        return (*depth, 1.0, 1.0)

    @property
    def output_samples(self) -> tuple[str, tuple[int, ...]]:
        """Sample axes of what comes out, T and Z, with their lengths; one T where the source had others."""
        if set(self.sample_axes) <= set("TZ") and prod(self.sample_shape) == len(self.frames):
            return self.sample_axes, self.sample_shape
        return ("T", (len(self.frames),)) if self.sample_axes or len(self.frames) > 1 else ("", ())

    def to_source(self, frames: Array) -> Array:
        """Undo the sorting of axes for labels (N, *S) or maps (N, c, *S).

        The sample axes come back as they were, none where there was none; maps keep their channel axis in front of the
        spatial ones. Y and X stay in ZYX order.
        """
        known = prod(self.sample_shape) == len(frames)
        return frames.reshape(*self.sample_shape, *frames.shape[1:]) if known else frames


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of a bare array: YX; YXC when the last axis has 2 to 4 entries; else TYX, TCYX.

    A third axis is taken as samples rather than as Z, since that never mixes what belongs apart; say `axes` to
    have a volume.
    """
    ndim = len(shape)
    if ndim == 2:
        return "YX"
    is_rgb = 2 <= shape[-1] <= MAX_CHANNELS_GUESSED < min(shape[-3:-1])
    if ndim == 3:
        return "YXC" if is_rgb else "TYX"
    if ndim == 4:
        return "TYXC" if is_rgb else "TCYX"
    raise messages.axes_unknown(tuple(shape), ndim)


def require_finite(image: ImageStack) -> None:
    """Refuse images without information.

    Raises
    ------
    WrongImage
        If any value is NaN or infinite, or all values are equal.
    """
    low, high = np.inf, -np.inf
    for part in _strips(image):
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            share = 100 * (1 - np.mean(np.isfinite(part)))
            raise messages.values_not_finite(image.name, float(share))
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low == high:
        raise messages.image_is_constant(image.name, low)


def _strips(image: ImageStack) -> Iterator[Array]:
    """Yield all pixels, in pieces that fit into memory where the frames do not."""
    frames, height = image.frames, image.spatial_shape[-2]
    rows = max(1, STRIP_PIXELS * height // int(np.prod(frames.shape[1:])))
    for n in range(len(frames)):
        for top in range(0, height, rows):
            yield frames[n, ..., top : top + rows, :]


def _check(array: Array, axes: str, name: str) -> None:
    known = set(SAMPLE_AXES + CHANNEL_AXES + SPATIAL_AXES)
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not set(axes) <= known or not {"Y", "X"} <= set(axes):
        raise messages.wrong_axes(name, array.shape, axes)
    if array.size == 0:
        raise messages.image_is_empty(name, array.shape)
    if array.dtype.kind not in "buif":
        raise messages.wrong_pixel_type(name, array.dtype)


def _valid_channels(channels: Sequence[int], n_channels: int, name: str) -> list[int]:
    wrong = [c for c in channels if not 0 <= c < n_channels]
    if wrong or not channels:
        raise messages.no_such_channel(name, n_channels, wrong[0] if wrong else "list", n_channels - 1)
    return list(channels)
