"""Which place of an image a user means: where they clicked last, as long as that is in sight, else the middle of it."""

from collections.abc import Iterator
from typing import Any
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_cellseg_ssl.core.data.images import SAMPLE_AXES, Array
from napari_cellseg_ssl.gui.layers.layout import layout_of


class Pointed(QObject):
    """Remember where was clicked on a canvas; a drag is no click."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._clicked: Array | None = None
        remember = ref(self)

        def on_press(_viewer: Any, event: Any) -> Iterator[None]:
            yield
            is_drag = False
            while event.type == "mouse_move":
                is_drag = True
                yield
            me = remember()
            if me is not None and isalive(me) and not is_drag:
                me._clicked = np.array(event.position)

        viewer.mouse_drag_callbacks.append(on_press)

    def forget(self, *_: object) -> None:
        """Take the middle of the view from now on; for when another image is looked at."""
        self._clicked = None

    def place(self, viewer: ViewerModel, image: Image) -> tuple[int, ...]:
        """Return (frame, Y, X) in px of an image of flat frames."""
        clicked = self._clicked
        if clicked is not None and len(clicked) == viewer.dims.ndim:
            at = image.world_to_data(tuple(clicked)[-image.ndim :])
            if _is_in_sight(image, at, viewer.dims.point):
                return _counted(image, at)
        return _counted(image, image.world_to_data(_middle(viewer)[-image.ndim :]))


def _middle(viewer: ViewerModel) -> tuple[float, ...]:
    """World coordinates of the middle of the canvas."""
    camera = getattr(viewer, "scene", viewer).camera  # on the viewer itself before napari 0.9
    middle = list(viewer.dims.point)
    for axis, at in zip(viewer.dims.displayed[-2:], camera.center[-2:], strict=True):
        middle[axis] = at
    return tuple(float(at) for at in middle)


def _is_in_sight(image: Image, at: Any, point: Any) -> bool:
    """Whether a place (data coordinates) is on the canvas, in the slice that is shown."""
    low, high = np.asarray(image.corner_pixels)
    scales = image.downsample_factors[image.data_level] if image.multiscale else np.ones(image.ndim)
    shown = image.world_to_data(tuple(point)[-image.ndim :])
    in_view = (at >= low * scales - 0.5) & (at <= (high + 1) * scales - 0.5)
    in_slice = np.abs(np.asarray(at) - shown) < 1
    return bool(in_view[-2:].all() and in_slice[:-2].all())


def _counted(image: Image, at: Any) -> tuple[int, ...]:
    """Frame, row and column of a place in data coordinates; a place outside becomes the nearest inside."""
    layout = layout_of(image, ndim=2)
    index = np.rint(np.asarray(at)).astype(int)[: len(layout.axes)]
    sizes = dict(zip(layout.axes, layout.shape, strict=True))
    found = {axis: int(np.clip(i, 0, sizes[axis] - 1)) for axis, i in zip(layout.axes, index, strict=False)}
    samples = [axis for axis in layout.axes if axis in SAMPLE_AXES]
    frame = np.ravel_multi_index([found[a] for a in samples], [sizes[a] for a in samples]) if samples else 0
    return int(frame), found["Y"], found["X"]
