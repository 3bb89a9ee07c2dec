"""Labels, maps and images as TIFF, with axes and pixel spacing that ImageJ, napari and tifffile all read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_cellseg_ssl.core.decoding import decoding
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.images import Array

_MICRONS = {"µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "\\u00b5m": 1.0, "nm": 1e-3, "mm": 1e3}
_MEMMAP_FROM = 256 * 2**20
"""Bytes from which an uncompressed file is mapped instead of read."""
_CLASSIC_LIMIT = 2**32 - 2**25


@dataclass(frozen=True)
class TiffImage:
    """A TIFF's pixels, its axes where the file states them, and µm per pixel for Z, Y, X where it does."""

    array: Array
    axes: str | None
    spacing: Mapping[str, float]


def read_tiff(file: Path) -> TiffImage:
    """Read the first series of a TIFF; large uncompressed ones are mapped, not loaded.

    Raises
    ------
    WrongImage
        If the file cannot be read as TIFF.
    """
    import tifffile

    with decoding(file, "Is it a complete TIFF file?"), tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        axes = _our_axes(series.axes)
        spacing = _imagej_spacing(tiff) | _ome_spacing(tiff.ome_metadata)
        if series.nbytes >= _MEMMAP_FROM and series.dataoffset is not None:
            array = tifffile.memmap(file, mode="r", series=0)
        else:
            array = series.asarray()
    return TiffImage(array, axes if axes and len(axes) == array.ndim else None, spacing)


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
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if is_imagej:
            _write_imagej(file, array, axes, spatial, info or {})
        else:
            tifffile.imwrite(file, array, ome=True, metadata=_ome_metadata(axes, spatial), compression="zlib")
    except OSError as problem:
        raise WrongImage(f"'{file}' cannot be written: {problem}.", "Choose another folder.") from problem


def create_tiff(file: Path, shape: Sequence[int], dtype: Any, axes: str, *, spacing: Sequence[float] = ()) -> Array:
    """Make a file of zeros to be filled piece by piece; the array returned is mapped to it.

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

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        metadata = _ome_metadata(axes, _per_axis(axes, spacing))
        mapped: Array = tifffile.memmap(
            file, shape=tuple(shape), dtype=dtype, bigtiff=True, ome=True, metadata=metadata
        )
    except OSError as problem:
        raise WrongImage(f"'{file}' cannot be written: {problem}.", "Choose another folder.") from problem
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
    tifffile.imwrite(file, array, imagej=True, metadata=metadata, resolution=resolution, compression="zlib")


def _our_axes(axes: str) -> str | None:
    """Translate tifffile's axes: S is a colour there; Q and I say nothing."""
    if set(axes) - set("TZCYXS"):
        return None
    return axes if "S" not in axes else None if "C" in axes else axes.replace("S", "C")


def _imagej_spacing(tiff: Any) -> dict[str, float]:
    metadata = tiff.imagej_metadata or {}
    factor = _MICRONS.get(str(metadata.get("unit", "")))
    if factor is None:
        return {}
    found = {}
    tags = tiff.pages[0].tags
    for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
        numerator, denominator = tags[tag].value if tag in tags else (0, 1)
        if numerator:
            found[axis] = factor * denominator / numerator
    if "spacing" in metadata:
        found["Z"] = factor * float(metadata["spacing"])
    return found


def _ome_spacing(xml: str | None) -> dict[str, float]:
    if not xml:
        return {}
    found = {}
    for element in ElementTree.fromstring(xml).iter():
        if element.tag.endswith("}Pixels"):
            for axis in "XYZ":
                factor = _MICRONS.get(element.get(f"PhysicalSize{axis}Unit", "µm"))
                if factor is not None and f"PhysicalSize{axis}" in element.keys():  # noqa: SIM118 - not a dict
                    found[axis] = factor * float(element.get(f"PhysicalSize{axis}", "1"))
            break
    return found
