"""How the axes of an image layer are laid out, and where labels and maps of it belong in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import CompositeAffine

from napari_cellseg_ssl.core.data.images import CHANNEL_AXES, MAX_CHANNELS_GUESSED, SAMPLE_AXES, SPATIAL_AXES, Array
from napari_cellseg_ssl.gui import messages

_LETTERS = {
    "t": "T", "time": "T", "f": "T", "frame": "T",
    "s": "S", "sample": "S", "n": "N", "p": "S", "position": "S",
    "c": "C", "ch": "C", "channel": "C", "channels": "C",
    "slice": "N", "slices": "N", "z": "Z", "y": "Y", "x": "X",
}  # fmt: skip


_NAMES = {"N": "slice"}
"""How axes are called in the labels of a layer where their letter would not say it."""
AXES_CHOICES = {
    3: ("TYX", "NYX", "ZYX", "CYX"),
    4: ("TCYX", "TNYX", "TZYX", "NCYX", "ZCYX", "CNYX", "CZYX", "CTYX"),
    5: ("TNCYX", "TZCYX", "TCNYX", "TCZYX", "CTNYX", "CTZYX"),
}
"""What the dimensions of a layer may mean, by their number; the colours of an RGB layer are not counted.

N are slices that are segmented one by one, Z is a dimension of the objects.
"""


@dataclass(frozen=True)
class Layout:
    """Axes and shape of an image layer's data, the colours of an RGB layer included as a last axis C.

    Parameters
    ----------
    axes : str
        One letter per axis of `shape`, as `ImageStack.axes`.
    shape : tuple of int
    is_rgb : bool
        Whether the last axis is colour, which napari does not count as a dimension.
    """

    axes: str
    shape: tuple[int, ...]
    is_rgb: bool

    @property
    def kept(self) -> tuple[int, ...]:
        """Dimensions of the image layer that a layer made from it has too.

        A leading channel axis is dropped: napari shows the layer at each channel all the same. A channel axis further
        in has to stay, with length 1, since napari aligns dimensions from the last one.
        """
        ndim = len(self.axes) - self.is_rgb
        return tuple(range(1 if self.axes[0] == "C" else 0, ndim))

    @property
    def derived_axes(self) -> str:
        """Axes of labels that belong to the image."""
        return "".join(self.axes[i] for i in self.kept)

    @property
    def derived_shape(self) -> tuple[int, ...]:
        """Shape of labels that belong to the image."""
        return tuple(1 if self.axes[i] == "C" else self.shape[i] for i in self.kept)

    def place(self, frames: Array) -> Array:
        """Bring labels or one map, (N, *S), to the order of the layer's axes, shape `derived_shape`."""
        samples = [a for a in self.axes if a in SAMPLE_AXES]
        spatial = [a for a in SPATIAL_AXES if a in self.axes]
        sizes = dict(zip(self.axes, self.shape, strict=True))
        array = frames.reshape([sizes[a] for a in samples] + list(frames.shape[1:]))
        order = samples + spatial
        array = array.transpose([order.index(a) for a in self.derived_axes if a != "C"])
        return array.reshape(self.derived_shape)

    def gather(self, array: Array) -> Array:
        """Bring labels of shape `derived_shape` to (N, *S): the inverse of `place`."""
        axes = self.derived_axes
        samples = [a for a in axes if a in SAMPLE_AXES]
        order = samples + [a for a in axes if a == "C"] + [a for a in SPATIAL_AXES if a in axes]
        array = array.transpose([axes.index(a) for a in order])
        n_spatial = sum(a in axes for a in SPATIAL_AXES)
        return array.reshape(-1, *array.shape[array.ndim - n_spatial :])


def layout_of(layer: Image, *, axes: str | None = None, ndim: int = 3) -> Layout:
    """Find out what the axes of an image layer mean: its axis labels where they say so, else a guess.

    Parameters
    ----------
    axes : str, optional
        What the user said, one letter per dimension of the layer (colour not counted).
    ndim : int
        Most dimensions that objects may have: with 2, every slice along Z is a frame of its own.

    Raises
    ------
    WrongImage
        If the layer has one dimension only, or more than can be guessed.
    """
    is_rgb = bool(getattr(layer, "rgb", False))
    shape = tuple(int(size) for size in level_zero(layer).shape)
    axes = (axes or stated_axes(layer)).upper()
    if ndim == 2:
        axes = sliced(axes)
    return Layout(axes + "C" * is_rgb, shape, is_rgb)


def sliced(axes: str) -> str:
    """Axes of a stack whose slices are frames."""
    return axes.replace("Z", "N" if "N" not in axes else "S")


def axes_choices(layer: Image, ndim: int = 3) -> tuple[str, ...]:
    """List what the dimensions of an image layer may mean, that of the layer first; empty where there is no choice."""
    choices = AXES_CHOICES.get(layer.ndim, ())
    if not choices:
        return ()
    possible = (stated_axes(layer), *(axes for axes in choices if not (layer.rgb and CHANNEL_AXES in axes)))
    return tuple(dict.fromkeys(sliced(axes) if ndim == 2 else axes for axes in possible))


def stated_axes(layer: Image) -> str:
    """Axes of an image layer, one letter per dimension: as its axis labels say, else guessed."""
    return (_axes_from_labels(layer) or _guessed(layer, tuple(level_zero(layer).shape)[: layer.ndim])).upper()


def state_axes(layer: Image, axes: str) -> None:
    """Say what the dimensions of an image layer mean; kept in its axis labels, where all of napari reads it."""
    layer.axis_labels = tuple(_NAMES.get(axis, axis.lower()) for axis in axes)


def level_zero(layer: Layer) -> Any:
    """Data of a layer at full resolution; not loaded, when it is lazy."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def transform_of(layer: Layer, layout: Layout) -> dict[str, Any]:
    """Keyword arguments that put a layer of shape `layout.derived_shape` exactly onto its image."""
    kept = list(layout.kept)
    own = CompositeAffine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim
    ).set_slice(kept)
    thickness, middle = np.ones(len(kept)), np.zeros(len(kept))
    for place, axis in enumerate(kept):
        if layout.axes[axis] == "C":  # one plane, as thick as all channels together
            thickness[place], middle[place] = layout.shape[axis], (layout.shape[axis] - 1) / 2
    return {
        "scale": own.scale * thickness,
        "translate": own.translate + own.linear_matrix @ middle,
        "rotate": own.rotate,
        "shear": own.shear,
        "affine": layer.affine.set_slice(kept).affine_matrix,
        "units": tuple(layer.units[i] for i in kept),
        "axis_labels": tuple(layer.axis_labels[i] for i in kept),
    }


def _axes_from_labels(layer: Layer) -> str | None:
    letters = [_LETTERS.get(label.lower()) for label in layer.axis_labels]
    if None in letters or len(set(letters)) < len(letters) or not {"Y", "X"} <= set(letters):
        return None
    return "".join(letter for letter in letters if letter)


def _guessed(layer: Layer, shape: tuple[int, ...]) -> str:
    """Guess as for files, except that napari has already said whether a layer is RGB; never a volume."""
    if len(shape) < 2 or len(shape) > 5:
        raise messages.axes_unknown(layer.name, len(shape))
    if len(shape) == 4 and (layer.rgb or shape[1] > MAX_CHANNELS_GUESSED):
        return "TNYX"
    axes = {2: "YX", 3: "TYX", 4: "TCYX", 5: "TNCYX"}[len(shape)]
    return axes.replace(CHANNEL_AXES, "S") if layer.rgb else axes
