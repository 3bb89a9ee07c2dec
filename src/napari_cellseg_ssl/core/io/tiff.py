"""Labels, maps and images as TIFF, with axes and pixel spacing that ImageJ, napari and tifffile all read."""

import errno
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.complete_files import complete_file, writing
from napari_cellseg_ssl.core.io.decoding import decoding
from napari_cellseg_ssl.core.io.own_files import SOFTWARE
from napari_cellseg_ssl.core.io.units import PixelSize, micrometres_in, pixel_size

_MEMMAP_FROM = 256 * 2**20
"""Bytes from which an uncompressed file is mapped instead of read."""
_CLASSIC_LIMIT = 2**32 - 2**25


@dataclass(frozen=True)
class TiffImage:
    """A TIFF's pixels, its axes where the file states them, and the size of a pixel along Z, Y, X where it does.

    `notes` are sentences on what of the file is not used.
    """

    array: Array
    axes: str | None
    size: PixelSize
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> Mapping[str, float]:
        """µm per pixel for the axes for which they are known."""
        return self.size.sizes if self.size.in_um else {}


def read_tiff(file: Path, *, as_stored: bool = False) -> TiffImage:
    """Read the first image (series) of a TIFF; large uncompressed ones are mapped, not loaded.

    Parameters
    ----------
    as_stored : bool
        Leave values as they are, as for labels; else pixels are what viewers show: palettes are colours, what is stored
        as white is dark is turned round, and transparency is no channel.

    Raises
    ------
    WrongImage
        If the file cannot be read as TIFF.
    """
    import tifffile

    with decoding(file, "Is it a complete TIFF file?"), tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        axes, size = series.axes, _stated_size(tiff)
        notes = (messages.more_images(file.name, len(tiff.series), series.shape),) if len(tiff.series) > 1 else ()
        if series.nbytes >= _MEMMAP_FROM and series.dataoffset is not None:
            array = tifffile.memmap(file, mode="r", series=0)
        else:
            array = series.asarray()
        if not as_stored:
            array, axes = _as_shown(array, axes, series.keyframe)
    array, ours = _our_axes(array, axes)
    return TiffImage(array, ours if ours and len(ours) == array.ndim else None, size, notes)


def _as_shown(array: Array, axes: str, page: Any) -> tuple[Array, str]:
    """Turn stored values into what a viewer shows, by what the first page says of them."""
    import tifffile

    transparent = [n for n, kind in enumerate(page.extrasamples) if kind in (1, 2)]
    if transparent and "S" in axes and array.shape[axes.index("S")] == page.samplesperpixel:
        first = page.samplesperpixel - len(page.extrasamples)
        kept = [n for n in range(page.samplesperpixel) if n - first not in transparent]
        array = np.take(array, kept, axis=axes.index("S"))
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None and array.dtype.kind == "u":
        colours = page.colormap
        if not (colours % 257).any() or not (colours % 256).any():  # of eight bits, in one of two ways of writing them
            colours = (colours >> 8).astype(np.uint8)
        return np.moveaxis(colours[:, array], 0, -1), f"{axes}S"
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind in "bu":
        white = True if array.dtype.kind == "b" else array.dtype.type(2**page.bitspersample - 1)
        array = white ^ array
    return array, axes


def label_dtype(labels: Array) -> type[np.unsignedinteger[Any]]:
    """Smallest type for label files: uint16, or uint32 when an id needs it."""
    return np.uint16 if labels.size == 0 or labels.max() <= np.iinfo(np.uint16).max else np.uint32


def write_tiff(
    file: Path, array: Array, axes: str, *, spacing: Sequence[float] = (), info: Mapping[str, str] | None = None
) -> None:
    """Write an image with its axes.

    Parameters
    ----------
    array : uint8, uint16, uint32 or float32
        ImageJ's own flavour where ImageJ knows the type, else OME.
    axes : str
        One letter per axis out of T, Z, C, Y, X.
    spacing : sequence of float, µm
        Per spatial axis; empty where it is not known.

    Raises
    ------
    WrongImage
        If the file cannot be written.
    """
    import tifffile

    spatial = _per_axis(axes, spacing)
    is_imagej = array.dtype in (np.uint8, np.uint16, np.float32) and array.nbytes < _CLASSIC_LIMIT
    with writing(file), complete_file(file) as partial:
        if is_imagej:
            _write_imagej(partial, array, axes, spatial, info or {})
        else:
            metadata = _ome_metadata(axes, spatial)
            tifffile.imwrite(partial, array, ome=True, metadata=metadata, compression="zlib", software=SOFTWARE)


def create_tiff(file: Path, shape: Sequence[int], dtype: Any, axes: str, *, spacing: Sequence[float] = ()) -> Array:
    """Make a file of zeros to be filled piece by piece; the array returned is mapped to it.

    A file that is not yet complete ought to have another name; see `unfinished_file`.

    Parameters
    ----------
    spacing : sequence of float, µm
        Per spatial axis; empty where it is not known.

    Raises
    ------
    WrongImage
        If the file cannot be written.
    """
    import tifffile

    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        metadata = _ome_metadata(axes, _per_axis(axes, spacing))
        mapped: Array = tifffile.memmap(
            file, shape=tuple(shape), dtype=dtype, bigtiff=True, ome=True, metadata=metadata, software=SOFTWARE
        )
        _reserve(file)
    return mapped


def _reserve(file: Path) -> None:
    """Take the space that a file of zeros will need: on a full disk the system kills who writes to a mapped one."""
    if not hasattr(os, "posix_fallocate"):
        return
    with file.open("rb+") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            # else a file system that cannot reserve


def map_tiff(file: Path) -> Array:
    """Map a file made by `create_tiff` into memory, to be read.

    Raises
    ------
    WrongImage
        If it cannot be read.
    """
    import tifffile

    try:
        mapped: Array = tifffile.memmap(file, mode="r")
    except (OSError, ValueError) as problem:
        raise messages.tiff_moved(file, problem) from problem
    return mapped


def _per_axis(axes: str, spacing: Sequence[float]) -> dict[str, float]:
    return dict(zip([axis for axis in axes if axis in "ZYX"], spacing, strict=True)) if spacing else {}


def _ome_metadata(axes: str, spatial: Mapping[str, float]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": axes}
    for axis, size in spatial.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    return metadata


def _write_imagej(file: Path, array: Array, axes: str, spatial: Mapping[str, float], info: Mapping[str, str]) -> None:
    import tifffile

    metadata: dict[str, Any] = {"axes": axes}
    if info:
        metadata["Info"] = "\n".join(f"{key}: {value}" for key, value in info.items())
    resolution = None
    if spatial:
        resolution = (1 / spatial["X"], 1 / spatial["Y"])
        metadata["unit"] = "um"
    if "Z" in spatial:
        metadata["spacing"] = spatial["Z"]
    # ImageJ wants the hyperstack order; a leading axis of ours is always in it already.
    tifffile.imwrite(
        file,
        array,
        imagej=True,
        metadata=metadata,
        resolution=resolution,
        compression="zlib",
        software=SOFTWARE,
    )


def _our_axes(array: Array, axes: str) -> tuple[Array, str | None]:
    """Translate tifffile's axes: S is a colour there, and several channels of colours are many channels."""
    if "S" in axes and array.shape[axes.index("S")] == 1:  # what was grey with transparency
        array, axes = array.squeeze(axes.index("S")), axes.replace("S", "")
    if set(axes) - set("TZCYXS"):
        return array, None  # Q and I say nothing
    if "S" in axes and "C" in axes:
        array = np.moveaxis(array, axes.index("S"), axes.index("C") + 1)
        axes = axes.replace("S", "")
        place = axes.index("C")
        array = array.reshape(*array.shape[:place], -1, *array.shape[place + 2 :])
    return array, axes.replace("S", "C")


def _stated_size(tiff: Any) -> PixelSize:
    """Understand what a file states in ImageJ's way, or in OME's."""
    imagej = _imagej_size(tiff)
    try:
        ome = _ome_size(tiff.ome_metadata)
    except ElementTree.ParseError as problem:
        return replace(imagej, doubts=(*imagej.doubts, f"has OME-XML that cannot be read ({problem}): it is not used"))
    return ome if ome.sizes else imagej


def _imagej_size(tiff: Any) -> PixelSize:
    metadata = tiff.imagej_metadata or {}
    unit = str(metadata.get("unit", ""))
    units = {axis: str(metadata.get(f"{axis.lower()}unit", unit)) for axis in "XYZ"}
    if micrometres_in(unit) is None:
        # Resolution then comes from anywhere, 72 dpi say, and tells nothing beside the distance of the slices.
        doubts = pixel_size({"X": (1, unit)}).doubts
        return PixelSize(doubts=doubts)
    stated, tags = {}, tiff.pages[0].tags
    for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
        numerator, denominator = tags[tag].value if tag in tags else (0, 0)
        if (numerator, denominator) != (0, 0):
            stated[axis] = (denominator / numerator if numerator else math.inf, units[axis])
    if "spacing" in metadata:
        stated["Z"] = (metadata["spacing"], units["Z"])
    return pixel_size(stated)


def _ome_size(xml: str | None) -> PixelSize:
    pixels = next((e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")), None) if xml else None
    if pixels is None:
        return PixelSize()
    stated = {axis: pixels.get(f"PhysicalSize{axis}") for axis in "XYZ"}
    units = {axis: pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XYZ"}  # what OME says where they do not
    return pixel_size({axis: (size, units[axis]) for axis, size in stated.items() if size is not None})
