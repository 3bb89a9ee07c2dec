"""How sure a detector is of each instance, in the features of the layer that shows them."""

import numpy as np
from napari.layers import Image, Labels

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.instance_scores import scores_of
from napari_cellseg_ssl.gui.layers.edited_layers import EDITS, edits_of
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.tags import KEY

SCORE, INDEX = "score", "index"
"""Columns: the second is where napari looks for the id of a label."""


def note_scores(layer: Labels, image: Image, labels: Array, scores: tuple[Array, ...]) -> None:
    """Write scores into the features of a layer, so that napari shows them under the mouse.

    Of several frames there is no table: their ids are counted anew in each, and napari has one table for all. What a
    person corrected has no score.

    Parameters
    ----------
    layer : Labels
        What was written into it are `labels`, with corrections that were kept.
    image : Image
        What they lie on.
    labels : (N, *S) int32
        As the detector found them.
    scores : tuple of (K,) float
    """
    if len(scores) != 1:
        return
    ids = np.arange(len(scores[0])) + 1
    edited = _noted_edits(layer)
    origin = {int(id_): int(id_) for id_ in ids if id_ not in edited}
    if edited:
        pixels = layout_of(image, ndim=labels.ndim - 1).gather(layer.data)[0]
        renamed = (pixels > len(ids)) & (labels[0] > 0)  # their ids belong to corrected ones
        pairs = np.unique(np.stack([pixels[renamed], labels[0][renamed]]), axis=1)
        origin |= {int(now): int(was) for now, was in pairs.T if int(now) not in edited}
        present = set(np.unique(pixels).tolist())
        origin = {now: was for now, was in origin.items() if now in present}
    shown = np.array(sorted(origin), np.int64)
    found = scores_of(np.array([origin[int(id_)] for id_ in shown], np.int64), scores[0])
    layer.features = {INDEX: shown, SCORE: found}


def scores_in(layer: Labels) -> tuple[Array, ...]:
    """Read the scores of a layer of one frame by id, NaN where there is none; empty where it has no scores."""
    table = layer.features
    if SCORE not in table or INDEX not in table:
        return ()
    ids, scores = np.asarray(table[INDEX], np.int64), np.asarray(table[SCORE], np.float32)
    known = ~np.isin(ids, sorted(_noted_edits(layer) | edits_of(layer, 0).ids))
    found = np.full(int(ids.max(initial=0)), np.nan, np.float32)
    found[ids[known] - 1] = scores[known]
    return (found,)


def _noted_edits(layer: Labels) -> set[int]:
    """Ids that are a person's, of the first frame."""
    return set(layer.metadata.get(KEY, {}).get(EDITS, {}).get("0", {}).get("ids", []))
