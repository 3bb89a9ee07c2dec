"""What a person painted or corrected, as files: the pixels of labels, the outlines of regions, and where they belong.

Pixels are packed by zlib into a safetensors file, which is written atomically and never executed when it is read.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import WrongRun, reason
from napari_cellseg_ssl.core.model.weights_file import load_arrays, load_meta, save_arrays
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.tasks.session import messages

SUFFIX, ANNOTATION = ".safetensors", "annotation"
FRAME_NDIM = 2
PIXEL_KINDS = "biuf"
"""Of types of numbers: bool, integers, floats."""
QUICK = 1
"""Level of zlib: painted labels are mostly zeros, of which the quickest leaves as little as the best."""


@dataclass(frozen=True, kw_only=True)
class KeptLayer:
    """A layer that a person worked on.

    Parameters
    ----------
    key : str
        Tells the layers of a session apart; names the file.
    kind : "labels" or "shapes"
    image, image_name : str
        Fingerprint and name of the image that it belongs to; "" where it belongs to none.
    arrays : tuple of arrays
        The labels (*S) alone, or the vertices (n, d) of each shape.
    settings : {str: Json}
        How to make the layer again: name, place in the world, the plugin's own record, types of the shapes.
    """

    key: str
    kind: Literal["labels", "shapes"]
    image: str
    image_name: str
    arrays: tuple[Array, ...]
    settings: Mapping[str, Json]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what is painted: equal if and only if every pixel is."""
        digest = hashlib.sha256(self.kind.encode())
        for array in self.arrays:
            for part in _parts(array, digest):
                digest.update(part)
        return digest.hexdigest()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is painted."""
        return not any(array.any() for array in self.arrays)


def save_layer(folder: Path, layer: KeptLayer) -> None:
    """Write a layer, in place of what was kept of it before.

    The pixels may go on changing meanwhile: they are copied frame by frame, and what is hashed is what is written.

    Raises
    ------
    WrongAnnotation
        If the folder cannot be written.
    """
    digest = hashlib.sha256(layer.kind.encode())
    packed = {str(i): _packed(array, digest) for i, array in enumerate(layer.arrays)}
    meta: dict[str, Json] = {
        "kind": layer.kind,
        "image": layer.image,
        "image_name": layer.image_name,
        "settings": dict(layer.settings),
        "shapes": [list(array.shape) for array in layer.arrays],
        "dtypes": [array.dtype.str for array in layer.arrays],
        "hash": digest.hexdigest(),
    }
    try:
        save_arrays(folder / f"{layer.key}{SUFFIX}", packed, meta)
    except OSError as problem:
        raise messages.layers_not_saved(folder, reason(problem)) from problem


def load_layer(file: Path) -> KeptLayer:
    """Read a layer.

    Raises
    ------
    WrongRun
        If the file is missing or damaged, or its pixels are not those that were written.
    """
    packed, meta = load_arrays(file)
    try:
        places = zip(cast(list[list[int]], meta["shapes"]), cast(list[str], meta["dtypes"]), strict=True)
        layer = KeptLayer(
            key=file.name.removesuffix(SUFFIX),
            kind=_kind(meta["kind"]),
            image=str(meta["image"]),
            image_name=str(meta["image_name"]),
            arrays=tuple(_unpacked(packed[str(i)], shape, dtype) for i, (shape, dtype) in enumerate(places)),
            settings=_settings(meta["settings"]),
        )
        if layer.kind == "labels" and len(layer.arrays) != 1:
            raise ValueError(f"labels in {len(layer.arrays)} arrays")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, zlib.error) as problem:
        raise messages.layer_damaged(file, problem) from problem
    if layer.hash != meta.get("hash"):
        raise messages.pixels_changed(file)
    return layer


def load_layers(folder: Path) -> tuple[KeptLayer, ...]:
    """Read all layers of a folder that can be read, oldest first."""
    found = []
    for file in sorted(folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime):
        try:
            found.append(load_layer(file))
        except WrongRun:
            continue  # one damaged file must not keep the others from coming back
    return tuple(found)


def is_painting_of(file: Path, image: str) -> bool:
    """Whether a file holds an annotation of an image; its pixels are not read.

    Raises
    ------
    WrongRun
        If it cannot be read.
    """
    meta = load_meta(file)
    settings = meta.get("settings")
    return meta.get("image") == image and isinstance(settings, dict) and settings.get("kind") == ANNOTATION


def _parts(array: Array, digest: Any) -> Iterator[bytes]:
    """Yield copies of the frames of an array, after its type and shape went into a digest."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    frames = array.reshape(-1, *array.shape[-2:]) if array.ndim > FRAME_NDIM else array[None]
    for frame in frames:
        yield frame.tobytes()


def _packed(array: Array, digest: Any) -> Array:
    packer, packed = zlib.compressobj(QUICK), bytearray()
    for part in _parts(array, digest):
        digest.update(part)
        packed += packer.compress(part)
    packed += packer.flush()
    return np.frombuffer(packed, np.uint8)


def _unpacked(packed: Array, shape: list[int], dtype: str) -> Array:
    """Unpack an array; a file that lies about its shape gets no more memory than that shape takes."""
    kind = np.dtype(dtype)
    if kind.kind not in PIXEL_KINDS or min(shape, default=0) < 0:
        raise ValueError(f"no pixels have the type {dtype} and the shape {shape}")
    size = kind.itemsize * math.prod(shape)
    unpacker = zlib.decompressobj()
    unpacked = bytearray(unpacker.decompress(packed.tobytes(), size + 1))
    if len(unpacked) != size:
        raise ValueError(f"{size} bytes are needed, not {len(unpacked)} or more")
    return np.frombuffer(unpacked, kind).reshape(shape)


def _settings(found: Json) -> Mapping[str, Json]:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str) or not isinstance(found.get("kind"), str):
        raise ValueError("its settings name no layer")
    return found


def _kind(found: Json) -> Literal["labels", "shapes"]:
    if found not in ("labels", "shapes"):
        raise ValueError(f"the kind is {found!r}")
    return cast(Literal["labels", "shapes"], found)
