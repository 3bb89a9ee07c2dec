"""Ask a model which regions are similar to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from napari_cellseg_ssl.core.inference.similar_regions import Alike, FindsAlike
from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import guarded
from napari_cellseg_ssl.tasks.pipelines import Model, ReadImage
from napari_cellseg_ssl.tasks.predict import PredictionJob
from napari_cellseg_ssl.tasks.requests import PredictRequest
from napari_cellseg_ssl.tasks.session.events import Began
from napari_cellseg_ssl.tasks.warm_up import load_torch

COUNT = 8


@dataclass(frozen=True)
class AlikeFound:
    """What looks alike in one frame of an image."""

    alike: Alike
    frame: int


def find_alike(
    request: PredictRequest, place: Sequence[int], count: int = COUNT, control: Control | None = None
) -> Iterator[Note | AlikeFound]:
    """Find what looks most like the part of an image around a place (frame, Y, X).

    Yields
    ------
    Note, `AlikeFound`; a stop ends the stream without it.

    Raises
    ------
    CellSegError
        If the method cannot do this, the model does not fit the image, or the place lies outside of it.
    """
    control = control or Control()
    if count < 1:
        raise messages.wrong_count(count)
    with guarded("The comparison"):
        job = PredictionJob(request)
        if not isinstance(job.method, FindsAlike):
            raise messages.does_not_find_similar(request.bundle.method_id)
        yield from job.notes
        found = job.method.alike(
            request.bundle,
            request.image,
            place,
            diameter=job.diameter,
            count=count,
            device=job.device,
            should_stop=control.should_stop,
        )
        if not control.should_stop():
            yield AlikeFound(found, place[0])


def show_alike(read: ReadImage, model: Model, place: Sequence[int], control: Control) -> Iterator[object]:
    """Do the same behind a button."""
    yield Began("likening")
    yield from load_torch()
    for event in find_alike(model.on(read()), place, control=control):
        yield event
        if isinstance(event, AlikeFound):
            yield Note(_sentence(event.alike))


def _sentence(found: Alike) -> str:
    others = found.similarity[1:]
    if not len(others):
        return "Nothing else in this image looks like that place, or the image is too small."
    if len(others) == 1:
        return f"One place looks like it, similarity {others[0]:.2f} of at most 1."
    return f"{len(others)} places look like it, similarity {others[0]:.2f} to {others[-1]:.2f} of at most 1."
