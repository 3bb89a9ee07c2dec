"""What the backbone takes for the same: its features of tiles, compared.

A question that a person can judge an encoder by, before any cell is painted: are the parts alike that it calls alike?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.scaling import resize_linear, working_shape
from napari_cellseg_ssl.core.inference.similar_regions import Alike, cosines, half_steps, most_similar
from napari_cellseg_ssl.core.methods.cupre import messages

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.detector.detector import Detector

TILES = 2_000
"""Of a frame, at most; in larger ones they lie further apart."""
BATCH = 16
SHARED = 0.25
"""Of a tile, that may lie in another one that is shown."""


def find_alike(
    bundle: ModelBundle,
    image: ImageStack,
    place: Sequence[int],
    *,
    diameter: float,
    count: int,
    device: str,
    should_stop: Callable[[], bool] = lambda: False,
) -> Alike:
    """Find the tiles of a frame whose features are most like those of the tile at a place; see `FindsAlike`."""
    frame, middle = _inside(image, place)
    working = working_shape(image.spatial_shape, bundle.train_options.working_diameter / diameter, image.aspect)
    source = image.frames[frame]
    pixels = np.stack([resize_linear(channel, working) for channel in source])
    pixels = bundle.intensity.normalise(pixels, bundle.intensity.limits(source))
    zoom = np.array(working) / image.spatial_shape
    side = min(bundle.train_options.tile, *working)
    query = np.clip(np.round(middle * zoom - side / 2).astype(int), 0, np.array(working) - side)
    corners = np.concatenate([query[None], half_steps(pixels.shape[1:], side, TILES)])
    similarity = cosines(_features(bundle, pixels, corners, side, device, should_stop))
    chosen = most_similar(corners[: len(similarity)], side, similarity, count, SHARED)
    boxes = np.concatenate([corners[chosen] / zoom, (corners[chosen] + side) / zoom], axis=1)
    return Alike(boxes=boxes[:, [1, 0, 3, 2]].astype(np.float32), similarity=similarity[chosen].astype(np.float32))


def _inside(image: ImageStack, place: Sequence[int]) -> tuple[int, Array]:
    """Frame and (Y, X) of a place that lies in an image."""
    frame, *middle = place
    shape = (len(image.frames), *image.spatial_shape)
    if len(place) != len(shape) or not all(0 <= at < size for at, size in zip(place, shape, strict=True)):
        raise messages.no_such_place(tuple(place), image.name, shape[0], shape[1:])
    return frame, np.array(middle)


def _features(
    bundle: ModelBundle, pixels: Array, corners: Array, side: int, device: str, should_stop: Callable[[], bool]
) -> Array:
    """Look at tiles one by one, as in the contrastive step, so that none sees what lies around it -> (N, D)."""
    import torch

    from napari_cellseg_ssl.core.methods.cupre.network import build
    from napari_cellseg_ssl.core.training.weights import load_weights

    detector: Detector = build(bundle.architecture)
    load_weights(detector, bundle.weights)
    detector = detector.to(device).eval()
    found: list[Array] = []
    with torch.inference_mode():
        for start in range(0, len(corners), BATCH):
            if found and should_stop():
                break
            tiles = np.stack([pixels[:, y : y + side, x : x + side] for y, x in corners[start : start + BATCH]])
            seen = detector.expected(torch.from_numpy(tiles).to(device))
            found.append(detector.backbone.body(seen)[-1].float().mean(dim=(2, 3)).cpu().numpy())
    return np.concatenate(found)
