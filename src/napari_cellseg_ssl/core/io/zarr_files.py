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


def read_zarr(path: Path) -> tuple[Any, str | None, PixelSize]:
    """Open the full resolution of an OME-Zarr as a lazy array, with its axes and the size of a pixel where it says so.

    Raises
    ------
    WrongImage
        If it cannot be read, or zarr is not installed.
    """
    zarr, dask_array = _imported(path, "zarr", "dask.array")
    with decoding(path, kind="OME-Zarr"):
        group = zarr.open(str(path), mode="r")
        if isinstance(group, zarr.Array):
            return dask_array.from_zarr(group), None, PixelSize()
        attributes: Mapping[str, Any] = dict(group.attrs)
        scales = (attributes.get("ome") or attributes)["multiscales"][0]
        level = scales["datasets"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in scales["axes"]]
        array = dask_array.from_zarr(group[level["path"]])
        sizes = next((t["scale"] for t in level.get("coordinateTransformations", ()) if t["type"] == "scale"), ())
        names = [str(axis["name"]).upper() for axis in axes]
        stated = {
            name: (size, str(axis.get("unit") or ""))
            for name, axis, size in zip(names, axes, sizes, strict=False)
            if name in SPATIAL_AXES
        }
        return array, "".join(names), pixel_size(stated)


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


def _imported(path: Path, *modules: str) -> list[Any]:
    try:
        return [import_module(name) for name in modules]
    except ImportError:
        raise messages.zarr_not_installed(path) from None
