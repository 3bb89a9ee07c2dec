"""Scores of instances against the truth, for notebooks and scripts."""

from typing import Any

import numpy as np

from napari_cellseg_ssl.api import messages
from napari_cellseg_ssl.core.metrics.scores import set_scores
from napari_cellseg_ssl.tasks.score import LabelImage, frame_scores


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
        raise messages.one_truth_each(len(found), len(true))
    notes: list[str] = []
    scores = []
    for n, (t, p) in enumerate(zip(true, found, strict=True), start=1):
        pair = (LabelImage(np.asarray(one), None, f"image {n}") for one in (t, p))
        scores += frame_scores(*pair, axes=axes, tell=notes.append)
    return {**set_scores(scores), "notes": notes}
