"""The Cellulus model that pseudo-labels come from: trained here or given, kept within the model it supports."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.cellulus import INFO, METHOD
from napari_cellseg_ssl.core.methods.cellulus.embeddings import TAG
from napari_cellseg_ssl.core.methods.cellulus_supported import messages
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import Proposal
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    MapsReady,
    Note,
    Snapshot,
    Started,
    Step,
    TrainEvent,
    TrainFinished,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.options import options_from_json, options_to_json
from napari_cellseg_ssl.core.training.frames import Frame

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run
    from napari_cellseg_ssl.core.options import Json

PREFIX = "cellulus."
PHASE = "cellulus"
PASSES = 2
"""Noisy predictions for pseudo-labels; more take longer and change nothing about what both methods agree on."""


@dataclass(frozen=True)
class AsItIs(Intensity):
    """Leave pixels alone: those of frames are normalised already, by the limits of their whole image."""

    def limits(self, frame: Array) -> Array:
        """Return 0 and 1 for every channel, (C, 2)."""
        return np.tile(np.array([0, 1], np.float32), (len(frame), 1))


def packed(guide: ModelBundle) -> tuple[dict[str, Array], dict[str, Json]]:
    """Turn a Cellulus model into arrays and a record that another model or a checkpoint can hold."""
    record: dict[str, Json] = {
        "train_options": options_to_json(guide.train_options),
        "segment_options": options_to_json(guide.segment_options),
        "architecture": dict(guide.architecture),
        "intensity": asdict(guide.intensity),
        "seed": guide.provenance.seed,
    }
    return {PREFIX + name: array for name, array in guide.weights.items()}, record


def unpacked(arrays: Mapping[str, Array], record: Mapping[str, Any]) -> ModelBundle:
    """Undo `packed`.

    Raises
    ------
    WrongRun
        If the record is none of a Cellulus model.
    """
    try:
        return ModelBundle(
            name="cellulus",
            method_id=INFO.id,
            train_options=options_from_json(INFO.train_options, record["train_options"]),
            segment_options=options_from_json(INFO.segment_options, record["segment_options"]),
            architecture=record["architecture"],
            intensity=Intensity(**record["intensity"]),
            weights={name.removeprefix(PREFIX): a for name, a in arrays.items() if name.startswith(PREFIX)},
            provenance=Provenance(seed=record["seed"]),
        )
    except (KeyError, TypeError) as problem:
        raise messages.cellulus_damaged(problem) from problem


def given_guide(run: Run, n_channels: int) -> ModelBundle | None:
    """Return the Cellulus model of the interrupted training, or that of the model to start from, if there is one.

    Raises
    ------
    WrongRun
        If it is for images of other channels.
    """
    if run.resume:
        record: Any = run.resume.meta.get("guide")
        guide = unpacked(run.resume.arrays, record) if record else None
    elif run.start_from is None or run.start_from.architecture.get("tag") == TAG:
        guide = run.start_from
    else:
        record = run.start_from.architecture.get("cellulus")
        guide = unpacked(run.start_from.weights, record) if record else None
    if guide is not None and guide.architecture["in_channels"] != n_channels:
        raise messages.cellulus_channels(guide.architecture["in_channels"], n_channels)
    return guide


def train_guide(
    data: TrainingSet, preset: str, run: Run, *, steps: int, share: float
) -> Generator[TrainEvent, None, ModelBundle | None]:
    """Train Cellulus in the first part of a run.

    Its checkpoints are passed on with `PHASE` as their phase, its snapshots as those of Cellulus.

    Parameters
    ----------
    steps : int
        Of Cellulus, where no time budget is given.
    share : float
        Of the whole work.

    Returns
    -------
    ModelBundle or None
        None after a stop.
    """
    options = replace(INFO.preset(preset), steps=max(1, steps))
    budget = run.time_budget and share * run.time_budget
    for event in METHOD.train(data, options, replace(run, start_from=None, time_budget=budget)):
        match event:
            case Step():
                yield replace(event, fraction=share * event.fraction, phase=PHASE)
            case Checkpoint():
                yield replace(event, meta={**event.meta, "phase": PHASE})
            case TrainFinished(bundle, reason):
                return None if reason == "stopped" else bundle
            case Note():
                yield event
            case Snapshot():
                yield replace(event, method_id=INFO.id)
            case Started():
                pass
            case _:
                yield event
    raise messages.cellulus_without_model()


def propose(
    guide: ModelBundle, frames: Iterable[Frame], diameter: float, device: str, should_stop: Callable[[], bool]
) -> Iterator[Proposal]:
    """Find the objects of frames without labels, by Cellulus and by the classical method; ends early after a stop.

    Parameters
    ----------
    frames : iterable of Frame
    diameter : float, px
        Of their objects.
    """
    quick = replace(guide, train_options=replace(guide.train_options, passes=PASSES))
    predictor = METHOD.predictor(quick, device)
    specs = {spec.name: spec for spec in INFO.maps}
    for frame in frames:
        image = ImageStack.from_array(frame.pixels, "CYX")
        events = predict_tiled(
            image, predictor, diameter=diameter, specs=specs, intensity=AsItIs(), should_stop=should_stop
        )
        ready = [event for event in events if isinstance(event, MapsReady)]
        if not ready:
            return
        yield Proposal(
            frame=frame,
            cellulus=METHOD.segment(ready[0].maps, guide.segment_options)[0],
            classical=segment_frame(frame.pixels.mean(axis=0), diameter, ClassicalSegmentOptions()),
        )
