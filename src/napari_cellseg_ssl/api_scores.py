"""Scores of instances against the truth, and of a detector for its instances, for notebooks and scripts."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg_ssl.api import Picture, opened, segment
from napari_cellseg_ssl.core.bundle import ModelBundle
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongRun
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.maps import PredictionMaps
from napari_cellseg_ssl.core.method import ScoresObjects
from napari_cellseg_ssl.core.metrics import set_scores
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.tasks.events import LabelsReady
from napari_cellseg_ssl.tasks.scoring import LabelImage, frame_scores


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


def score(prediction: Any, truth: Any, *, axes: str | None = None) -> dict[str, Any]:
    """Score instances against the truth: arrays of the same shape, or lists of them, one per image.

    Frames of a movie are images of their own: a cell may have another number in each.

    Parameters
    ----------
    axes : str, optional
        What the axes of the arrays are, for example "ZYX" for a volume. When absent, arrays are YX, TYX or TZYX, as
        `segment` takes and returns them: the slices of a bare (Z, Y, X) array would be scored one by one.

    Returns
    -------
    dict
        f1_50, seg, ap_50, ap_10_90, s_dsb, dice and more, as means over images, which are frames or volumes; n_images,
        n_truth and n_prediction; `notes`, a list of sentences that say what was assumed.
    """
    found, true = (x if isinstance(x, list | tuple) else [x] for x in (prediction, truth))
    if len(found) != len(true):
        raise WrongAnnotation(f"{len(found)} predictions but {len(true)} truths.", "Give one of each per image.")
    notes: list[str] = []
    scores = []
    for n, (t, p) in enumerate(zip(true, found, strict=True), start=1):
        pair = (LabelImage(np.asarray(one), None, f"image {n}") for one in (t, p))
        scores += frame_scores(*pair, axes=axes, tell=notes.append)
    return {**set_scores(scores), "notes": notes}
