"""Where layers lie in the world: the plugin's own keep to their image, and whoever reads a transform hears of changes.

A scale, units, a rotation: all of it may be given to an image after it was opened, and after layers were made for it.
"""

from collections.abc import Mapping
from typing import Any
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.transforms import CompositeAffine
from qtpy.QtCore import QObject, Signal

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.tags import KEY, is_image, layers_of

PARTS = ("scale", "translate", "rotate", "shear", "affine")
NAMES = ("units", "axis_labels")
TAU = "τ"
"""Label of a leading axis that the image has not: the steps from image to mask."""
SIZE, CORNER = "pixel_size", "corner"
"""In the record of a layer: what its pixels measure, and where its first one lies, in px of its image along the last
axes."""
RELATIVE, ABSOLUTE = 1e-6, 1e-12
"""Smaller differences of a transform are none; scales may be in metres."""


class Placement(QObject):
    """Lets layers that were made for an image follow it; `moved` carries every layer of which the transform changed."""

    moved = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = ref(viewer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)

    def _watch(self, layer: Layer) -> None:
        for name in (*PARTS, *NAMES):
            getattr(layer.events, name).connect(self._on_change)

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Any) -> None:
        for name in (*PARTS, *NAMES):
            getattr(event.value.events, name).disconnect(self._on_change)

    def _on_change(self, event: Any) -> None:
        viewer, layer = self._viewer(), event.source
        if viewer is None:
            return
        if is_image(layer):
            for follower in layers_of(viewer, layer):
                put_on(follower, layer)
        self.moved.emit(layer)


def settle(layer: Layer, image: Layer) -> None:
    """Remember how a layer lies on its image; one that comes back from an earlier session is put there again."""
    if _recorded(layer, _n_common(layer, image)) is not None:
        put_on(layer, image)
    else:
        remember_place(layer, image)


def remember_place(layer: Layer, image: Layer) -> None:
    """Record, in px of an image, what the pixels of a layer measure and where they begin."""
    n = _n_common(layer, image)
    own = _own(image, n)
    offset = np.asarray(layer.translate)[-n:] - own.translate
    layer.metadata[KEY][SIZE] = (np.asarray(layer.scale)[-n:] / own.scale).tolist()
    layer.metadata[KEY][CORNER] = np.linalg.solve(own.linear_matrix, offset).tolist()


def put_on(layer: Layer, image: Layer) -> None:
    """Put a layer where it lies on its image as that is now; pixel on pixel, where no record says otherwise."""
    n = _n_common(layer, image)
    sizes, corner = _recorded(layer, n) or (np.ones(n), np.zeros(n))
    own, leading = _own(image, n), layer.ndim - n
    own = CompositeAffine(
        scale=own.scale * sizes,
        translate=own.translate + own.linear_matrix @ corner,
        rotate=own.rotate,
        shear=own.shear,
        ndim=n,
    ).expand_dims(range(leading))
    affine = image.affine.set_slice(_last(image, n)).expand_dims(range(leading))
    names = {name: (*getattr(layer, name)[:leading], *getattr(image, name)[-n:]) for name in NAMES}
    parts = {name: getattr(own, name) for name in PARTS if name != "affine"}
    align(layer, {**parts, "affine": affine.affine_matrix, **names})


def align(layer: Layer, transform: Mapping[str, Any]) -> None:
    """Give a layer a transform; assigning nothing new would redraw it all the same."""
    for name, value in transform.items():
        current = getattr(layer, name)
        is_same = current == value if name in NAMES else np.allclose(np.array(current), value, RELATIVE, ABSOLUTE)
        if not is_same:
            setattr(layer, name, value)


def pixel_sizes(layer: Layer) -> Array:
    """Length of a step of one pixel along each axis of a layer, in units of the world; its own affine counts too."""
    origin = np.array(layer.data_to_world(np.zeros(layer.ndim)))
    steps = [np.array(layer.data_to_world(step)) - origin for step in np.eye(layer.ndim)]
    lengths: Array = np.linalg.norm(steps, axis=1)
    return lengths


def _recorded(layer: Layer, n: int) -> tuple[Array, Array] | None:
    """Return what the record of a layer says of its place; None where that is nothing, or not of its n axes."""
    tag = layer.metadata.get(KEY, {})
    try:
        sizes, corner = (np.array(tag[name], dtype=float) for name in (SIZE, CORNER))
    except (KeyError, TypeError, ValueError):
        return None
    is_good = sizes.shape == corner.shape == (n,) and np.isfinite([sizes, corner]).all() and sizes.all()
    return (sizes, corner) if is_good else None


def _n_common(layer: Layer, image: Layer) -> int:
    """Number of axes, counted from the last one, that a layer shares with its image."""
    return min(layer.ndim - (layer.axis_labels[0] == TAU), image.ndim)


def _last(image: Layer, n: int) -> list[int]:
    return list(range(image.ndim - n, image.ndim))


def _own(image: Layer, n: int) -> Any:
    """Transform of an image's last axes, without its affine."""
    parts = {name: getattr(image, name) for name in PARTS if name != "affine"}
    return CompositeAffine(**parts, ndim=image.ndim).set_slice(_last(image, n))
