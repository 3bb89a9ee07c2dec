"""What the steps of a segmentation find, for notebooks and scripts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api import opened
from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import SegmentationSteps, ShowsSteps
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.registry import get_method


def steps(
    model: str | Path | ModelBundle, maps: PredictionMaps, *, options: Mapping[str, Any] | None = None
) -> SegmentationSteps:
    """Make instances as `segment` does, and keep the seeds and partial results of each step.

    Parameters
    ----------
    maps : PredictionMaps
        What `predict` returned.
    options : {name: value}, optional
        Segmentation options that differ from the model's own.

    Raises
    ------
    WrongRun
        If the model's method has no steps to show.
    """
    bundle = opened(model)
    method = get_method(bundle.method_id)
    if not isinstance(method, ShowsSteps):
        raise WrongRun(
            f"Models of '{bundle.method_id}' make instances in one step.", "Look at the maps that `predict` returns."
        )
    return method.steps(maps, with_values(bundle.segment_options, options or {}))
