"""OME-Zarr: images read as far as they are asked for, labels and maps written in chunks with a pyramid."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import SPATIAL_AXES, Array
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.complete_files import complete_folder, writing
from napari_cellseg_ssl.core.io.decoding import decoding
from napari_cellseg_ssl.core.io.own_files import ZARR_RECORD
from napari_cellseg_ssl.core.io.units import PixelSize, pixel_size

CHUNK, CHUNK_3D = 512, 128
SMALLEST_LEVEL = 256
"""A level of the pyramid is followed by a smaller one as long as it is larger than this, px."""


OLD_AXES = "TCZYX"
"""Of OME-Zarr before its version 0.3, which does not say them."""


def is_zarr(path: Path) -> bool:
    """Whether a path is a Zarr: by its ending, or by what is in it, as for an image inside another Zarr."""
    return path.suffix.lower() == ".zarr" or any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json"))


def read_zarr(path: Path) -> tuple[Any, str | None, PixelSize, tuple[str, ...]]:
    """Open the full resolution of an OME-Zarr as a lazy array, with its axes and the size of a pixel where it says so.

    Of several images in one (a plate, or the layout of bioformats2raw) the first is opened, and the last value says
    where the others are.

    Raises
    ------
    WrongImage
        If it cannot be read, or zarr is not installed.
    """
    zarr, dask_array = _imported(path, "zarr", "dask.array")
    with decoding(path, kind="OME-Zarr"):
        group = zarr.open(str(path), mode="r")
        if isinstance(group, zarr.Array):
            return dask_array.from_zarr(group), None, PixelSize(), ()
        inside = _images_inside(group)
        if inside:
            array, first_axes, size, _ = read_zarr(path / inside[0])
            return array, first_axes, size, (messages.images_inside(path.name, inside),) if len(inside) > 1 else ()
        scales = _stated(group)["multiscales"][0]
        level = scales["datasets"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in scales.get("axes", OLD_AXES)]
        array = dask_array.from_zarr(group[level["path"]])
        sizes = _scale(level)
        if (whole := _scale(scales)) and sizes:
            sizes = [a * b for a, b in zip(whole, sizes, strict=True)]
        sizes = sizes or whole
        names = [str(axis["name"]).upper() for axis in axes]
        stated = {
            name: (size, str(axis.get("unit") or ""))
            for name, axis, size in zip(names, axes, sizes, strict=False)
            if name in SPATIAL_AXES
        }
        return array, "".join(names), pixel_size(stated), ()


def _stated(group: Any) -> Mapping[str, Any]:
    """Return what a group says in the way of OME, in any version."""
    attributes: Mapping[str, Any] = dict(group.attrs)
    return attributes.get("ome") or attributes


def _scale(record: Mapping[str, Any]) -> list[float]:
    return next((t["scale"] for t in record.get("coordinateTransformations") or () if t["type"] == "scale"), [])


def _images_inside(group: Any) -> list[str]:
    """List the paths of the images in a plate, or in what bioformats2raw makes; none for an image itself."""
    stated = _stated(group)
    if "multiscales" in stated:
        return []
    if "plate" in stated:
        wells = [str(well["path"]) for well in stated["plate"]["wells"]]
        fields = ((well, _stated(group[well])["well"]["images"]) for well in wells)
        return [f"{well}/{field['path']}" for well, images in fields for field in images]
    if "well" in stated:
        return [str(field["path"]) for field in stated["well"]["images"]]
    named = [name for name in group if str(name).isdigit()]
    return sorted((str(name) for name in named if "multiscales" in _stated(group[name])), key=int)


def write_zarr(
    folder: Path,
    array: Array,
    axes: str,
    *,
    spacing: Sequence[float] = (),
    in_um: bool = True,
    info: Mapping[str, str] | None = None,
) -> None:
    """Write labels or maps as OME-Zarr; levels of labels are made without mixing ids.

    Parameters
    ----------
    array : integer labels or float maps; may be memory-mapped
    axes : str
        One letter per axis, in the order TCZYX.
    spacing : sequence of float
        µm per px along the spatial axes, or in a unit that is not known; empty where nothing is.
    in_um : bool
        False writes `spacing` without a unit.

    Raises
    ------
    WrongImage
        If it cannot be written, or ome-zarr is not installed.
    """
    zarr, dask_array, writer = _imported(folder, "zarr", "dask.array", "ome_zarr.writer")
    spatial = [axis for axis in axes if axis in SPATIAL_AXES]
    side = CHUNK if len(spatial) == 2 else CHUNK_3D
    chunks = tuple(side if axis in SPATIAL_AXES else 1 for axis in axes)
    levels = int(np.log2(max(1, max(array.shape[-2:]) / SMALLEST_LEVEL)))
    is_labels = array.dtype.kind in "iu"
    sizes = dict.fromkeys(axes.lower(), 1.0) | dict(zip("".join(spatial).lower(), spacing, strict=False))
    with writing(folder), complete_folder(folder) as partial:
        group = zarr.open_group(str(partial), mode="w")
        writer.write_image(
            dask_array.from_array(array, chunks=chunks),
            group,
            scale_factors=[2**level for level in range(1, levels + 1)],
            method="nearest" if is_labels else "local_mean",
            name=folder.stem,
            axes=list(axes.lower()),
            scale=sizes,
            axes_units={axis.lower(): "micrometer" for axis in spatial} if spacing and in_um else None,
        )
        group.attrs[ZARR_RECORD] = dict(info or {})
        if is_labels and (stated := dict(group.attrs).get("ome")):
            group.attrs["ome"] = {**stated, "image-label": {"version": stated.get("version", "0.5")}}


def _imported(path: Path, *modules: str) -> list[Any]:
    try:
        return [import_module(name) for name in modules]
    except ImportError:
        raise messages.zarr_not_installed(path) from None
