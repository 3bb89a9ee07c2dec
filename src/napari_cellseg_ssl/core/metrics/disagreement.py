"""Where two segmentations of the same image differ."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.matching import match_instances


def disagreements(first: Array, second: Array) -> Array:
    """Keep the instances of either image that have no partner in the other at IoU 0.5.

    Parameters
    ----------
    first, second : (*S) integer

    Returns
    -------
    (*S) int32
        Ids of `first` as they are, those of `second` after them; where both lie, the ones of `second`.
    """
    matches = match_instances(first, second)
    alone = np.where(np.isin(first, matches.truth_ids), 0, first)
    others = np.where(np.isin(second, matches.prediction_ids), 0, second)
    return np.where(others > 0, others + first.max(initial=0), alone).astype(np.int32)
