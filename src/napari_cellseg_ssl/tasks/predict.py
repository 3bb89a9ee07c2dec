"""Prediction and segmentation as streams of events."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack, require_finite
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.scaling import working_shape
from napari_cellseg_ssl.core.data.volumes import describe_volume, require_depth
from napari_cellseg_ssl.core.devices import Device, pick_device
from napari_cellseg_ssl.core.inference.blocks import Block, SeamWriter, plan_blocks
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.inference.windows import cut_out, informed, whole_frame
from napari_cellseg_ssl.core.methods.base import (
    MethodInfo,
    RemarksOnMaps,
    ScoresObjects,
    for_channels,
    get_method,
    segmented,
)
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, PredictEvent, Remark, TileDone
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.diameters import resolve_diameters
from napari_cellseg_ssl.tasks.events import LabelsReady, SegmentEvent
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import blaming, guarded
from napari_cellseg_ssl.tasks.requests import PredictRequest, SegmentRequest

LARGEST_JOB, LARGEST_JOB_3D = 4 * 2**30, 2**30
"""Bytes above which the maps of a whole image, or volume, are refused; `segment_image` works on any size."""
COPIES = 3
"""So many float32 copies of a frame are held while it is predicted."""
PARTS = 1000
"""Resolution of the progress of a segmentation in blocks."""


def predict(request: PredictRequest, control: Control | None = None) -> Iterator[PredictEvent]:
    """Predict the maps of a whole image.

    Yields
    ------
    Note, TileDone per tile, `MapsReady`; a stop ends the stream without maps.

    Raises
    ------
    CellSegError
        If the image does not fit the model, or memory runs out.
    """
    control = control or Control()
    with guarded("Prediction"):
        job = PredictionJob(request)
        yield from job.notes
        job.refuse_if_too_large()
        yield from job.predict(request.image, job.predictor, request.bundle.intensity, control)


def segment(request: SegmentRequest, control: Control | None = None) -> Iterator[LabelsReady]:
    """Make instances from maps; one event, or none after a stop."""
    control = control or Control()
    with guarded("Segmentation", tidy=False):
        method = get_method(request.method_id)
        options = method.info.segment_options() if request.options is None else request.options
        if not control.should_stop():
            labels, scores = segmented(method, request.maps, options)
            yield LabelsReady(labels, options, request.maps.diameter, scores)


def segment_image(
    request: PredictRequest, options: Any = None, control: Control | None = None, into: Array | None = None
) -> Iterator[SegmentEvent]:
    """Predict and segment an image of any size in memory bounded by a block.

    Frames are done one by one, and large frames in overlapping blocks whose instances are joined at the seams.

    Parameters
    ----------
    options
        Segmentation options; None takes those of the model.
    into : (N, *S) integer, optional
        Where the labels go, for example a memory-mapped file; a new int32 array when absent.

    Yields
    ------
    Note, TileDone, `LabelsReady`; a stop ends the stream without labels.
    """
    control = control or Control()
    options = request.bundle.segment_options if options is None else options
    with guarded("Segmentation"):
        job = PredictionJob(request)
        yield from job.notes
        image = request.image
        labels = _empty_labels(image) if into is None else into
        blocks = job.blocks()
        total = len(image.frames) * len(blocks)
        scores: tuple[Array, ...] = ()
        for done in range(total):
            n, k = divmod(done, len(blocks))
            if k == 0:
                intensity = whole_frame(request.bundle.intensity, image, n)
                predictor = job.predictor_of(n, intensity)
                seams = SeamWriter(labels[n], alone=len(blocks) == 1)
            for event in job.segment_block(n, blocks[k], predictor, intensity, options, control):
                match event:
                    case TileDone():
                        yield TileDone(PARTS * done + PARTS * event.done // event.total, PARTS * total)
                    case Note():
                        yield event
                    case LabelsReady():
                        seams.add(event.labels[0], blocks[k], *event.scores)
            if control.should_stop():
                return
            if k == len(blocks) - 1 and isinstance(job.method, ScoresObjects):
                scores += (seams.scores,)
        yield LabelsReady(labels, options, job.diameter, scores)


class PredictionJob:
    """A model on a device, an image that fits it, and the size of its objects."""

    def __init__(self, request: PredictRequest) -> None:
        bundle, image = request.bundle, request.image
        self.method = get_method(bundle.method_id)
        reader = for_channels(self.method, bundle, image.n_channels)
        _check_fits(reader, image)
        self.image = image
        wanted = bundle.object_diameter if request.object_diameter is None else request.object_diameter
        (self.diameter,), how = resolve_diameters([image], wanted)
        require_depth(image, self.diameter)
        device = device_for(self.method.info, request.device, request.threads)
        self.notes = (*volume_notes([image], [self.diameter]), Note(how), Note(f"Device: {device.why}."))
        self.device = device.name
        with blaming(f"Model '{bundle.name}'"):
            self.predictor: Predictor = self.method.predictor(reader, device.name)
        self.scale = (self.predictor.working_diameter or self.diameter) / self.diameter
        self.specs = {spec.name: spec for spec in self.method.info.maps}
        self.bundle = bundle
        self._has_remarked = False

    def refuse_if_too_large(self) -> None:
        """Refuse what `predict` would need too much memory for."""
        shape = working_shape(self.image.spatial_shape, self.scale, self.image.aspect)
        frame = np.prod([float(size) for size in shape])
        maps = len(self.image.frames) * sum(spec.channels_in(len(shape)) for spec in self.specs.values())
        needed = 4 * float(frame) * (maps + COPIES * self.image.n_channels)
        if needed > (LARGEST_JOB if len(shape) == 2 else LARGEST_JOB_3D):
            raise messages.maps_do_not_fit_into_memory(self.image.name, needed / 2**30)

    def blocks(self) -> tuple[Block, ...]:
        """Plan the pieces in which a frame is done."""
        return plan_blocks(
            self.image.spatial_shape,
            self.diameter,
            self.image.aspect,
            self.scale,
            halo=self.predictor.halo,
            multiple_of=self.predictor.multiple_of,
        )

    def predictor_of(self, n: int, intensity: Intensity) -> Predictor:
        """Return the predictor for all blocks of a frame, which has seen the frame if it needs to."""
        if len(self.blocks()) == 1:
            return self.predictor
        return informed(self.predictor, self.image, n, self.scale, intensity)

    def predict(
        self, image: ImageStack, predictor: Predictor, intensity: Intensity, control: Control
    ) -> Iterator[PredictEvent]:
        """Yield progress and the maps, before the first ones what the method has to say about them."""
        events = predict_tiled(
            image,
            predictor,
            diameter=self.diameter,
            specs=self.specs,
            intensity=intensity,
            bundle_id=self.bundle.id,
            should_stop=control.should_stop,
        )
        for event in events:
            if isinstance(event, MapsReady) and isinstance(self.method, RemarksOnMaps) and not self._has_remarked:
                for text in self.method.remarks(self.bundle, event.maps):
                    self._has_remarked = True
                    yield Remark(text)
            yield event

    def segment_block(
        self, n: int, block: Block, predictor: Predictor, intensity: Any, options: Any, control: Control
    ) -> Iterator[TileDone | Note | LabelsReady]:
        """Yield progress, then the labels (1, *S) of what the block reads."""
        for event in self.predict(cut_out(self.image, n, block.read), predictor, intensity, control):
            if isinstance(event, MapsReady):
                labels, scores = segmented(self.method, event.maps, options)
                yield LabelsReady(labels, options, self.diameter, scores)
            else:
                yield event


def bundle_ndims(bundle: ModelBundle) -> tuple[int, ...]:
    """Spatial dimensions of the images that a model works on: those it was trained on, where it has a network."""
    info = get_method(bundle.method_id).info
    # Cellulus says it in the plural.
    trained_on = bundle.architecture.get("spatial_ndim", bundle.architecture.get("spatial_ndims"))
    return (trained_on,) if info.uses_torch and isinstance(trained_on, int) else info.spatial_ndims


def volume_notes(images: Sequence[ImageStack], diameters: Sequence[float]) -> tuple[Note, ...]:
    """Say what volumes are taken for, the first one of those that are alike."""
    pairs = reversed(list(zip(images, diameters, strict=True)))
    told = {image.aspect: describe_volume(image, diameter) for image, diameter in pairs}
    return tuple(Note(text) for text in told.values() if text)


def device_for(info: MethodInfo, wanted: str, threads: int | None) -> Device:
    """Pick a device; a method without a network gets the CPU without loading torch."""
    if not info.uses_torch:
        return Device("cpu", "CPU, no network involved")
    device = pick_device(wanted)
    if threads is not None:
        import torch

        torch.set_num_threads(max(1, threads))
    return device


def _check_fits(bundle: ModelBundle, image: ImageStack) -> None:
    require_finite(image)
    expected = bundle.architecture.get("in_channels")
    if isinstance(expected, int) and expected > 0 and image.n_channels != expected:
        raise messages.model_expects_channels(bundle.name, expected, image.name, image.n_channels)
    ndim = len(image.spatial_shape)
    if ndim not in bundle_ndims(bundle):
        hint = "volumes; is Z a volume or frames?" if ndim == 2 else "flat images: segment its slices one by one."
        raise messages.model_expects_dimensions(bundle.name, ndim, image.name, hint)


def _empty_labels(image: ImageStack) -> Array:
    shape = (len(image.frames), *image.spatial_shape)
    try:
        return np.zeros(shape, np.int32)
    except MemoryError:
        raise messages.labels_do_not_fit_into_memory(image.name, shape) from None
