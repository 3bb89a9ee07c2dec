"""Named, read-only outputs of a network: all that is needed to make instances again and again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from napari_cellseg_ssl.core.data import messages
from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.scaling import resize_labels, resize_linear, working_shape

MapKind = Literal[
    "embedding",
    "embedding-uncertainty",
    "foreground",
    "probability",
    "confidence",
    "pseudo-labels",
    "distance",
    "ambiguity",
    "translated-mask",
    "synthetic-image",
    "synthetic-mask",
    "reconstruction",
    "intensity",
]


@dataclass(frozen=True)
class MapSpec:
    """Name, kind (which decides how a layer looks) and channels of one map."""

    name: str
    kind: MapKind
    channels: int
    title: str = ""
    in_pixels: bool = False
    """Whether the values are lengths in px, which change with the scale."""

    def channels_in(self, spatial_ndim: int) -> int:
        """Channels in images with so many spatial axes: an embedding has one for each of them."""
        return spatial_ndim if self.kind == "embedding" else self.channels


RECONSTRUCTION = MapSpec("reconstruction", "reconstruction", 1, "Reconstruction")
"""What some networks can show while they learn."""


@dataclass(frozen=True, kw_only=True)
class PredictionMaps:
    """Outputs of one network for one image, at the working scale or, of magnified images, on their own grid.

    Parameters
    ----------
    arrays : {name: (N, c, *Sw) float32}
        Read-only. Sw is the shape at the working scale.
    specs : {name: MapSpec}
    scale : float
        Px of the maps per source px; in volumes, whose maps are isotropic, per px of the plane.
    source_shape : tuple of int
        S, the shape of a frame of the image.
    diameter : float
        Object diameter used for this image, source px.
    bundle_id, image_name : str
        What made the maps, of what: the key of a cache.
    spacing : float
        Size of a pixel of the maps in px of the working scale, at which the network saw the image.
    aspect : tuple of float
        Size of a source pixel along each axis, in px of the plane; empty where it is the same along all.
    detections : tuple of Detections
        What a method that detects found in each frame, px of the maps; empty with other methods.
    """

    arrays: Mapping[str, Array]
    specs: Mapping[str, MapSpec]
    scale: float
    source_shape: tuple[int, ...]
    diameter: float
    bundle_id: str
    image_name: str
    spacing: float = 1.0
    aspect: tuple[float, ...] = ()
    detections: tuple[Detections, ...] = ()

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if name not in self.specs:
                raise messages.unannounced_map(name)
            array.flags.writeable = False

    @property
    def working_diameter(self) -> float:
        """Object diameter in px of the maps."""
        return self.diameter * self.scale

    @property
    def shape(self) -> tuple[int, ...]:
        """Sw, the shape of a frame of the maps."""
        for array in self.arrays.values():
            return array.shape[2:]
        return working_shape(self.source_shape, self.scale, self.aspect)

    def on_own_grid(self) -> "PredictionMaps":
        """Bring the maps of a magnified image back to its own grid, where there are fewer pixels to work on.

        That of a volume is made isotropic, its pixels as large as in the plane.
        """
        if self.scale <= 1:
            return self
        shape = working_shape(self.source_shape, 1.0, self.aspect)
        arrays = {name: self._resized(name, shape) for name in self.arrays}
        detections = self._detections_in(shape)
        return replace(self, arrays=arrays, detections=detections, scale=1.0, spacing=self.spacing * self.scale)

    def detections_to_source(self) -> tuple[Detections, ...]:
        """Bring what was found in each frame to the image's own grid."""
        return self._detections_in(self.source_shape)

    def of_frames(self, frames: Array) -> "PredictionMaps":
        """Return the maps of some of the frames, by their indices."""
        arrays = {name: array[frames] for name, array in self.arrays.items()}
        detections = tuple(self.detections[index] for index in frames) if self.detections else ()
        return replace(self, arrays=arrays, detections=detections)

    def within(self, window: tuple[slice, ...], source_shape: tuple[int, ...]) -> "PredictionMaps":
        """Cut out a window, px of the maps, which is that of a part of `source_shape` px of the image."""
        where: tuple[Any, ...] = (..., *window)
        arrays = {name: np.ascontiguousarray(array[where]) for name, array in self.arrays.items()}
        detections = tuple(found.within(*window) for found in self.detections)
        return replace(self, arrays=arrays, detections=detections, source_shape=source_shape)

    def labels_to_source(self, labels: Array) -> Array:
        """Bring labels (N, *Sw) to the image's own grid, (N, *S) int32."""
        return np.stack([resize_labels(frame, self.source_shape) for frame in labels]).astype(np.int32, copy=False)

    def to_source(self, name: str) -> Array:
        """Bring a map to the image's own grid, (N, c, *S) float32; lengths are then in source px of the plane."""
        return self._resized(name, self.source_shape)

    def _detections_in(self, shape: tuple[int, ...]) -> tuple[Detections, ...]:
        if not self.detections:
            return ()
        y, x = (new / old for new, old in zip(shape, self.shape, strict=True))
        return tuple(found.scaled(y, x) for found in self.detections)

    def _resized(self, name: str, shape: tuple[int, ...]) -> Array:
        resize = resize_labels if self.specs[name].kind == "pseudo-labels" else resize_linear
        maps = np.stack([np.stack([resize(c, shape) for c in frame]) for frame in self.arrays[name]])
        return maps / np.float32(self.scale) if self.specs[name].in_pixels else maps
