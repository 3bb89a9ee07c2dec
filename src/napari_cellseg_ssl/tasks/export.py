"""Results as files that other programs open."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.instance_scores import scores_of
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.io.coco_writing import write_coco
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.rois import write_rois
from napari_cellseg_ssl.core.io.tables import write_table
from napari_cellseg_ssl.core.io.tiff import label_dtype, write_tiff
from napari_cellseg_ssl.core.io.zarr_files import write_zarr
from napari_cellseg_ssl.core.metrics.measurements import measure
from napari_cellseg_ssl.tasks.events import ExportEvent, FileWritten
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import guarded
from napari_cellseg_ssl.tasks.requests import ExportRequest, FileFormat

SUFFIXES: dict[FileFormat, str] = {"tiff": ".tif", "ome-zarr": ".ome.zarr"}
ROIS, COCO, TABLE = "_rois.zip", "_coco.json", "_measurements.csv"


def export(request: ExportRequest, control: Control | None = None) -> Iterator[ExportEvent]:
    """Write labels, maps, ROIs, COCO masks and measurements; a stop ends it after the current file.

    Yields
    ------
    FileWritten per file

    Raises
    ------
    WrongImage
        If a file cannot be written.
    WouldOverwrite
        If one is there that somebody else wrote; then none is written.
    """
    control = control or Control()
    with guarded("Export"):
        plan = _plan(request)
        require_own(plan, overwrite=request.overwrite)
        for path, write in plan.items():
            write(path)
            yield FileWritten(path)
            if control.should_stop():
                return


def label_file(folder: Path, name: str, file_format: FileFormat = "tiff") -> Path:
    """Name of the label file of an image."""
    return folder / f"{name}_labels{SUFFIXES[file_format]}"


def known_spacing(image: ImageStack) -> tuple[float, ...]:
    """Size of a pixel along each spatial axis of what comes out, µm; empty where nobody said it."""
    return output_spacing(image) if image.is_calibrated else ()


def output_spacing(image: ImageStack) -> tuple[float, ...]:
    """Size of a pixel along each of Z, Y and X of what comes out, slices that were frames included."""
    if image.slice_spacing is None or "Z" not in image.output_samples[0]:
        return image.spacing
    return (image.slice_spacing, *image.spacing)


def source_axes(image: ImageStack, channels: bool = False) -> str:
    """Axes of what comes out for an image: those of its frames, channels, then space."""
    return image.output_samples[0] + ("C" if channels else "") + "ZYX"[-len(image.spatial_shape) :]


def target_files(
    folder: Path,
    name: str,
    specs: Iterable[MapSpec] = (),
    *,
    file_format: FileFormat = "tiff",
    roi: bool = False,
    coco: bool = False,
    measure: bool = False,
) -> list[Path]:
    """Name the files that are made of an image: what an `ExportRequest` with these settings leads to.

    Parameters
    ----------
    name : str
        Of the image.
    specs : iterable of MapSpec
        Of the maps that are written.
    """
    endings = {ROIS: roi, COCO: coco, TABLE: measure}
    files = [label_file(folder, name, file_format)]
    files += [folder / f"{name}{ending}" for ending, is_wanted in endings.items() if is_wanted]
    suffixes = _map_suffixes({spec.name: str(spec.kind) for spec in specs}).values()
    return files + [folder / f"{name}_{suffix}{SUFFIXES[file_format]}" for suffix in suffixes]


def _plan(request: ExportRequest) -> dict[Path, Callable[[Path], None]]:
    """Say for each file how it is written."""
    folder, stem, suffix = request.folder, request.image.name, SUFFIXES[request.file_format]
    plan: dict[Path, Callable[[Path], None]] = {}
    labels, maps = request.labels, request.maps
    if labels is not None:
        if request.write_labels:
            plan[label_file(folder, stem, request.file_format)] = partial(_write_labels, labels, request)
        if request.roi:
            plan[folder / f"{stem}{ROIS}"] = partial(write_rois, labels)
        if request.coco:
            plan[folder / f"{stem}{COCO}"] = partial(_write_coco, labels, request)
        if request.measure:
            plan[folder / f"{stem}{TABLE}"] = partial(_write_measurements, request)
    if maps is not None:
        for name, ending in _map_suffixes({name: str(maps.specs[name].kind) for name in maps.arrays}).items():
            plan[folder / f"{stem}_{ending}{suffix}"] = partial(_write_map, name, maps, request)
    return plan


def _map_suffixes(kinds: Mapping[str, str]) -> dict[str, str]:
    """File suffix per map: its kind, with its name where two maps are of one kind."""
    count = Counter(kinds.values())
    return {name: kind if count[kind] == 1 else f"{kind}-{name}" for name, kind in kinds.items()}


def _write_labels(labels: Array, request: ExportRequest, file: Path) -> None:
    _write(labels.astype(label_dtype(labels), copy=False), request, file)


def _write_map(name: str, maps: PredictionMaps, request: ExportRequest, file: Path) -> None:
    _write(maps.to_source(name).astype(np.float32, copy=False), request, file)


def _write(frames: Array, request: ExportRequest, file: Path) -> None:
    image = request.image
    axes = source_axes(image, channels=frames.ndim == image.frames.ndim)
    frames = frames.reshape(*image.output_samples[1], *frames.shape[1:])
    if request.file_format == "tiff":
        write_tiff(file, frames, axes, spacing=known_spacing(image), info=request.metadata)
    else:
        write_zarr(file, frames, axes, spacing=output_spacing(image), in_um=image.is_calibrated, info=request.metadata)


def measured(request: ExportRequest) -> dict[str, Array]:
    """Measure the labels of a request, with a column of scores where it has them."""
    if request.labels is None:
        return {}
    table = measure(request.image, request.labels)
    if request.scores:
        of_frames = [scores_of(table["label"][table["frame"] == n], own) for n, own in enumerate(request.scores)]
        table["score"] = np.concatenate(of_frames)
    return table


def _write_measurements(request: ExportRequest, file: Path) -> None:
    table = measured(request)
    write_table(file, table, zip(*(column.tolist() for column in table.values()), strict=True))


def _write_coco(labels: Array, request: ExportRequest, file: Path) -> None:
    """Write one image per frame; all frames have the name of the file that they are from."""
    names = [request.file_name or request.image.name] * len(labels)
    write_coco(file, labels, names, scores=request.scores, info=request.metadata)
