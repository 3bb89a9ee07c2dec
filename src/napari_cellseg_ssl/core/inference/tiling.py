"""Predict frames of any size tile by tile; the seams do not show, because every tile has its halo."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from napari_cellseg_ssl.core import messages
from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_image, resize_linear, working_shape
from napari_cellseg_ssl.core.inference.detecting import Detecting
from napari_cellseg_ssl.core.inference.predictor import Detects, NeedsField, Predictor
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, PredictEvent, TileDone

TILE, SMALLEST_TILE = {2: 512, 3: 96}, {2: 64, 3: 24}
"""Sides by the number of spatial axes, px."""


@dataclass(frozen=True)
class Tile:
    """A piece of a padded frame: `read` with its halo, `keep` within what was read, `write` in the frame."""

    read: tuple[slice, ...]
    keep: tuple[slice, ...]
    write: tuple[slice, ...]

    @property
    def origin(self) -> tuple[int, ...]:
        """First pixel read, in the padded frame."""
        return tuple(s.start for s in self.read)


def plan_tiles(shape: Sequence[int], *, tile: int, halo: int, multiple_of: int) -> tuple[Tile, ...]:
    """Cut a frame of `shape` px into tiles; each pixel is written once.

    The frame is expected to be padded by `halo` in front and by at least `halo` behind, so that every read window
    is a multiple of `multiple_of` px; see `padding`.
    """
    side = max(multiple_of, tile - tile % multiple_of)
    axes = []
    for size in shape:
        parts = []
        for start in range(0, size, side):
            kept = min(side, size - start)
            read = _round_up(kept + 2 * halo, multiple_of)
            parts.append((slice(start, start + read), slice(halo, halo + kept), slice(start, start + kept)))
        axes.append(parts)
    return tuple(Tile(*(tuple(part[i] for part in parts) for i in range(3))) for parts in product(*axes))


def padding(shape: Sequence[int], *, halo: int, multiple_of: int) -> list[tuple[int, int]]:
    """Padding (before, after) per axis that lets `plan_tiles` read what it wants."""
    return [(halo, halo + multiple_of) for _ in shape]


def reflect_pad(frame: Array, pads: Sequence[tuple[int, int]]) -> Array:
    """Pad the spatial axes of (C, *S) by reflection, also where the padding is larger than the frame."""
    padded: Array = np.pad(frame, [(0, 0), *pads], mode="symmetric")
    return padded


def predict_tiled(
    image: ImageStack,
    predictor: Predictor,
    *,
    diameter: float,
    specs: Mapping[str, MapSpec],
    intensity: Intensity,
    bundle_id: str = "",
    should_stop: Callable[[], bool] = lambda: False,
    tile: int | None = None,
) -> Iterator[PredictEvent]:
    """Predict all maps of an image.

    Parameters
    ----------
    diameter : float
        Object diameter in source px; the frames are rescaled so that it becomes the predictor's, volumes to isotropic
        pixels.
    tile : int, optional
        Side of a tile in working px, halo not counted; halved when memory runs out.

    Yields
    ------
    TileDone per tile, then `MapsReady`. A stop ends the stream without maps.

    Raises
    ------
    OutOfMemory
        If not even the smallest tile fits.
    """
    scale = 1.0 if predictor.working_diameter is None else predictor.working_diameter / diameter
    shape = working_shape(image.spatial_shape, scale, image.aspect)
    tile = tile or TILE[len(shape)]
    arrays = _empty_maps(len(image.frames), shape, specs, image.name)
    detections: tuple[Detections, ...] = ()
    done = 0
    for index, source in enumerate(image.frames):
        field = field_of(source, shape, predictor, intensity)
        maps = {name: a[index] for name, a in arrays.items()}
        work: _Tiling | Detecting = (
            Detecting(field, predictor, diameter * scale, maps)
            if isinstance(predictor, Detects)
            else _Tiling(field, predictor, maps)
        )
        pieces: Sequence[Any] = work.plan(tile)
        pending = list(pieces)
        while pending:
            if should_stop():
                return
            try:
                work.do(pending[0])
            except (MemoryError, RuntimeError) as problem:
                tile = _smaller_tile(problem, tile, SMALLEST_TILE[len(shape)])
                yield Note(messages.smaller_tiles(tile))
                pieces = work.plan(tile)
                pending = list(pieces)
                continue
            pending.pop(0)
            done += 1
            yield TileDone(done, done + len(pending) + len(pieces) * (len(image.frames) - index - 1))
        detections += work.detections()
    yield MapsReady(
        PredictionMaps(
            arrays=arrays,
            specs=specs,
            scale=scale,
            source_shape=image.spatial_shape,
            diameter=diameter,
            bundle_id=bundle_id,
            image_name=image.name,
            aspect=image.aspect,
            detections=detections,
        )
    )


def field_of(source: Array, shape: Sequence[int], predictor: Predictor, intensity: Intensity) -> Array:
    """Bring a frame (C, *S) to the working scale, normalised by its own statistics -> (C, *shape) float32."""
    resize = resize_linear if predictor.working_diameter is None else resize_image  # as it was trained, if it was
    working = np.stack([resize(channel, shape) for channel in source])
    return intensity.normalise(working, intensity.limits(source))


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that memory ran out; torch's own is a RuntimeError."""
    return isinstance(problem, MemoryError) or "out of memory" in str(problem).lower() or "allocate" in str(problem)


def _smaller_tile(problem: Exception, tile: int, smallest: int) -> int:
    if not is_out_of_memory(problem):
        raise problem
    if tile // 2 < smallest:
        raise messages.tile_too_large(tile) from problem
    return tile // 2


def _empty_maps(n: int, shape: tuple[int, ...], specs: Mapping[str, MapSpec], name: str) -> dict[str, Array]:
    try:
        return {key: np.zeros((n, spec.channels_in(len(shape)), *shape), np.float32) for key, spec in specs.items()}
    except (MemoryError, ValueError) as problem:
        channels = sum(spec.channels_in(len(shape)) for spec in specs.values())
        gigabytes = n * channels * float(np.prod(shape)) * 4 / 2**30
        raise messages.maps_too_large(name, gigabytes) from problem


class _Tiling:
    """The tiles of one field (C, *S), and its maps {name: (c, *S)}, which are filled in place."""

    def __init__(self, field: Array, predictor: Predictor, maps: Mapping[str, Array]) -> None:
        self._predictor = predictor.for_field(field) if isinstance(predictor, NeedsField) else predictor
        self._shape, self._maps = field.shape[1:], maps
        self._frame = reflect_pad(field, padding(self._shape, halo=predictor.halo, multiple_of=predictor.multiple_of))

    def plan(self, tile: int) -> tuple[Tile, ...]:
        """Begin, or begin again with smaller tiles."""
        return plan_tiles(self._shape, tile=tile, halo=self._predictor.halo, multiple_of=self._predictor.multiple_of)

    def do(self, tile: Tile) -> None:
        """Predict one tile."""
        crop = self._frame[(slice(None), *tile.read)]
        for name, predicted in self._predictor(crop[None], np.array([tile.origin])).items():
            if name not in self._maps:
                raise messages.unannounced_network_map(name)
            self._maps[name][(slice(None), *tile.write)] = predicted[0][(slice(None), *tile.keep)]

    def detections(self) -> tuple[Detections, ...]:
        """Nothing is detected."""
        return ()


def _round_up(size: int, multiple_of: int) -> int:
    return -(-size // multiple_of) * multiple_of
