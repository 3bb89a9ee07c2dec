"""Instances with the scores of a detector, for notebooks and scripts."""

from pathlib import Path
from typing import Any

from napari_cellseg_ssl.api import Picture, opened, segment
from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import ScoresObjects
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.tasks.events import LabelsReady


def segment_scored(
    model: str | Path | ModelBundle, image: Picture | PredictionMaps, **settings: Any
) -> tuple[Array, tuple[Array, ...]]:
    """Find the instances in an image as `segment` does, and say how sure the model is of each.

    Parameters
    ----------
    settings
        What else `segment` takes.

    Returns
    -------
    labels : (N, *S) or (*S) int32
    scores : tuple of (K,) float32
        One per frame: of the ids 1 to K, from 0 to 1.

    Raises
    ------
    WrongRun
        If the model's method gives no scores.
    """
    bundle = opened(model)
    if not isinstance(get_method(bundle.method_id), ScoresObjects):
        raise WrongRun(f"Models of '{bundle.method_id}' give no scores.", "Use `segment`.")
    listener, found = settings.pop("on_event", None), []

    def listen(event: object) -> None:
        if isinstance(event, LabelsReady):
            found.append(event.scores)
        if listener is not None:
            listener(event)

    labels = segment(bundle, image, on_event=listen, **settings)
    return labels, found[-1]
