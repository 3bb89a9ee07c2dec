"""ACTIS: a few painted cells, and everything that is not painted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.actis.options import PRESETS, TAGS, ActisOptions, ActisSegmentOptions
from napari_cellseg_ssl.core.methods.actis.validation import instances
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run
from napari_cellseg_ssl.core.nets.names import DETECTOR

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.events import TrainEvent
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

INFO = MethodInfo(
    id="actis",
    title="ACTIS",
    summary="Learns from a few painted cells, then teaches itself on everything that is not painted.",
    citation=(
        "Rumberger, Franzen, Hirsch, Albrecht, Kainmueller: ACTIS: Improving data efficiency by leveraging "
        "semi-supervised Augmentation Consistency Training for Instance Segmentation. ICCV Workshops, 2023."
    ),
    labels="required",
    spatial_ndims=(2,),
    train_options=ActisOptions,
    segment_options=ActisSegmentOptions,
    maps=(
        MapSpec("probability", "probability", 3, "background, interior, boundary"),
        MapSpec("confidence", "confidence", 1, "where the teacher is sure"),
        MapSpec("pseudo_labels", "pseudo-labels", 1, "the teacher's classes"),
    ),
    presets=PRESETS,
    learns_from_results=True,
    starts_from=(*TAGS.values(), DETECTOR),
)


class Actis:
    """Supervised baseline, teacher and student, watershed."""

    info = INFO

    def train(self, data: TrainingSet, options: ActisOptions, run: Run) -> Iterator[TrainEvent]:
        """Train; see `training.ActisTraining`."""
        from napari_cellseg_ssl.core.methods.actis.model_selection import ActisTraining
        from napari_cellseg_ssl.core.training.loop import train

        return train(ActisTraining, data, options, run)

    def for_channels(self, bundle: ModelBundle, channels: int) -> ModelBundle:
        """Let a model that reads the mean of all channels read so many; see `networks.reading`."""
        from napari_cellseg_ssl.core.methods.actis.network import reading

        return reading(bundle, channels)

    def predictor(self, bundle: ModelBundle, device: str) -> Predictor:
        """Load a trained network."""
        from napari_cellseg_ssl.core.methods.actis.network import predictor

        return predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: ActisSegmentOptions) -> Array:
        """Make instances from class probabilities by a seeded watershed."""
        labels = [instances(frame, maps.working_diameter, options) for frame in maps.arrays["probability"]]
        return maps.labels_to_source(np.stack(labels))


METHOD = Actis()
