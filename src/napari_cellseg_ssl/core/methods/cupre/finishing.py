"""The model that a training ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.cupre.networks import architecture
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.cupre.segmentation import CupreSegmentOptions
from napari_cellseg_ssl.core.torch_tools.weights import weights_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.events import Reason
    from napari_cellseg_ssl.core.method import Run
    from napari_cellseg_ssl.core.nets.detector.detector import Detector


def as_bundle(
    detector: Detector,
    options: CupreOptions,
    run: Run,
    *,
    steps: int,
    reason: Reason,
    scores: Mapping[str, float],
    notes: Sequence[str],
    segment_options: CupreSegmentOptions | None = None,
    history: tuple[Mapping[str, float], ...] = (),
) -> ModelBundle:
    """Put a detector and all that is known of it together."""
    return ModelBundle(
        name="cupre",
        method_id="cupre",
        train_options=options,
        segment_options=segment_options or CupreSegmentOptions(),
        architecture=architecture(detector.config, options.working_diameter),
        intensity=run.start_from.intensity if run.start_from else Intensity(),
        weights=weights_of(detector),
        provenance=Provenance(
            seed=run.seed,
            device=run.device,
            steps=steps,
            seconds=run.elapsed(),
            reason=reason,
            parent=run.start_from.id if run.start_from else "",
            scores=dict(scores),
            notes=tuple(notes),
        ),
        history=history,
    )
