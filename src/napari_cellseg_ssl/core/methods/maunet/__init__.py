"""MAUNet: painted cells of mixed modalities, with a class for what labels contradict each other in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run, SegmentationSteps
from napari_cellseg_ssl.core.methods.maunet import uncertainty
from napari_cellseg_ssl.core.methods.maunet.options import PRESETS, MaunetOptions, MaunetSegmentOptions
from napari_cellseg_ssl.core.methods.maunet.segment import instances, step_by_step
from napari_cellseg_ssl.core.nets.names import DETECTOR

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.events import TrainEvent
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

INFO = MethodInfo(
    id="maunet",
    title="MAUNet",
    summary="Learns from painted cells of mixed kinds of images, and shows where labels contradict each other.",
    citation=(
        "Li, Li, Sun, Mai, Luo, Wang, Pan, Xiong, Lai, Xiong, Zhang: MAUNet: Modality-Aware Anti-Ambiguity U-Net for "
        "Multi-Modality Cell Segmentation. NeurIPS 2022 Cell Segmentation Challenge."
    ),
    labels="required",
    usual_seconds=300,
    spatial_ndims=(2,),
    train_options=MaunetOptions,
    segment_options=MaunetSegmentOptions,
    maps=(
        MapSpec("probability", "probability", 3, "background, interior, boundary"),
        MapSpec("distance", "distance", 1, "closeness to the core of a cell"),
        MapSpec("ambiguity", "ambiguity", 1, "the proxy class: neither of the three"),
    ),
    presets=PRESETS,
    starts_from=("maunet", DETECTOR),
)


class Maunet:
    """Two decoders on one encoder, a proxy class, and a watershed in four steps."""

    info = INFO

    def train(self, data: TrainingSet, options: MaunetOptions, run: Run) -> Iterator[TrainEvent]:
        """Train; see `training.MaunetTraining`."""
        from napari_cellseg_ssl.core.methods.maunet.model_selection import MaunetTraining
        from napari_cellseg_ssl.core.training.loop import train

        return train(MaunetTraining, data, options, run)

    def for_channels(self, bundle: ModelBundle, channels: int) -> ModelBundle:
        """Let a model that reads the mean of all channels read so many; see `networks.reading`."""
        from napari_cellseg_ssl.core.methods.maunet.network import reading

        return reading(bundle, channels)

    def predictor(self, bundle: ModelBundle, device: str) -> Predictor:
        """Load a trained model."""
        from napari_cellseg_ssl.core.methods.maunet.network import predictor

        return predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: MaunetSegmentOptions) -> Array:
        """Make instances from class probabilities and the distance field."""
        pairs = zip(maps.arrays["probability"], maps.arrays["distance"], strict=True)
        return maps.labels_to_source(np.stack([instances(p, distance[0], options) for p, distance in pairs]))

    def steps(self, maps: PredictionMaps, options: MaunetSegmentOptions) -> SegmentationSteps:
        """Show what each of the four steps finds."""
        return step_by_step(maps, options)

    def remarks(self, bundle: ModelBundle, maps: PredictionMaps) -> Iterable[str]:
        """Say so where an image seems to be of another kind than those of the training."""
        return uncertainty.remarks(bundle, maps)


METHOD = Maunet()
