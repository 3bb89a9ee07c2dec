"""Errors of a comparison as a layer, and the way of the camera from one to the next."""

from collections.abc import Mapping, Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.gui.layers.layer_visibility import wake
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.layers.placement import pixel_sizes
from napari_cellseg_ssl.gui.layers.tags import find_layer, image_of
from napari_cellseg_ssl.gui.views.scoring import BOTH, EXTRA, MISSED, ScoredObject

ERRORS = "errors"
COLOURS: Mapping[int | None, tuple[float, ...]] = {
    MISSED: (0.2, 0.55, 1.0, 1.0),
    EXTRA: (1.0, 0.45, 0.0, 1.0),
    BOTH: (1.0, 0.1, 0.8, 1.0),
    None: (0.0, 0.0, 0.0, 0.0),
}
LEGEND = "Blue: missed. Orange: extra. Pink: both, a cell that is drawn otherwise."
NEAR = 48.0
"""The camera goes so near that an object is about this wide on the screen, in px; it never goes away."""


def image_below(layers: Sequence[Labels], viewer: ViewerModel, chosen: Image | None) -> Image | None:
    """Return the image that labels belong to: as their records say, else the chosen one if they fit it."""
    own = [image for layer in layers if (image := image_of(viewer, layer)) is not None]
    if own or chosen is None:
        return (own or [None])[0]
    fits = all(tuple(layer.data.shape) == layout_of(chosen).derived_shape for layer in layers)
    return chosen if fits else None


def show_errors(viewer: ViewerModel, image: Image, errors: Array, names: Sequence[str]) -> Labels:
    """Show missed cells and extra instances, (N, *S), over their image; `names` are those of truth and prediction."""
    before = find_layer(viewer, image, ERRORS)
    settings = {"truth": names[0], "prediction": names[1]}
    layer = show_labels(viewer, image, errors, ERRORS, method="", settings=settings)
    if layer is not before:
        from napari.utils.colormaps import DirectLabelColormap

        layer.colormap = DirectLabelColormap(color_dict=dict(COLOURS))
        layer.opacity = 0.6
    wake(layer)
    return layer


def go_to(viewer: ViewerModel, layer: Labels, one: ScoredObject) -> None:
    """Bring an object of a layer to the middle of the view, in its frame, large enough to be seen."""
    samples = layer.data.shape[: layer.ndim - len(one.centre)]
    place = np.array(layer.data_to_world((*(np.unravel_index(one.frame, samples) if samples else ()), *one.centre)))
    if layer.ndim > 2:
        viewer.dims.set_point(range(viewer.dims.ndim - layer.ndim, viewer.dims.ndim - 2), place[:-2])
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera  # moved in napari 0.9
    camera.center = place[-viewer.dims.ndisplay :]
    width = float(max(one.area, 1) ** (1 / len(one.centre)) * pixel_sizes(layer)[-1])
    camera.zoom = max(camera.zoom, NEAR / width)
