"""What a job needs of an image layer, taken in the GUI thread in no time and read in the job's own thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_cellseg_ssl.core.data.images import CHANNEL_AXES, SAMPLE_AXES, ImageStack
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.inputs import is_calibrated, spacing_um
from napari_cellseg_ssl.gui.layers.layout import Layout, layout_of, level_zero
from napari_cellseg_ssl.tasks import PreviewWindow

LONGEST_PREVIEW, LONGEST_PREVIEW_3D = 512, 96
"""Side of the largest window that is previewed, px; in volumes px of the plane."""


@dataclass(frozen=True)
class ImageSource:
    """The pixels of an image layer, perhaps lazy, and what their axes mean."""

    array: Any
    layout: Layout
    name: str
    spacing: tuple[float, ...]
    is_calibrated: bool
    channels: tuple[int, ...] | None = None

    @property
    def n_channels(self) -> int:
        """Channels of the layer, before any choice."""
        return self.layout.shape[self.layout.axes.index("C")] if CHANNEL_AXES in self.layout.axes else 1

    @property
    def aspect(self) -> tuple[float, ...]:
        """As `ImageStack.aspect`, to six digits: a transform that is only composed anew changes nothing."""
        return tuple(float(f"{size / self.spacing[-1]:.6g}") for size in self.spacing[:-2])

    def in_um(self, length: float) -> float | None:
        """Return a length in px of the plane in µm; None where the size of a pixel is not known."""
        return length * self.spacing[-1] if any(size != 1.0 for size in self.spacing) else None

    def read(self) -> ImageStack:
        """Load the pixels.

        Raises
        ------
        WrongImage, OutOfMemory
            If they cannot be used, or do not fit into memory.
        """
        try:
            array = np.asarray(self.array)
        except MemoryError as problem:
            raise messages.image_too_large(self.name, self.layout.shape) from problem
        spacing = self.spacing if self.is_calibrated else None
        return ImageStack.from_array(array, self.layout.axes, name=self.name, spacing=spacing, channels=self.channels)

    def describe(self) -> str:
        """Say in a line how the image is understood."""
        sizes = dict(zip(self.layout.axes, self.layout.shape, strict=True))
        parts = [f"{sizes['X']} × {sizes['Y']} px"]
        if "Z" in sizes:
            parts[0] = f"volume of {sizes['X']} × {sizes['Y']} × {sizes['Z']} px, slices {self.aspect[0]:.3g} px apart"
        frames = int(np.prod([sizes[a] for a in self.layout.axes if a in SAMPLE_AXES]))
        parts += [f"{frames} frames"] if frames > 1 else []
        parts += [f"{self.n_channels} channels"] if self.n_channels > 1 else ["1 channel"]
        return ", ".join(parts)


def image_source(layer: Image, channels: Sequence[int] | None = None, ndim: int = 3) -> ImageSource:
    """Take what a job needs of an image layer.

    Parameters
    ----------
    ndim : int
        See `layout_of`.

    Raises
    ------
    WrongImage
        If the axes of the layer cannot be understood.
    """
    layout = layout_of(layer, ndim=ndim)
    return ImageSource(
        array=level_zero(layer),
        layout=layout,
        name=layer.name,
        spacing=spacing_um(layer, layout),
        is_calibrated=is_calibrated(layer, layout),
        channels=None if channels is None else tuple(channels),
    )


def watched_window(
    viewer: ViewerModel | None, layer: Image | None, options: Any, ndim: int = 3
) -> PreviewWindow | None:
    """Say what the user looks at, for a training's next preview; None if that is not this image, or seen in 3D."""
    if viewer is None or layer is None or layer not in viewer.layers or viewer.dims.ndisplay != 2:
        return None
    return visible_window(layer, layout_of(layer, ndim=ndim), viewer.dims.point, options)


def visible_window(layer: Image, layout: Layout, point: Sequence[float], options: Any) -> PreviewWindow | None:
    """Find the part of an image that is on the screen, at most `LONGEST_PREVIEW` px wide; None if nothing is.

    Of a volume it is a cube around the middle of what is on the screen, in its slice.

    Parameters
    ----------
    point : world coordinates of the displayed slice, as `viewer.dims.point`
    """
    if getattr(layer, "multiscale", False):
        return None
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    position = np.rint(layer.world_to_data(tuple(point)[-layer.ndim :])).astype(int)
    samples = [(a, i) for i, a in enumerate(layout.axes) if a in SAMPLE_AXES]
    index = [int(np.clip(position[i], 0, sizes[a] - 1)) for a, i in samples]
    frame = int(np.ravel_multi_index(index, [sizes[a] for a, _ in samples])) if samples else 0
    longest, region = LONGEST_PREVIEW, []
    if "Z" in layout.axes:
        longest, spacing = LONGEST_PREVIEW_3D, spacing_um(layer, layout)
        middle, half = int(position[layout.axes.index("Z")]), ceil(longest / 2 * spacing[-1] / spacing[0])
        region.append(slice(max(0, middle - half), min(sizes["Z"], middle + half)))
    for letter in "YX":
        axis = layout.axes.index(letter)
        low, high = (int(corner[axis]) for corner in layer.corner_pixels)
        low, high = max(0, low), min(sizes[letter], high + 1)
        spare = max(0, high - low - longest) // 2
        region.append(slice(low + spare, high - spare))
    return PreviewWindow(0, frame, tuple(region), options) if all(s.stop - s.start > 1 for s in region) else None
