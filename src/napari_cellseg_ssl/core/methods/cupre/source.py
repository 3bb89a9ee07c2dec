"""The annotated set that pre-training takes its objects from.

Liao et al., "CUPre", 2023, section III-B: the paper's source is COCO. Here it is whatever has objects with masks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.coco_files import SUFFIXES, CocoImage, read_coco
from napari_cellseg_ssl.core.diameter import diameters_of_cells
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.images import Array, ImageStack
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import BLOCK, MOST_PIXELS, Frame
from napari_cellseg_ssl.core.methods.cupre.drawn_shapes import draw_shapes
from napari_cellseg_ssl.core.picture_files import read_pixels
from napari_cellseg_ssl.core.scaling import resize_labels, resize_linear, working_shape

SHAPES = "shapes"
FACTORS = (1 / 8, 4.0)
"""By which an image may be magnified at least and at most: everyday images show objects of very different sizes."""
HINT = "Choose a COCO file (JSON), its folder, a folder with 'images' and 'labels', or write 'shapes'."


@dataclass(frozen=True, kw_only=True)
class Source:
    """Images with objects, at the working scale.

    Parameters
    ----------
    frames : tuple of Frame
    sets : tuple of int
        Which of the sets each frame is of.
    description : str
        What it is, for users and for the record of a model.
    """

    frames: tuple[Frame, ...]
    sets: tuple[int, ...]
    description: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image (C, Y, X) as it is, its objects (Y, X), and where they may be believed (Y, X)."""

    pixels: Array
    cells: Array
    known: Array


def load_source(
    where: str,
    *,
    in_channels: int,
    working_diameter: float,
    intensity: Intensity,
    seed: int,
    most_pixels: int = MOST_PIXELS // 2,
) -> Source:
    """Load a source.

    Parameters
    ----------
    where : str
        "shapes" for drawn ones; the path of a COCO file; a folder with one; a folder with "images" and "labels", files
        of the same names in both; or several of these with `os.pathsep` between them.
    in_channels : int
        Channels that are wanted: grey images are repeated, colours averaged.
    working_diameter : float, px
        Each image is rescaled so that its objects become so wide, by their median.
    most_pixels : int
        Working pixels of each set together; images are visited in random order.

    Raises
    ------
    WrongImage, WrongAnnotation
        If there is no such file or folder, it cannot be read, or it shows no objects.
    """
    frames: list[Frame] = []
    sets: list[int] = []
    told = []
    rng = np.random.default_rng(seed)
    parts = [part for part in where.split(os.pathsep) if part]
    for number, part in enumerate(parts):
        found: list[Frame] = []
        if part == SHAPES:
            found = [_drawn(picture, in_channels) for picture in draw_shapes(working_diameter, rng)]
            text, n_images = "drawn shapes", len(found)
        else:
            pictures, text, n_images = _open(Path(part).expanduser(), rng)
            size = 0
            for picture in pictures:
                found += _frames(picture, in_channels, working_diameter, intensity)
                size = sum(frame.known.size for frame in found)
                if size >= most_pixels // len(parts):
                    break
        n_objects = sum(len(frame.cell_ids) for frame in found)
        if n_objects == 0:
            raise WrongAnnotation(f"The source '{part}' shows no object.", HINT)
        told.append(f"{n_objects} objects in {n_images} images: {text}")
        frames += found
        sets += [number] * len(found)
    return Source(frames=tuple(frames), sets=tuple(sets), description="; ".join(told) + ".")


def _open(place: Path, rng: np.random.Generator) -> tuple[Iterator[Picture], str, int]:
    """Find out what a path is; returns its pictures in random order, what to say of it, and how many there are."""
    if not place.exists():
        raise WrongImage(f"There is no source '{place}'.", HINT)
    if (place / "images").is_dir() and (place / "labels").is_dir():
        pairs = _pairs(place)
        return (one for n in rng.permutation(len(pairs)) for one in _labelled(*pairs[n])), place.name, len(pairs)
    file = place if place.is_file() else _only_json(place)
    if file.suffix.lower() != ".json":
        raise WrongImage(f"'{file}' is no annotated set.", HINT)
    beside = file.parent / "images"
    annotated = read_coco(file, beside if beside.is_dir() else file.parent)
    images = [image for image in annotated.images if image.objects]
    return (_of_coco(images[n]) for n in rng.permutation(len(images))), f"{file.name}, {annotated}", len(images)


def _only_json(folder: Path) -> Path:
    files = sorted(folder.glob("*.json"))
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(file.name for file in files)
        raise WrongImage(f"'{folder}' has {len(files)} JSON files: {names}.", "Choose one of them.")
    raise WrongImage(f"'{folder}' has neither a JSON file nor 'images' and 'labels'.", HINT)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    images, labels = (
        {file.stem: file for file in sorted((folder / name).iterdir()) if file.suffix.lower() in SUFFIXES}
        for name in ("images", "labels")
    )
    lonely = sorted(set(images) ^ set(labels))
    if lonely:
        raise WrongImage(
            f"{len(lonely)} files in '{folder}' have no partner, for example '{lonely[0]}'.",
            "Give image and labels the same name.",
        )
    return [(images[name], labels[name]) for name in images]


def _labelled(image: Path, labels: Path) -> Iterator[Picture]:
    stack = _stack(image)
    cells = read_pixels(labels)[0].astype(np.int32)
    if cells.size != stack.frames[:, 0].size:
        raise WrongAnnotation(
            f"The labels '{labels}' have the shape {cells.shape}, the image {stack.frames.shape}.",
            "One whole number per pixel is needed.",
        )
    for pixels, objects in zip(stack.frames, cells.reshape(-1, *stack.spatial_shape), strict=True):
        yield Picture(pixels=np.asarray(pixels), cells=objects, known=np.ones(objects.shape, bool))


def _of_coco(image: CocoImage) -> Picture:
    stack = _stack(image.path)
    if image.shape != stack.spatial_shape or image.frame >= len(stack.frames):
        raise WrongImage(
            f"'{image.path}' has {len(stack.frames)} frame(s) of {stack.spatial_shape} px, its annotation is of frame "
            f"{image.frame}, {image.shape} px.",
            "Are these the images that were annotated?",
        )
    return Picture(pixels=np.asarray(stack.frames[image.frame]), cells=image.labels(), known=~image.left_out_mask())


def _stack(path: Path) -> ImageStack:
    pixels, axes = read_pixels(path)
    stack = ImageStack.from_array(pixels, axes, name=path.stem)
    if len(stack.spatial_shape) != 2:
        raise WrongImage(f"'{path}' is a volume.", "A source needs flat images.")
    return stack


def _frames(picture: Picture, in_channels: int, diameter: float, intensity: Intensity) -> Iterator[Frame]:
    """Rescale a picture, cut into blocks that fit into memory."""
    wide = diameters_of_cells(picture.cells)
    scale = float(np.clip(diameter / np.median(wide), *FACTORS)) if len(wide) else 1.0
    pixels = _channels(picture.pixels, in_channels)
    limits = intensity.limits(pixels)
    height, width = picture.cells.shape
    for y in range(0, height, BLOCK):
        for x in range(0, width, BLOCK):
            window = (slice(y, y + BLOCK), slice(x, x + BLOCK))
            known = picture.known[window]
            shape = working_shape(known.shape, scale)
            resized = np.stack([resize_linear(channel[window], shape) for channel in pixels])
            yield Frame(
                pixels=intensity.normalise(resized, limits),
                cells=resize_labels(np.where(known, picture.cells[window], 0), shape),
                known=resize_labels(known, shape),
                is_dense=bool(known.all()),
            )


def _drawn(picture: tuple[Array, Array], in_channels: int) -> Frame:
    pixels, cells = picture
    return Frame(
        pixels=np.repeat(pixels[None], in_channels, axis=0),
        cells=cells,
        known=np.ones(cells.shape, bool),
        is_dense=True,
    )


def _channels(pixels: Sequence[Array] | Array, wanted: int) -> Array:
    """Repeat a grey image, or average colours."""
    pixels = np.asarray(pixels)
    if len(pixels) == wanted:
        return pixels
    grey = pixels.mean(0, keepdims=True)
    return np.repeat(grey, wanted, axis=0)
