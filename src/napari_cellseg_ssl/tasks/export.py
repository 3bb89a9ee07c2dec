"""Results as files that other programs open."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from napari_cellseg_ssl.core.coco_writing import write_coco
from napari_cellseg_ssl.core.errors import WrongImage, WrongOption
from napari_cellseg_ssl.core.images import SAMPLE_AXES, Array, ImageStack
from napari_cellseg_ssl.core.instance_scores import scores_of
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.measurements import is_calibrated, measure
from napari_cellseg_ssl.core.tiff import label_dtype, write_tiff
from napari_cellseg_ssl.core.zarr_files import write_zarr
from napari_cellseg_ssl.tasks.control import Control
from napari_cellseg_ssl.tasks.events import ExportEvent, FileWritten
from napari_cellseg_ssl.tasks.guard import guarded
from napari_cellseg_ssl.tasks.requests import ExportRequest, FileFormat

SUFFIXES: dict[FileFormat, str] = {"tiff": ".tif", "ome-zarr": ".ome.zarr"}
ROIS, COCO, TABLE = "rois.zip", "coco.json", "measurements.csv"


def export(request: ExportRequest, control: Control | None = None) -> Iterator[ExportEvent]:
    """Write labels, maps, ROIs, COCO masks and measurements; a stop ends it after the current file.

    Yields
    ------
    FileWritten per file

    Raises
    ------
    WrongImage
        If a file cannot be written.
    """
    control = control or Control()
    with guarded("Export"):
        for path in _files(request):
            yield FileWritten(path)
            if control.should_stop():
                return


def label_file(folder: Path, name: str, file_format: FileFormat = "tiff") -> Path:
    """Name of the label file of an image."""
    return folder / f"{name}_labels{SUFFIXES[file_format]}"


def targets(
    folder: Path,
    name: str,
    *,
    file_format: FileFormat = "tiff",
    roi: bool = False,
    coco: bool = False,
    measure: bool = False,
    maps: PredictionMaps | None = None,
) -> tuple[Path, ...]:
    """List the files that an export of labels is going to write for an image of some name."""
    beside = {ROIS: roi, COCO: coco, TABLE: measure}
    drawn = [] if maps is None else _map_suffixes(maps).values()
    ends = [*(end for end, is_on in beside.items() if is_on), *(f"{end}{SUFFIXES[file_format]}" for end in drawn)]
    return (label_file(folder, name, file_format), *(folder / f"{name}_{end}" for end in ends))


def known_spacing(image: ImageStack) -> tuple[float, ...]:
    """Size of a pixel along each spatial axis, µm; empty where nobody said it."""
    return image.spacing if is_calibrated(image) else ()


def source_axes(image: ImageStack, channels: bool = False) -> str:
    """Axes of what comes out for an image: its sample axis if it had one, channels, then space."""
    has_samples = any(a in SAMPLE_AXES for a in image.axes)
    return ("T" if has_samples else "") + ("C" if channels else "") + "ZYX"[-len(image.spatial_shape) :]


def _files(request: ExportRequest) -> Iterator[Path]:
    folder, stem = request.folder, request.image.name
    if request.labels is not None:
        if request.write_labels:
            frames = request.labels.astype(label_dtype(request.labels), copy=False)
            yield _write(label_file(folder, stem, request.file_format), frames, request)
        if request.roi:
            yield _write_rois(folder / f"{stem}_{ROIS}", request.labels)
        if request.coco:
            yield _write_coco(folder / f"{stem}_{COCO}", request.labels, request)
        if request.measure:
            yield _write_table(folder / f"{stem}_{TABLE}", measured(request))
    if request.maps is not None:
        for name, suffix in _map_suffixes(request.maps).items():
            file = folder / f"{stem}_{suffix}{SUFFIXES[request.file_format]}"
            yield _write(file, request.maps.to_source(name).astype(np.float32, copy=False), request)


def _map_suffixes(maps: PredictionMaps) -> dict[str, str]:
    """File suffix per map: its kind, with its name where two maps are of one kind."""
    kinds = {name: str(maps.specs[name].kind) for name in maps.arrays}
    count = Counter(kinds.values())
    return {name: kind if count[kind] == 1 else f"{kind}-{name}" for name, kind in kinds.items()}


def _write(file: Path, frames: Array, request: ExportRequest) -> Path:
    image = request.image
    axes = source_axes(image, channels=frames.ndim == image.frames.ndim)
    if len(axes) < frames.ndim:
        frames = frames[0]
    write = write_tiff if request.file_format == "tiff" else write_zarr
    write(file, frames, axes, spacing=known_spacing(image), info=request.metadata)
    return file


def measured(request: ExportRequest) -> dict[str, Array]:
    """Measure the labels of a request, with a column of scores where it has them."""
    if request.labels is None:
        return {}
    table = measure(request.image, request.labels)
    if request.scores:
        of_frames = [scores_of(table["label"][table["frame"] == n], own) for n, own in enumerate(request.scores)]
        table["score"] = np.concatenate(of_frames)
    return table


def _write_table(file: Path, table: dict[str, Array]) -> Path:
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(table)
            writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    except OSError as problem:
        raise WrongImage(f"'{file}' cannot be written: {problem}.", "Choose another folder.") from problem
    return file


def _write_rois(file: Path, labels: Array) -> Path:
    """Write one polygon per instance, named by frame and id."""
    if labels.ndim != 3:
        raise WrongOption("ImageJ ROIs are outlines in a plane; these labels are volumes.", "Leave the ROIs out.")
    from roifile import ImagejRoi

    try:
        with ZipFile(file, "w") as archive:
            for n, frame in enumerate(labels):
                for id_, outline in _outlines(frame):
                    name = f"{n + 1:04d}-{id_:05d}" if len(labels) > 1 else f"{id_:05d}"
                    roi = ImagejRoi.frompoints(outline[:, ::-1], name=name, t=n if len(labels) > 1 else None)
                    archive.writestr(f"{name}.roi", roi.tobytes())
    except OSError as problem:
        raise WrongImage(f"'{file}' cannot be written: {problem}.", "Choose another folder.") from problem
    return file


def _write_coco(file: Path, labels: Array, request: ExportRequest) -> Path:
    """Write one image per frame; all frames have the name of the file that they are from."""
    names = [request.file_name or request.image.name] * len(labels)
    write_coco(file, labels, names, scores=request.scores, info=request.metadata)
    return file


def _outlines(frame: Array) -> Iterator[tuple[int, Array]]:
    """Yield id and outer outline (points, 2), in px with corners at whole numbers, of every instance."""
    from skimage.measure import find_contours, regionprops

    for region in regionprops(frame):
        contours = find_contours(np.pad(region.image_filled, 1).astype(float), 0.5)
        longest = max(contours, key=len)
        # Padding adds 1, ImageJ counts from the corner of a px instead of its middle: 0.5.
        yield region.label, longest - 1 + np.array(region.bbox[:2]) + 0.5
