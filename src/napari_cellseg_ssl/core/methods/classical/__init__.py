"""The classical reference: a threshold and a distance watershed at the objects' size. Instant, nothing to learn.

It stands beside every learned result, because a method that does not beat it is not worth its training time.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions, ClassicalTrainOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import Started, Step, TrainEvent, TrainFinished
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance

INFO = MethodInfo(
    id="classical",
    title="Classical",
    summary="Threshold and distance watershed at the object's size. Needs no labels and no training.",
    citation="Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979); Vincent and Soille, IEEE TPAMI 13, 583 (1991).",
    labels="none",
    spatial_ndims=(2, 3),
    train_options=ClassicalTrainOptions,
    segment_options=ClassicalSegmentOptions,
    maps=(MapSpec("intensity", "intensity", 1, "Mean intensity"),),
    uses_torch=False,
)


class MeanIntensity:
    """Predict the mean of the normalised channels, pixel by pixel."""

    halo = 0
    multiple_of = 1
    working_diameter: float | None = None

    def __call__(self, crops: Array, origins: Array) -> Mapping[str, Array]:
        """Return {"intensity": (B, 1, *S) float32} of crops (B, C, *S)."""
        return {"intensity": crops.mean(axis=1, keepdims=True, dtype=np.float32)}


class Classical:
    """Otsu's threshold and a watershed, as a method like the others."""

    info = INFO

    def train(self, data: TrainingSet, options: ClassicalTrainOptions, run: Run) -> Iterator[TrainEvent]:
        """Make a run without weights."""
        yield Started(1, run.device)
        stopped = run.should_stop()
        yield Step(1, 1.0, {})
        yield TrainFinished(_bundle(data, options, run), "stopped" if stopped else "completed")

    def predictor(self, bundle: ModelBundle, device: str) -> Predictor:
        """Average the channels."""
        return MeanIntensity()

    def segment(self, maps: PredictionMaps, options: Any) -> Array:
        """Threshold and split every frame, (N, *S) int32."""
        frames = maps.arrays["intensity"][:, 0]
        return maps.labels_to_source(np.stack([segment_frame(f, maps.working_diameter, options) for f in frames]))

    def segment_pixels(self, pixels: Array, diameter: float) -> Array:
        """Threshold and split one frame with the default options."""
        return segment_frame(pixels, diameter, ClassicalSegmentOptions())


def _bundle(data: TrainingSet, options: ClassicalTrainOptions, run: Run) -> ModelBundle:
    image = data.items[0].image
    return ModelBundle(
        name="classical",
        method_id=INFO.id,
        train_options=options,
        segment_options=ClassicalSegmentOptions(),
        architecture={
            "tag": "classical",
            "in_channels": image.n_channels,
            "spatial_ndim": len(image.spatial_shape),
        },
        weights={},
        provenance=Provenance(seed=run.seed, device=run.device),
    )


METHOD = Classical()
