"""What lies between an image and its mask: the domain label of a translation, interpolated.

Yao et al., AD-GAN (arXiv 2107.11022), section 5.5.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.scaling import resize_linear, working_shape
from napari_cellseg_ssl.core.inference.predictor import Interpolates, NeedsField
from napari_cellseg_ssl.core.inference.tiling import field_of, predict_tiled
from napari_cellseg_ssl.core.inference.windows import KnownField, KnownIntensity, cut_out, whole_frame
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TileDone
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import guarded
from napari_cellseg_ssl.tasks.predict import PredictionJob
from napari_cellseg_ssl.tasks.requests import InterpolationRequest

AROUND = {2: 1024, 3: 256}
"""px to each side of a region that count as its field, by the number of spatial axes; smaller frames count whole."""
PARTS = 100
"""Resolution of the progress of one step."""


@dataclass(frozen=True)
class InterpolationReady:
    """A part of one frame on its own grid, by degrees from image to mask, (steps, *S) float32 from -1 to 1."""

    stack: Array
    frame: int
    region: tuple[slice, ...]


def interpolate(
    request: InterpolationRequest, control: Control | None = None
) -> Iterator[Note | TileDone | InterpolationReady]:
    """Translate a part of a frame by degrees, from itself to its mask.

    It is scaled and normalised as in prediction, by the statistics of what lies around the region too.

    Yields
    ------
    Note, TileDone, `InterpolationReady`; a stop ends the stream without it.

    Raises
    ------
    CellSegError
        If the model cannot do this, or does not fit the image.
    """
    control = control or Control()
    if request.steps < 2:
        raise messages.too_few_steps(request.steps)
    with guarded("Interpolation"):
        window = _Window(request)
        yield from window.notes
        stack = []
        for done, tau in enumerate(np.linspace(0, 1, request.steps).tolist()):
            step = yield from window.translated(tau, done, request.steps, control)
            if step is None:
                return
            stack.append(step)
        yield InterpolationReady(np.stack(stack), request.frame, window.region)


class _Window:
    """A part of a frame, the field around it at the working scale, and a model that looks at them."""

    def __init__(self, request: InterpolationRequest) -> None:
        job, image, frame = PredictionJob(request), request.image, request.frame
        if not isinstance(job.predictor, Interpolates):
            raise messages.nothing_in_between(request.bundle.name, job.method.info.title)
        if not 0 <= frame < len(image.frames):
            raise messages.no_such_frame(image.name, len(image.frames), frame)
        self.notes, self._specs, self._predictor = job.notes, job.specs, job.predictor
        shape = image.spatial_shape
        self.region = _complete(request.region, shape)
        self._around = _grown(self.region, AROUND[len(shape)], shape)
        source = cut_out(image, frame, self._around)
        working = working_shape(source.spatial_shape, job.scale, image.aspect)
        self._field = field_of(
            source.frames[0], working, job.predictor, whole_frame(request.bundle.intensity, image, frame)
        )
        # Cut from the whole field's grid: a network that halves its grid sees something else a pixel further.
        zooms = [new / old for new, old in zip(working, source.spatial_shape, strict=True)]
        inner = [
            slice(
                floor(part.start * zoom / job.predictor.multiple_of) * job.predictor.multiple_of, ceil(part.stop * zoom)
            )
            for part, zoom in zip(_within(self.region, self._around), zooms, strict=True)
        ]
        self._read = _grown(inner, job.predictor.halo, working)

    def translated(
        self, tau: float, done: int, steps: int, control: Control
    ) -> Generator[TileDone | Note, None, Array | None]:
        """Yield progress; return the region (*S) on the way to its mask, None after a stop."""
        predictor = self._predictor.towards(tau)
        if isinstance(predictor, NeedsField):
            predictor = predictor.for_field(self._field)
        seen = self._field[(np.newaxis, slice(None), *self._read)]
        ndim = len(self._read)
        events = predict_tiled(
            ImageStack(name="window", frames=seen, axes="NC" + "ZYX"[-ndim:], spacing=(1.0,) * ndim),
            KnownField(predictor, working_diameter=None),
            diameter=1.0,
            specs=self._specs,
            intensity=KnownIntensity(measured=np.array([[0.0, 1.0]] * seen.shape[1], np.float32)),
            should_stop=control.should_stop,
        )
        for event in events:
            if isinstance(event, MapsReady):
                return self._on_own_grid(event.maps.arrays[next(iter(self._specs))][0, 0])
            if isinstance(event, TileDone):
                event = TileDone(PARTS * done + PARTS * event.done // event.total, PARTS * steps)
            yield event
        return None

    def _on_own_grid(self, seen: Array) -> Array:
        """Bring what was made of the part that was read to the grid of the image, and cut the region out."""
        field = np.zeros(self._field.shape[1:], np.float32)
        field[self._read] = seen
        around = resize_linear(field, [part.stop - part.start for part in self._around])
        return around[_within(self.region, self._around)]


def _complete(region: Sequence[slice], shape: Sequence[int]) -> tuple[slice, ...]:
    parts = region or [slice(None)] * len(shape)
    ends = (part.indices(size) for part, size in zip(parts, shape, strict=True))
    return tuple(slice(start, stop) for start, stop, _ in ends)


def _grown(region: Sequence[slice], by: int, shape: Sequence[int]) -> tuple[slice, ...]:
    pairs = zip(region, shape, strict=True)
    return tuple(slice(max(0, part.start - by), min(size, part.stop + by)) for part, size in pairs)


def _within(region: Sequence[slice], wide: Sequence[slice]) -> tuple[slice, ...]:
    pairs = zip(region, wide, strict=True)
    return tuple(slice(part.start - whole.start, part.stop - whole.start) for part, whole in pairs)
