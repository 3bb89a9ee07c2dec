"""Segmenting an image of any size into files: each has its name once it is complete."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.inference.blocks import plan_blocks
from napari_cellseg_ssl.core.io.complete_files import finish, unfinished_file, writing
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.tiff import create_tiff, map_tiff
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady
from napari_cellseg_ssl.tasks.events import FileWritten, LabelsReady
from napari_cellseg_ssl.tasks.export import export, known_spacing, label_file, source_axes, target_files
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import closed_after, guarded
from napari_cellseg_ssl.tasks.predict import predict, segment, segment_image
from napari_cellseg_ssl.tasks.requests import ExportRequest, SegmentFilesRequest, SegmentRequest


@dataclass(frozen=True)
class FilesReady:
    """All that was asked for is written; `instances` counts them over all frames."""

    files: tuple[Path, ...]
    instances: int


def segment_files(request: SegmentFilesRequest, control: Control | None = None) -> Iterator[object]:
    """Segment an image and write what is made of it; the labels of large images never are in memory as a whole.

    Yields
    ------
    Note, TileDone, FileWritten per file, `FilesReady`; a stop ends the stream, and whatever file is there is complete.

    Raises
    ------
    WouldOverwrite
        If a file is there that somebody else wrote; before any work is done.
    CellSegError
        If the image does not fit the model, memory runs out, or a file cannot be written.
    """
    control = control or Control()
    require_own(files_of(request), overwrite=request.export.overwrite)
    make = _by_maps if request.maps else _block_by_block if _is_large(request.export.image) else _in_memory
    written, instances = [], 0
    with guarded("Segmentation"), closed_after(make(request, control)) as events:
        for event in events:
            match event:
                case _Counted():
                    instances = event.instances
                    continue
                case FileWritten():
                    written.append(event.path)
            yield event
    if not control.should_stop():
        yield FilesReady(tuple(written), instances)


def files_of(request: SegmentFilesRequest) -> list[Path]:
    """Name the files that a request leads to."""
    order, info = request.export, get_method(request.prediction.bundle.method_id).info
    return target_files(
        order.folder,
        order.image.name,
        info.maps if request.maps else (),
        file_format=order.file_format,
        roi=order.roi,
        coco=order.coco,
        measure=order.measure,
    )


@dataclass(frozen=True)
class _Counted:
    instances: int


def _is_large(image: ImageStack) -> bool:
    return len(plan_blocks(image.spatial_shape, 1.0)) > 1


def _by_maps(request: SegmentFilesRequest, control: Control) -> Iterator[object]:
    maps = None
    for event in predict(request.prediction, control):
        if isinstance(event, MapsReady):
            maps = event.maps
        else:
            yield event
    if maps is None:
        return
    bundle = request.prediction.bundle
    options = bundle.segment_options if request.options is None else request.options
    for found in segment(SegmentRequest(method_id=bundle.method_id, maps=maps, options=options), control):
        yield from _written(replace(request.export, maps=maps), found.labels, found.scores, control)


def _in_memory(request: SegmentFilesRequest, control: Control) -> Iterator[object]:
    for event in segment_image(request.prediction, request.options, control):
        if isinstance(event, LabelsReady):
            yield from _written(request.export, event.labels, event.scores, control)
        else:
            yield event


def _block_by_block(request: SegmentFilesRequest, control: Control) -> Iterator[object]:
    """Fill a TIFF that has no name yet; it becomes the label file, or an OME-Zarr is made of it."""
    order, image = request.export, request.export.image
    file = label_file(order.folder, image.name)
    with ExitStack() as stack:
        with writing(file):
            partial = stack.enter_context(unfinished_file(file))
        scores = yield from _fill(partial, request, control)
        if scores is None:
            return
        if order.file_format != "tiff":
            yield from _written(order, _labels_in(partial, image), scores, control)
            return
        with writing(file):
            finish({partial: file})
    yield FileWritten(file)
    yield from _written(replace(order, write_labels=False), _labels_in(file, image), scores, control)


def _fill(
    file: Path, request: SegmentFilesRequest, control: Control
) -> Generator[object, None, tuple[Array, ...] | None]:
    """Segment into a new TIFF; returns the scores of what was found, None after a stop.

    Nothing is mapped to the file any more when this returns: else Windows would not let it be renamed.
    """
    image = request.export.image
    axes = source_axes(image)
    shape = (*image.output_samples[1], *image.spatial_shape)
    mapped = create_tiff(file, shape, "uint32", axes, spacing=known_spacing(image))
    into = mapped.reshape(len(image.frames), *image.spatial_shape)
    for event in segment_image(request.prediction, request.options, control, into):
        if isinstance(event, LabelsReady):
            return event.scores
        yield event
    return None


def _written(order: ExportRequest, labels: Array, scores: tuple[Array, ...], control: Control) -> Iterator[object]:
    yield _Counted(sum(int(frame.max()) for frame in labels))
    yield from export(replace(order, labels=labels, scores=scores), control)


def _labels_in(file: Path, image: ImageStack) -> Array:
    return map_tiff(file).reshape(len(image.frames), *image.spatial_shape)
