"""The command that finds the cells in images; what one image brings about does not keep the others from being done."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api import models
from napari_cellseg_ssl.cli import messages
from napari_cellseg_ssl.cli.batch import Batch
from napari_cellseg_ssl.cli.commands import option_values, reading_of
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.user_files import find_files, stem_of
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import Control, ExportRequest, FilesReady, PredictRequest, SegmentFilesRequest
from napari_cellseg_ssl.tasks import segment_files as segment_files_events
from napari_cellseg_ssl.tasks.export import target_files
from napari_cellseg_ssl.tasks.predict import bundle_ndims


def segment(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Segment images and write label files; those that cannot be done are named at once, and again at the end."""
    bundle = models.load_run(arguments.model)
    options = with_values(bundle.segment_options, option_values(arguments.set))
    files, reading = find_files(arguments.images, tell=console.remark), reading_of(arguments, bundle_ndims(bundle))
    _refuse_same_names(files)
    batch = Batch(console)
    for file, problem in _refused(files, bundle, arguments):
        batch.refuse(file, problem)
    records: list[dict[str, Any]] = []
    for file in [file for file in files if not batch.has_failed(file)]:
        begin, written = time.monotonic(), None
        with batch.doing(file):
            image = reading.file(file, console.remark)
            written = _segment_file(file, image, bundle, options, arguments, console, control)
        if control.is_stopping and written is None:
            break
        if written is not None:
            seconds = round(time.monotonic() - begin, 2)
            console.say(f"{file.name}: {written['instances']} instances, {seconds:.1f} s -> {written['files'][0]}")
            records.append({"image": str(file), "seconds": seconds, **written})
    console.result({"images": records, "problems": batch.told()})
    if not control.is_stopping:
        rest = f"; the others are in '{arguments.out}'" if records else ""
        batch.end(messages.not_all_segmented(batch.count, len(files), rest))


def _refused(
    files: Sequence[Path], bundle: ModelBundle, arguments: argparse.Namespace
) -> Iterator[tuple[Path, CellSegError]]:
    """Find the images whose results would replace what is not ours to replace, before any work."""
    maps = get_method(bundle.method_id).info.maps if arguments.maps else ()
    sources = {file.resolve() for file in files}
    for file in files:
        targets = target_files(
            arguments.out,
            stem_of(file),
            maps,
            file_format=arguments.format,
            roi=arguments.roi,
            coco=arguments.coco,
            measure=arguments.measure,
        )
        source = next((target for target in targets if target.resolve() in sources), None)
        if source is not None:
            yield file, messages.input_is_not_overwritten(source)
            continue
        try:
            require_own(targets, overwrite=arguments.overwrite)
        except CellSegError as problem:
            yield file, problem


def _segment_file(
    file: Path,
    image: ImageStack,
    bundle: ModelBundle,
    options: Any,
    arguments: argparse.Namespace,
    console: Console,
    control: Control,
) -> dict[str, Any] | None:
    """Return what was written; None after a stop."""
    request = SegmentFilesRequest(
        prediction=PredictRequest(
            bundle=bundle, image=image, object_diameter=arguments.object_diameter, device=arguments.device
        ),
        options=options,
        maps=arguments.maps,
        export=ExportRequest(
            folder=arguments.out,
            image=image,
            roi=arguments.roi,
            coco=arguments.coco,
            measure=arguments.measure,
            file_format=arguments.format,
            file_name=file.name,
            metadata={"model": bundle.name, "model id": bundle.id, "method": bundle.method_id},
            overwrite=arguments.overwrite,
        ),
    )
    for event in console.follow(segment_files_events(request, control), image.name):
        if isinstance(event, FilesReady):
            return {"files": [str(path) for path in event.files], "instances": event.instances}
    return None


def _refuse_same_names(files: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        other = seen.setdefault(stem_of(file), file)
        if other is not file:
            raise messages.same_output_name(other, file, stem_of(file))
