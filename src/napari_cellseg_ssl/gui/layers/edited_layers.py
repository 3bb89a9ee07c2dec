"""Which instances of a layer are the user's: found by comparing it with what was written, kept when it is written anew.

So an undone correction is none, and napari's own brush and eraser count as well. What was found is also noted in the
layer's record, from which it comes back when the layer is opened again.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels, Layer

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.kept_edits import Edits, find_edits, keep_edits
from napari_cellseg_ssl.gui.layers.tags import KEY, checksum_of, is_unedited

EDITS = "edits"
"""Name, in the record, of {frame: {"ids": [id, …], "deleted": [start, stop, start, …]}}, in px of the flat frame."""


@dataclass
class _Written:
    """A layer as it was written, and what was the user's already then."""

    pixels: Array
    """What the layer holds, changed in place by corrections."""
    labels: Array
    """The same as it was written."""
    edits: dict[int, Edits]
    has_undo: bool = False


_WRITTEN: "WeakKeyDictionary[Layer, _Written]" = WeakKeyDictionary()


def remember(layer: Labels, edits: dict[int, Edits] | None = None) -> None:
    """Note how a layer is written just now: what changes from here on is the user's."""
    before = _WRITTEN.get(layer)
    if before is None:
        layer.events.paint.connect(_on_paint)
    elif before.has_undo:
        _forget_undo(layer)
    _WRITTEN[layer] = _Written(layer.data, np.array(layer.data), edits or {})
    layer.metadata[KEY][EDITS] = {str(frame): _to_json(entry) for frame, entry in (edits or {}).items()}


def follow(layer: Labels) -> None:
    """Take up the edits that the record of a layer tells of, if the layer was opened with them."""
    noted = layer.metadata.get(KEY, {}).get(EDITS)
    if layer not in _WRITTEN and (noted or is_unedited(layer)):
        shape = layer.data.shape[-2:]
        remember(layer, {int(frame): _from_json(entry, shape) for frame, entry in (noted or {}).items()})


def keeps_edits(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether new pixels of a shape may be written to a layer without losing what the user changed in it.

    Not if somebody gave the layer other pixels altogether: then it is no longer ours.
    """
    known = _WRITTEN.get(layer)
    return known is not None and known.pixels is layer.data and known.labels.shape == shape


def is_edited(layer: Labels) -> bool:
    """Whether anything in a layer is the user's."""
    known = _WRITTEN.get(layer)
    if known is None:
        return bool(layer.metadata[KEY].get(EDITS)) or not is_unedited(layer)
    return bool(known.edits) or known.pixels is not layer.data or not np.array_equal(known.labels, known.pixels)


def edits_of(layer: Labels, frame: int) -> Edits:
    """Return what the user changed on a frame, and note it in the layer's record."""
    if not keeps_edits(layer, layer.data.shape):
        return Edits(frozenset(), np.zeros(layer.data.shape[-2:], dtype=bool))
    known = _WRITTEN[layer]
    edits = find_edits(_frames(known.labels)[frame], _frames(layer.data)[frame], known.edits.get(frame))
    noted = {**layer.metadata[KEY].get(EDITS, {}), str(frame): _to_json(edits)}
    layer.metadata[KEY][EDITS] = {number: entry for number, entry in noted.items() if entry}
    return edits


def with_edits(layer: Labels, new: Array) -> tuple[Array, dict[int, Edits]]:
    """Put what the user changed in a layer that `keeps_edits` into new pixels; return both."""
    known, found = _WRITTEN[layer], {}
    for frame, (written, labels) in enumerate(zip(_frames(known.labels), _frames(layer.data), strict=True)):
        if frame in known.edits or not np.array_equal(written, labels):
            found[frame] = find_edits(written, labels, known.edits.get(frame))
    found = {frame: edits for frame, edits in found.items() if edits}
    if not found:
        return new, {}
    kept = new.copy()
    for frame, edits in found.items():
        _frames(kept)[frame] = keep_edits(_frames(new)[frame], _frames(layer.data)[frame], edits)
    return kept, found


def forget_edits(layer: Labels) -> None:
    """Let the next result replace a layer, corrections and all; the pixels stay as they are until then."""
    remember(layer)
    layer.metadata[KEY]["checksum"] = checksum_of(layer.data)


def _frames(labels: Array) -> Array:
    return labels.reshape(-1, *labels.shape[-2:])


def _on_paint(event: Any) -> None:
    if event.source in _WRITTEN:
        _WRITTEN[event.source].has_undo = True


def _forget_undo(layer: Labels) -> None:
    """Empty napari's undo: its steps hold places and ids of other pixels than those that are there now."""
    tool = layer.mode
    layer.editable = False
    layer.editable = True
    layer.mode = tool


def _to_json(edits: Edits) -> dict[str, Any]:
    if not edits:
        return {}
    borders = np.flatnonzero(np.diff(edits.deleted.ravel(), prepend=False, append=False))
    return {"ids": sorted(edits.ids), "deleted": borders.tolist()}


def _from_json(entry: dict[str, Any], shape: tuple[int, ...]) -> Edits:
    deleted = np.zeros(int(np.prod(shape)), dtype=bool)
    borders = entry.get("deleted", [])
    for start, stop in zip(borders[::2], borders[1::2], strict=True):
        deleted[start:stop] = True
    return Edits(frozenset(entry.get("ids", [])), deleted.reshape(shape))
