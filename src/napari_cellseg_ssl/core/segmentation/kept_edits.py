"""What a person corrected survives when instances are made anew. All on one frame, (Y, X)."""

from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.segmentation.corrections import areas_of


@dataclass(frozen=True)
class Edits:
    """What a person changed on one frame of instances.

    Parameters
    ----------
    ids : frozenset of int
        Instances that are the person's now.
    deleted : (Y, X) bool
        Where instances were that the person deleted.
    """

    ids: frozenset[int]
    deleted: Array

    def __bool__(self) -> bool:
        return bool(self.ids) or bool(self.deleted.any())


def find_edits(written: Array, labels: Array, before: Edits | None = None) -> Edits:
    """Compare labels with how they were written.

    An instance is edited if any of its pixels came, went or changed its id, and deleted if none is left.

    Parameters
    ----------
    written, labels : (Y, X) integer
    before : Edits, optional
        What was edited already when `written` was written.
    """
    is_changed = written != labels
    earlier = sorted(before.ids) if before else []
    touched = np.unique(np.concatenate([written[is_changed], labels[is_changed], np.array(earlier, labels.dtype)]))
    touched = touched[touched > 0]
    present = np.unique(labels[np.isin(labels, touched)])
    deleted = is_changed & (labels == 0)
    deleted[deleted] = ~np.isin(written[deleted], present)
    if before is not None:
        deleted |= before.deleted
    return Edits(frozenset(int(number) for number in present), deleted)


def keep_edits(new: Array, old: Array, edits: Edits) -> Array:
    """Put edited instances into new labels, and leave out what was deleted.

    Edited instances keep pixels and id. A new instance is left out if it shares more than half of the smaller of the
    two with an edited one, or if more than half of it is where one was deleted; of others the edited ones take what
    they cover. New instances with an id of an edited one get another.

    Parameters
    ----------
    new, old : (Y, X) integer
        What a method says now, and the labels with the edits.

    Returns
    -------
    (Y, X) of the dtype of `new`
    """
    kept = np.where(np.isin(old, list(edits.ids)), old, 0).astype(new.dtype)
    highest = int(new.max(initial=0))
    number = np.arange(highest + 1, dtype=new.dtype)
    taken = [edited for edited in edits.ids if edited <= highest]
    number[taken] = max(highest, max(edits.ids, default=0)) + 1 + np.arange(len(taken))
    number[list(_same_cells(new, kept) | _mostly_within(new, edits.deleted))] = 0
    return np.where(kept > 0, kept, number[new])


def _same_cells(new: Array, kept: Array) -> set[int]:
    """Find new instances that share more than half of the smaller of the two with a kept one."""
    is_shared = (new > 0) & (kept > 0)
    base = int(kept.max(initial=0)) + 1
    codes, shared = np.unique(new[is_shared].astype(np.int64) * base + kept[is_shared], return_counts=True)
    pairs = codes // base, codes % base
    (ids, which), (kept_ids, by_which) = (np.unique(side, return_inverse=True) for side in pairs)
    smaller = np.minimum(areas_of(new, ids)[which], areas_of(kept, kept_ids)[by_which])
    return {int(number) for number in pairs[0][2 * shared > smaller]}


def _mostly_within(new: Array, region: Array) -> set[int]:
    """Find new instances of which more than half lies in a region."""
    inside = new[region & (new > 0)]
    ids = np.unique(inside)
    return {int(number) for number in ids[2 * areas_of(inside, ids) > areas_of(new, ids)]}
