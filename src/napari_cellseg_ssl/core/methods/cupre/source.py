"""The annotated source of CUPre's pre-training: whatever set of objects there is, as frames at the working scale.

The paper takes COCO. Here a source may be any file like COCO's, label images, or shapes drawn by chance, and several of
these together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.images import Array, ImageStack, require_finite
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.methods.cupre.annotated_sets import AnnotatedImage, AnnotatedSet, open_set
from napari_cellseg_ssl.core.methods.cupre.options import SHAPES
from napari_cellseg_ssl.core.methods.cupre.shapes import shapes
from napari_cellseg_ssl.core.training import frames as learning_frames
from napari_cellseg_ssl.core.training.frames import Frame, blocks

MOST_PIXELS = learning_frames.MOST_PIXELS // 2
"""Working pixels kept; the other half is for the unlabelled images."""
SMALLEST_FACTOR, LARGEST_FACTOR = 1 / 8, 4.0
"""By which an image may be rescaled: beyond, too little of it is left, or nothing but interpolation."""
LOOKED_AT = 50
"""Images whose objects say how large those of an image without any would be."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Annotated images to pre-train a detector on.

    Parameters
    ----------
    frames : tuple of Frame
        In random order, set by set.
    description : str
        What was taken and what was left out, in a sentence for each set.
    n_objects : int
        At the working scale; one that two blocks share counts in both.
    """

    frames: tuple[Frame, ...]
    description: str
    n_objects: int


def load_source(
    where: str,
    *,
    in_channels: int,
    working_diameter: float,
    intensity: Intensity,
    seed: int,
    most_pixels: int = MOST_PIXELS,
) -> Source:
    """Load the annotated images of a source, each rescaled so that its median object gets the working diameter.

    Parameters
    ----------
    where : str
        "shapes" for drawn ones; a JSON file like COCO's or the folder of one; a folder that holds the folders
        "images" and "labels" with files of the same names; or several of these, joined by `os.pathsep`.
    in_channels : int
        Grey images are repeated, and colours averaged if there is to be one channel.
    working_diameter : float, px
    most_pixels : int
        Working pixels, shared equally by the sets; images are visited in random order, and what is beyond is left out.

    Raises
    ------
    WrongOption
        If there is no such set.
    WrongImage, WrongAnnotation
        If it has no images or no objects, cannot be read, or has other channels.
    """
    sets = [
        shapes(working_diameter, seed) if part == SHAPES else open_set(Path(part).expanduser())
        for part in _parts(where)
    ]
    room = most_pixels // len(sets)
    loaded = [
        _Loader(one, in_channels, working_diameter, intensity, np.random.default_rng([seed, group])).load(room)
        for group, one in enumerate(sets)
    ]
    return Source(
        frames=tuple(frame for one in loaded for frame in one.frames),
        description=" ".join(one.description for one in loaded),
        n_objects=sum(one.n_objects for one in loaded),
    )


def _parts(where: str) -> list[str]:
    """Split at `os.pathsep`, unless all of it is one path that has the sign in its name."""
    parts = [where] if Path(where).exists() else [part.strip() for part in where.split(os.pathsep)]
    parts = [part for part in parts if part]
    if not parts:
        raise messages.no_source(SHAPES)
    return parts


class _Loader:
    """One set, and what was loaded of it so far."""

    def __init__(
        self,
        annotated: AnnotatedSet,
        in_channels: int,
        working_diameter: float,
        intensity: Intensity,
        rng: np.random.Generator,
    ) -> None:
        self.frames: list[Frame] = []
        self._set = annotated
        self._in_channels = in_channels
        self._working_diameter = working_diameter
        self._intensity = intensity
        self._order = [int(n) for n in rng.permutation(len(annotated.readers))]
        self._usual: float | None = None
        self._n_images = self._n_empty = self._n_read = 0

    @property
    def n_objects(self) -> int:
        """Objects at the working scale; one that two blocks share counts in both."""
        return sum(len(frame.cell_ids) for frame in self.frames)

    @property
    def description(self) -> str:
        """What was taken of the set, and what was not."""
        n_sets, left_out = len(self._order), list(self._set.left_out)
        if self._n_empty:
            left_out.append(f"{self._n_empty} images that are constant or not finite")
        if self._n_read < n_sets:
            left_out.append(f"{n_sets - self._n_read} of {n_sets} {self._set.unit} (in part or whole) to save memory")
        text = f"{self.n_objects} objects in {self._n_images} images of {self._set.name}"
        return f"{text}; left out: {', '.join(left_out)}." if left_out else f"{text}."

    def load(self, most_pixels: int) -> _Loader:
        """Visit the images until so many working pixels are loaded; the first block always is."""
        pixels = 0
        for frame in self._all_frames():
            if pixels and pixels >= most_pixels:
                break
            self.frames.append(frame)
            pixels += frame.known.size
        if not self.n_objects:
            raise messages.no_object_annotated(self._n_images, self._set.name)
        return self

    def _all_frames(self) -> Iterator[Frame]:
        for index in self._order:
            for image in self._set.readers[index]():
                item = self._item(image)
                if not _has_content(item.image):
                    self._n_empty += 1
                    continue
                for n, frame in enumerate(blocks(item, self._intensity, self._working_diameter)):
                    yield frame
                    self._n_images += n == 0  # only now is it certain that its first block was taken
            self._n_read += 1

    def _item(self, image: AnnotatedImage) -> TrainingItem:
        pixels = _with_channels(image, self._in_channels)
        return TrainingItem(
            image=ImageStack(name=image.name, frames=pixels[None], axes="NCYX", spacing=(1.0, 1.0)),
            annotation=Annotation(cells=image.cells[None], known=image.known[None]),
            diameter=self._diameter(image),
        )

    def _diameter(self, image: AnnotatedImage) -> float:
        """Return the diameter of an image's objects in source px, as far as the factor stays within its limits."""
        diameter = self._set.diameter or _median_diameter(image) or self._usual_diameter()
        smallest, largest = self._working_diameter / LARGEST_FACTOR, self._working_diameter / SMALLEST_FACTOR
        return float(np.clip(diameter, smallest, largest))

    def _usual_diameter(self) -> float:
        if self._usual is None:
            some = (image for index in self._order for image in self._set.readers[index]())
            found = [size for image in islice(some, LOOKED_AT) if (size := _median_diameter(image))]
            self._usual = float(np.median(found)) if found else self._working_diameter
        return self._usual


def _median_diameter(image: AnnotatedImage) -> float | None:
    sizes = diameters_of_cells(np.where(image.known, image.cells, 0))
    return float(np.median(sizes)) if len(sizes) else None


def _has_content(image: ImageStack) -> bool:
    try:
        require_finite(image)
    except WrongImage:
        return False
    return True


def _with_channels(image: AnnotatedImage, in_channels: int) -> Array:
    """Fit the channels (C, Y, X) of an image: grey is repeated, colours are averaged if they have to be."""
    pixels = np.asarray(image.pixels)
    if len(pixels) == in_channels:
        return pixels
    if len(pixels) == 1:
        return np.repeat(pixels, in_channels, axis=0)
    if in_channels == 1:
        mean: Array = pixels.mean(axis=0, keepdims=True, dtype=np.float32)
        return mean
    raise messages.source_has_other_channels(image.name, len(pixels), in_channels)
