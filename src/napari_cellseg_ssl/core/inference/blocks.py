"""Large frames in overlapping blocks, and one set of instances out of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

WHOLE, WHOLE_3D = 4096, 256
"""Frames up to this many px a side (squared) are done in one piece, volumes up to so many working px (cubed)."""
CORE, CORE_3D = 2048, 160
OVERLAP, OVERLAP_3D = 2.0, 1.5
"""Margin around a block's core, in object diameters, besides the network's context."""
TOLERANCE = 4.0
"""How far outside a core, in px, the middle of an object may lie and still be offered to the seam."""


@dataclass(frozen=True)
class Block:
    """A piece of a frame: what is read of it, and the core, within the frame, that it answers for."""

    read: tuple[slice, ...]
    core: tuple[slice, ...]


def plan_blocks(
    shape: Sequence[int],
    diameter: float,
    aspect: Sequence[float] = (),
    scale: float = 1.0,
    *,
    halo: int = 0,
    multiple_of: int = 1,
) -> tuple[Block, ...]:
    """Cut a frame into blocks whose cores cover each px once; one block where the frame is small enough.

    Parameters
    ----------
    diameter : float
        Object diameter, px of the plane.
    aspect : sequence of float
        Size of a px along each axis, in px of the plane; empty where it is the same along all.
    scale : float
        Working px per px of the plane. It decides how much memory a volume takes.
    halo : int
        Context that the network needs, working px: objects at a seam are seen in full with theirs.
    multiple_of : int
        Blocks begin where the network's grid, with a point every so many working px, has one, up to rounding: so an
        object looks the same from all blocks that see it.
    """
    ndim = len(shape)
    is_flat, sizes = ndim == 2, aspect or (1.0,) * ndim
    whole_side, core, overlap = (WHOLE, CORE, OVERLAP) if is_flat else (WHOLE_3D, CORE_3D, OVERLAP_3D)
    working = [1.0 if is_flat else scale * each for each in sizes]
    if np.prod([size * each for size, each in zip(shape, working, strict=True)]) <= float(whole_side) ** ndim:
        whole = tuple(slice(0, size) for size in shape)
        return (Block(whole, whole),)
    axes = []
    for size, in_plane, each in zip(shape, sizes, working, strict=True):
        px = scale * in_plane
        margin = overlap * diameter / in_plane + halo / px
        edges = np.linspace(0, size, ceil(size * each / core) + 1).astype(int)
        axes.append(
            [
                (_on_grid(a - margin, b + margin, multiple_of / px, size), slice(a, b))
                for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
            ]
        )
    return tuple(Block(*(tuple(part[i] for part in parts) for i in range(2))) for parts in product(*axes))


class SeamWriter:
    """Collect the instances of blocks in one frame.

    Neighbouring blocks both see an object at their seam in full. The one whose core holds the object's middle
    writes it; an object that is mostly written already is the same one seen twice, and is left out.

    Parameters
    ----------
    labels : (*S) integer
        Filled in place; zeros at the start.
    alone : bool
        There is only one block, so its labels are the frame's.
    """

    def __init__(self, labels: Array, *, alone: bool) -> None:
        self._labels = labels
        self._alone = alone
        self._last_id = 0
        self._scores: list[Array] = []

    @property
    def scores(self) -> Array:
        """Scores of what was written, in the order of its ids."""
        return np.concatenate(self._scores) if self._scores else np.zeros(0, np.float32)

    def add(self, found: Array, block: Block, scores: Array | None = None) -> None:
        """Write the instances (*S of `block.read`) that belong to the block, with the scores of their ids from 1."""
        if self._alone:
            self._labels[...] = found
            self._scores += [] if scores is None else [scores]
            return
        from scipy import ndimage

        boxes = ndimage.find_objects(found)
        ids = [i + 1 for i, box in enumerate(boxes) if box is not None]
        middles = ndimage.center_of_mass(found > 0, found, ids) if ids else []
        offset = np.array([r.start for r in block.read])
        target = self._labels[block.read]
        for id_, middle in zip(ids, middles, strict=True):
            if not _is_within(np.asarray(middle) + offset, block.core):
                continue
            box = boxes[id_ - 1]
            mask = found[box] == id_
            free = mask & (target[box] == 0)
            if 2 * np.count_nonzero(free) > np.count_nonzero(mask):
                self._last_id += 1
                target[box][free] = self._last_id
                self._scores += [] if scores is None else [scores[id_ - 1 : id_]]


def _on_grid(first: float, last: float, step: float, size: int) -> slice:
    """Widen a range to multiples of a step, and cut it to an axis of `size` px."""
    return slice(max(0, round(floor(first / step) * step)), min(size, round(ceil(last / step) * step)))


def _is_within(point: Array, core: tuple[slice, ...]) -> bool:
    return all(s.start - TOLERANCE <= p < s.stop + TOLERANCE for p, s in zip(point, core, strict=True))
