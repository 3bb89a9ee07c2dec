"""How each kind of layer looks. Pure arrays: pictures may be made in a worker, for they can be large."""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.annotations import BACKGROUND_ID
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps

HIDDEN_KINDS = ("intensity", "boxes")
"""Kinds of maps that are not shown as an image: a copy of the image, and numbers."""
BRIGHT_QUANTILE = 0.995
BACKGROUND_COLOUR = (0.62, 0.66, 0.72, 1.0)
N_CELL_COLOURS = 250
GOLDEN_RATIO = 0.61803398875
CLASS_COLOURS = {0: (0, 0, 0, 0), 1: (0.2, 0.85, 0.35, 1), 2: (1.0, 0.5, 0.1, 1), None: (0.6, 0.6, 0.6, 1)}


@dataclass(frozen=True)
class Style:
    """Look of one kind of layer.

    Parameters
    ----------
    limits : (low, high), optional
        Range that the colours span; None takes 0 to a high quantile of the values.
    """

    colormap: str = "gray"
    blending: str = "additive"
    opacity: float = 1.0
    visible: bool = False
    limits: tuple[float, float] | None = (0.0, 1.0)


STYLES: Mapping[str, Style] = {
    "embedding": Style(),
    "embedding-uncertainty": Style("magma", limits=None),
    "foreground": Style("green", opacity=0.6, limits=None),
    "probability": Style("green"),
    "confidence": Style("cyan", opacity=0.5),
    "distance": Style("viridis", limits=None),
    "ambiguity": Style("inferno"),
    "translated-mask": Style(blending="translucent", limits=(-1.0, 1.0)),
    "synthetic-mask": Style(visible=True, blending="translucent", limits=(-1.0, 1.0)),
    "synthetic-image": Style(visible=True, blending="translucent", limits=None),
    "reconstruction": Style(visible=True, blending="translucent", limits=None),
    "preview": Style(visible=True, blending="translucent"),
}


@dataclass(frozen=True)
class Picture:
    """One map, ready to be a layer.

    Parameters
    ----------
    pixels : (N, *S), or (N, *S, 3) uint8 where colour says more than brightness
    layer_type : "image" or "labels"
    settings : {str: Any}
        Arguments of the layer.
    contour : int
        Width of the outlines as which labels are drawn; 0 fills them.
    """

    pixels: Array
    layer_type: str = "image"
    settings: Mapping[str, Any] = field(default_factory=dict)
    contour: int = 0

    @property
    def is_rgb(self) -> bool:
        """Whether the last axis is colour."""
        return bool(self.settings.get("rgb", False))


def draw_maps(maps: PredictionMaps) -> dict[str, Picture]:
    """Draw every map that can be shown, on the image's own grid."""
    return {
        name: draw_map(spec, maps.to_source(name), diameter=maps.diameter)
        for name, spec in maps.specs.items()
        if spec.kind not in HIDDEN_KINDS and name in maps.arrays
    }


def draw_map(spec: MapSpec, values: Array, *, diameter: float) -> Picture:
    """Draw one map.

    Parameters
    ----------
    values : (N, c, *S) float32
    diameter : float, px
        Object diameter; offsets of half of it are shown at full brightness.
    """
    style = STYLES.get(spec.kind, Style(limits=None))
    look = {"blending": style.blending, "opacity": style.opacity, "visible": style.visible}
    if spec.kind == "pseudo-labels":
        classes = np.rint(values[:, 0]).astype(np.uint8)
        return Picture(classes, "labels", {"visible": False, "opacity": 0.5, "colormap": class_colours()})
    if spec.kind == "embedding":
        return Picture(_direction_wheel(values, diameter / 2), settings={**look, "rgb": True})
    if spec.kind == "distance":  # in many directions: their mean is the object's radius
        values = values.mean(axis=1, keepdims=True)
    if values.shape[1] > 1:
        return Picture(_class_colours(values), settings={**look, "rgb": True})
    limits = style.limits or _limits(values)
    return Picture(values[:, 0], settings={**look, "colormap": style.colormap, "contrast_limits": limits})


def outline(labels: Array) -> Array:
    """Mark the pixels of instances, (N, *S), that touch another instance or the background -> bool."""
    edge = np.zeros(labels.shape, dtype=bool)
    for axis in range(1, labels.ndim):
        ahead, behind = np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1]
        differs = ahead != behind
        np.moveaxis(edge, axis, 0)[1:] |= differs
        np.moveaxis(edge, axis, 0)[:-1] |= differs
    return edge & (labels > 0)


def painting_colours() -> Any:
    """Colours of an annotation: background pale grey, every cell a strong colour unlike that of the cell before."""
    from napari.utils.colormaps import CyclicLabelColormap

    hues = (np.arange(N_CELL_COLOURS) * GOLDEN_RATIO) % 1
    cells = [(*colorsys.hsv_to_rgb(hue, 0.85, 1.0), 1.0) for hue in hues]
    colours: list[tuple[float, ...]] = [(0.0, 0.0, 0.0, 0.0), *cells]
    colours[BACKGROUND_ID] = BACKGROUND_COLOUR
    return CyclicLabelColormap(colors=np.array(colours, dtype=np.float32))


def class_colours() -> Any:
    """Colours of pseudo-labels: nothing, interior, boundary; anything else grey."""
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict=CLASS_COLOURS)


def _direction_wheel(offsets: Array, longest: float) -> Array:
    """Hue = direction in the plane, brightness = length: offsets (N, D, *S) px -> (N, *S, 3) uint8.

    Offsets are learned from differences only, so all may share a constant: what counts is how they differ from the
    usual one.
    """
    space = tuple(range(2, offsets.ndim))
    offsets = offsets - np.median(offsets, axis=space, keepdims=True)
    down, right = offsets[:, -2], offsets[:, -1]
    length = np.sqrt((offsets**2).sum(axis=1))
    brightness = np.clip(length / max(longest, 1e-6), 0, 1)
    turns = np.arctan2(down, right) / (2 * np.pi)
    # A hue's red, green and blue are the same triangle wave, a third of a turn apart.
    waves = [np.clip(np.abs((turns + shift) % 1 * 6 - 3) - 1, 0, 1) for shift in (0, 2 / 3, 1 / 3)]
    colours: Array = (np.stack([wave * brightness for wave in waves], axis=-1) * 255).astype(np.uint8)
    return colours


def _class_colours(probabilities: Array) -> Array:
    """Interior green, boundary red, background black: (N, c, *S) -> (N, *S, 3) uint8."""
    interior, boundary = probabilities[:, 1], probabilities[:, 2 % probabilities.shape[1]]
    rest = probabilities[:, 3] if probabilities.shape[1] > 3 else np.zeros_like(interior)
    red = boundary if probabilities.shape[1] > 2 else np.zeros_like(interior)
    colours: Array = (np.clip(np.stack([red, interior, rest], axis=-1), 0, 1) * 255).astype(np.uint8)
    return colours


def _limits(values: Array) -> tuple[float, float]:
    """From 0, or the lowest value where that is less, to a high quantile; never an empty range."""
    sample = values.ravel()[:: max(1, values.size // 1_000_000)]
    low, high = min(0.0, float(sample.min())), float(np.quantile(sample, BRIGHT_QUANTILE))
    return (low, high) if high > low else (low, low + 1.0)
