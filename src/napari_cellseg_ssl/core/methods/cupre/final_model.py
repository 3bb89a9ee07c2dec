"""The model that a training ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_cellseg_ssl.core.methods.cupre.network import architecture
from napari_cellseg_ssl.core.methods.cupre.segment import CupreSegmentOptions
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.training.weights import weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
    from napari_cellseg_ssl.core.nets.detector.detector import Detector
    from napari_cellseg_ssl.core.training.base import Training

BATCHES_TO_MEASURE, CROPS_TO_MEASURE = 8, 4
"""Over which the statistics of normalisation are measured."""


def settle(detector: Detector, crops: ObjectCrops, device: str) -> None:
    """Measure the statistics of the backbone's normalisation on images as they are."""
    from napari_cellseg_ssl.core.training.batch_statistics import recalibrate

    rng = np.random.default_rng(0)
    batches = (detector.expected(crops.unchanged(rng, CROPS_TO_MEASURE).to(device)) for _ in range(BATCHES_TO_MEASURE))
    recalibrate(detector.backbone.body, batches)


def as_bundle(
    work: Training, *, scores: Mapping[str, float], segment_options: CupreSegmentOptions | None = None
) -> ModelBundle:
    """Put a detector and what is known of it together."""
    return ModelBundle(
        name="cupre",
        method_id="cupre",
        train_options=work.options,
        segment_options=segment_options or CupreSegmentOptions(),
        architecture=architecture(work.result.config, work.options.working_diameter),
        intensity=work.intensity,
        weights=weights_of(work.result),
        provenance=Provenance(scores=dict(scores)),
    )
