"""What is kept from training for validation: whole cells with their surroundings, or whole images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.scores import pooled_f1, sparse_score
from napari_cellseg_ssl.core.training.frames import Frame

FEWEST_CELLS, FEWEST_DENSE = 4, 5
SHARE = 0.2
NEAR = 8
"""Known background within this many px of a held-out cell is held out with it."""
MARGIN = 48
"""Px of context around what is judged."""
CLOSE_IOU = 0.05


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Known things by which a network is judged, and the image around them.

    Parameters
    ----------
    pixels : (C, Y, X) float32
    cells : (Y, X) int32
    known : (Y, X) bool
    """

    pixels: Array
    cells: Array
    known: Array

    @property
    def n_cells(self) -> int:
        """Number of cells to find."""
        return int(np.count_nonzero(np.unique(self.cells[self.known])))


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well known cells were found.

    Parameters
    ----------
    f1 : float
        Pooled F1 at IoU 0.5, judged on known pixels only.
    iou : float
        Mean over the known cells; a missed one counts 0.
    n_cells : int
    """

    f1: float
    iou: float
    n_cells: int


def score_labels(labels: Sequence[Array], judged: Sequence[Judged]) -> Score:
    """Score instances, (Y, X) integer each, against what is known of each image."""
    matches = [sparse_score(one.cells, one.known, found) for found, one in zip(labels, judged, strict=True)]
    n_cells = sum(m.n_truth for m in matches)
    return Score(
        f1=pooled_f1(matches),
        iou=sum(float(m.iou.sum()) for m in matches) / max(1, n_cells),
        n_cells=n_cells,
    )


def best_candidate(scores: Mapping[str, Score]) -> str:
    """Name the best network: of those within one cell of the best F1 and close to the best IoU among them, the first.

    With a dozen held-out cells, one cell more or less is chance; so the order in which networks are given, that of
    trust, decides among near equals. Cross-entropy has no say: it favours the timid ones.
    """
    best = max(one.f1 for one in scores.values())
    close = {name: one for name, one in scores.items() if one.f1 >= best - 1 / max(1, one.n_cells)}
    best_iou = max(one.iou for one in close.values())
    return next(name for name, one in close.items() if one.iou >= best_iou - CLOSE_IOU)


def to_judge_by(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Leave pseudo-labels out, unless hardly any cell is painted."""
    painted = tuple(frame.painted for frame in frames)
    enough = sum(len(frame.cell_ids) for frame in painted) >= FEWEST_CELLS
    return painted if enough else tuple(frames)


def hold_out(frames: Sequence[Frame], seed: int) -> tuple[tuple[Frame, ...], tuple[Judged, ...]]:
    """Split what is known into a part to learn from and a part to validate on.

    A fifth of the cells; of completely annotated images, when there are five or more, a fifth of the images. Held-out
    cells stay visible in training crops, as pixels about which nothing is known. With fewer than four cells nothing
    is held out. Pseudo-labels are not held out, unless there is hardly anything else.

    Returns
    -------
    frames : tuple of Frame
        The same images, knowing less.
    judged : tuple of Judged
    """
    rng = np.random.default_rng(seed)
    trusted = to_judge_by(frames)
    if sum(len(frame.cell_ids) for frame in trusted) < FEWEST_CELLS:
        return tuple(frames), ()
    dense = [i for i, frame in enumerate(trusted) if frame.is_dense and len(frame.cell_ids)]
    if len(dense) >= FEWEST_DENSE:
        chosen = set(rng.permutation(dense)[: round(SHARE * len(dense))].tolist())
        regions = {i: trusted[i].known for i in chosen}
    else:
        regions = _regions(trusted, rng)
    judged = tuple(judge(trusted[i], known) for i, known in sorted(regions.items()))
    return tuple(_without(frame, regions.get(i)) for i, frame in enumerate(frames)), judged


def within_area(judged: Sequence[Judged], pixels: int) -> tuple[Judged, ...]:
    """Take the first few, up to so many pixels together, large ones in part: judging must not take long."""
    parts = [_part(one, pixels) for one in judged]
    areas = np.cumsum([one.known.size for one in parts])
    return tuple(one for one, area in zip(parts, areas, strict=True) if area <= pixels) or tuple(parts[:1])


def _part(judged: Judged, pixels: int) -> Judged:
    """Cut a square of at most so many pixels around one of the cells in the middle."""
    if judged.known.size <= pixels:
        return judged
    side = int(pixels**0.5)
    places = np.argwhere(judged.cells > 0) if judged.n_cells else np.argwhere(judged.known)
    corner = np.maximum(0, places[len(places) // 2] - side // 2)
    window = tuple(slice(int(start), int(start) + side) for start in corner)
    return Judged(pixels=judged.pixels[(slice(None), *window)], cells=judged.cells[window], known=judged.known[window])


def judge(frame: Frame, known: Array | None = None) -> Judged:
    """Cut out the surroundings of known pixels, those of the whole frame by default."""
    known = frame.known if known is None else known
    window = tuple(
        slice(max(0, int(places.min()) - MARGIN), int(places.max()) + 1 + MARGIN) for places in np.nonzero(known)
    )
    cells = np.where(known, frame.cells, 0)
    return Judged(pixels=frame.pixels[(slice(None), *window)], cells=cells[window], known=known[window])


def _without(frame: Frame, region: Array | None) -> Frame:
    if region is None:
        return frame
    known = frame.known & ~region
    return replace(frame, known=known, cells=np.where(known, frame.cells, 0), is_dense=False)


def _regions(frames: Sequence[Frame], rng: np.random.Generator) -> dict[int, Array]:
    """Choose cells in proportion to each frame's number, neighbours together, and a fifth of the strokes."""
    counts = np.array([len(frame.cell_ids) for frame in frames])
    wanted = max(1 if counts.sum() < 10 else 2, round(SHARE * int(counts.sum())))
    quotas = np.floor(SHARE * counts).astype(int)
    leftover = SHARE * counts - quotas + rng.uniform(0, 1e-3, len(counts))
    leftover[counts == 0] = -1
    quotas[np.argsort(-leftover)[: max(0, wanted - int(quotas.sum()))]] += 1
    return {i: _region(frames[i], int(quota), rng) for i, quota in enumerate(quotas) if quota}


def _region(frame: Frame, count: int, rng: np.random.Generator) -> Array:
    ids = frame.cell_ids
    centres = np.array(ndimage.center_of_mass(frame.cells > 0, frame.cells, ids))
    first = centres[rng.integers(len(ids))]
    nearest = np.argsort(((centres - first) ** 2).sum(1), kind="stable")[:count]
    held = np.isin(frame.cells, ids[nearest]) & frame.known
    ground = frame.known & (frame.cells == 0)
    near = ground & (ndimage.distance_transform_edt(~held) <= NEAR)
    strokes, n_strokes = ndimage.label(ground & ~near)
    apart = rng.permutation(n_strokes)[: round(SHARE * n_strokes)] + 1
    return held | near | np.isin(strokes, apart)
