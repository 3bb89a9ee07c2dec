"""Ask a model where it is in doubt, over all images of a set, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.inference.where_next import (
    FIELD_DIAMETERS,
    Clue,
    Field,
    clues_of,
    disagreement_of,
    fields_of,
    rank,
)
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TrainFinished, last_of
from napari_cellseg_ssl.tasks import messages
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.pipelines import REFERENCE, Example, Model, maps_among
from napari_cellseg_ssl.tasks.predict import predict
from napari_cellseg_ssl.tasks.requests import PredictRequest, TrainRequest
from napari_cellseg_ssl.tasks.session.events import Began
from napari_cellseg_ssl.tasks.train import train
from napari_cellseg_ssl.tasks.warm_up import load_torch

MOST_FIELDS = 12


@dataclass(frozen=True)
class FieldsRanked:
    """Fields that are worth painting, the best first; `Field.image` counts the examples that were asked about."""

    fields: tuple[Field, ...]


def where_next(
    examples: Sequence[Example], model: Model, control: Control, count: int = MOST_FIELDS
) -> Iterator[object]:
    """Rank the fields of all examples by the doubt of a model, what is painted left out.

    Yields
    ------
    Began, TileDone, Note, `FieldsRanked`; a stop ends the stream without a ranking.
    """
    yield Began("searching", can_pause=True)
    if get_method(model.bundle.method_id).info.uses_torch:
        yield from load_torch()
    candidates: list[Field] = []
    painted: list[int] = []
    for number, example in enumerate(examples):
        image = example.read()
        maps = yield from maps_among(model, example, image, number, len(examples), control)
        if control.should_stop():
            return
        note = example.annotation()
        known = np.zeros((len(image.frames), *image.spatial_shape), bool) if note is None else note.known
        side = round(FIELD_DIAMETERS * maps.diameter) if maps is not None else 1
        painted.append(round(known.sum() / side ** known[0].ndim))
        if maps is not None:
            candidates += fields_of(_clues(model, image, maps), known, side, number)
    if not candidates:
        yield Note(messages.certain_everywhere())
    yield FieldsRanked(rank(candidates, count, painted))


def _clues(model: Model, image: ImageStack, maps: PredictionMaps) -> tuple[Clue, ...]:
    """Clues of the maps, and where the instances made of them differ from the classical ones."""
    bundle = model.bundle
    if bundle.method_id == REFERENCE:
        return clues_of(maps)
    labels = get_method(bundle.method_id).segment(maps, bundle.segment_options)
    return (*clues_of(maps), disagreement_of(labels, _reference(image, maps.diameter)))


def _reference(image: ImageStack, diameter: float) -> Array:
    """Classical instances of an image, (N, *S)."""
    request = TrainRequest(method_id=REFERENCE, images=(image,), object_diameter=diameter)
    bundle = last_of(train(request), TrainFinished).bundle
    maps = last_of(predict(PredictRequest(bundle=bundle, image=image)), MapsReady).maps
    return get_method(REFERENCE).segment(maps, bundle.segment_options)
