"""Bringing an image in sight: what lies over it waits, and comes back when its own turn comes."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_cellseg_ssl.gui.layers.layer_visibility import come_back, give_back, is_waiting, lend, wait
from napari_cellseg_ssl.gui.layers.outputs import position_of
from napari_cellseg_ssl.gui.layers.tags import KEY, OBJECT_SIZE, image_of, is_image, kind_of, layers_of

OPAQUE = ("opaque", "translucent", "translucent_no_depth")
"""Blending of an image through which nothing is seen at full opacity; channels are blended otherwise."""
FULL = 0.99
COVERED = 0.5
"""Share of an image from which another one hides it; neighbours in a mosaic overlap less."""


def bring_in_sight(viewer: ViewerModel, image: Image, *, alone: bool = False) -> None:
    """Show an image with its layers on top of it; what lies over them waits, and what waited for another comes back.

    The user's layers stay where they are in the list: only what covers the image is hidden.

    Parameters
    ----------
    alone : bool
        Let all other images wait.
    """
    gather(viewer, image)
    for other in [layer for layer in viewer.layers if layer is not image]:
        give_back(other)
    others = [other for other in viewer.layers if is_image(other) and other is not image]
    hidden = [other for other in others if alone or _covers(viewer, other, image)]
    for layer in list(viewer.layers):
        owner = layer if is_image(layer) else image_of(viewer, layer)
        if owner is None:
            continue
        is_of_another = owner in hidden or (owner is not image and kind_of(layer) == OBJECT_SIZE)
        (wait if is_of_another else come_back)(layer)
    lend(image)


def waiting_images(viewer: ViewerModel) -> list[Image]:
    """List the images that are hidden only while another one is looked at."""
    return [layer for layer in viewer.layers if is_image(layer) and is_waiting(layer)]


def gather(viewer: ViewerModel, image: Image) -> None:
    """Put layers of an image that lie below it, since it was moved in the list, on top of it again."""
    while below := [one for one in layers_of(viewer, image) if viewer.layers.index(one) < viewer.layers.index(image)]:
        lowest = min(below, key=viewer.layers.index)
        viewer.layers.move(viewer.layers.index(lowest), position_of(viewer, image, lowest.metadata[KEY]))


def _covers(viewer: ViewerModel, other: Image, image: Image) -> bool:
    """Whether an image lies over most of another one, which is not seen through it."""
    is_seen = other.visible or is_waiting(other)
    is_opaque = str(other.blending) in OPAQUE and other.opacity >= FULL
    if not (is_seen and is_opaque) or grid_of(viewer).enabled:
        return False
    return viewer.layers.index(other) > viewer.layers.index(image) and _share_covered(image, other) > COVERED


def _share_covered(image: Layer, other: Layer) -> float:
    """Share of the area of a layer, in the plane, that lies within the box of another one."""
    (low, high), (other_low, other_high) = (np.asarray(one.extent.world)[:, -2:] for one in (image, other))
    shared = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None)
    return float(shared.prod() / max((high - low).prod(), 1e-12))


def grid_of(viewer: ViewerModel) -> Any:
    """Return what arranges the layers side by side, where none covers another."""
    return getattr(viewer, "canvas", viewer).grid  # on the viewer itself before napari 0.9
