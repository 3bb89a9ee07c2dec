"""Scores of one set of labels against another: lines that a person can read, every object, and where errors are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.metrics.scores import (
    ObjectMatch,
    image_scores,
    mean_overlap,
    object_table,
    pooled_f1,
    set_scores,
    sparse_score,
)
from napari_cellseg_ssl.gui import messages

MISSED, EXTRA, BOTH = 1, 2, 3
"""Ids in the picture of errors; both where a missed cell and a wrong instance lie on top of each other."""
ORDER = ("missed", "extra", "found", "unknown")

MEANINGS = {
    "f1_50": ("F1 at IoU 0.5", "Cells found and cells invented, in one number; a cell counts from half overlap on."),
    "seg": ("SEG", "Mean overlap (IoU) of the true cells, 0 for those that are missed. Cell Tracking Challenge."),
    "ap_50": ("AP at IoU 0.5", "Share of the predicted cells that are right: TP / (TP + FP). ACTIS paper, as printed."),
    "ap_10_90": ("AP, IoU 0.1–0.9", "The same, averaged over the thresholds 0.1, 0.2 … 0.9."),
    "s_dsb": ("S-DSB", "TP / (TP + FP + FN) at IoU 0.5, as in the 2018 Data Science Bowl."),
    "dice": ("Dice", "Overlap of what is cell in the one with what is cell in the other, whichever cell it is."),
    "pr_50": ("Precision × recall, 0.5", "What the ACTIS tables show as AP50."),
    "pr_10_90": ("Precision × recall, 0.1–0.9", "What the ACTIS tables show as AP, averaged over thresholds."),
}
F1_WHERE_PAINTED = (
    "As F1 at IoU 0.5. An instance counts as extra only if half of it is painted, or if it covers more than half of a "
    "painted cell that it does not match."
)


@dataclass(frozen=True)
class ScoreLine:
    """One line of the table: name, value, and what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class ScoredObject:
    """One line of the table of objects, with its frame and the centre (len(S),) px of the true cell or the instance."""

    match: ObjectMatch
    frame: int
    centre: tuple[float, ...]

    @property
    def area(self) -> int:
        """Pixels of the true cell; where there is none, of the instance."""
        return self.match.truth_area or self.match.prediction_area

    @property
    def is_error(self) -> bool:
        """Whether it was missed, or is no cell."""
        return self.match.verdict in ("missed", "extra")


@dataclass(frozen=True)
class Scored:
    """What a comparison found: lines of scores, objects with errors first, and the picture of errors (N, *S) uint8."""

    lines: tuple[ScoreLine, ...]
    objects: tuple[ScoredObject, ...]
    errors: Array
    known_share: float


def scored(truth: Annotation, prediction: Array) -> Scored:
    """Score instances, (N, *S), against what is known, and list every object; raises as `score_lines`."""
    lines = score_lines(truth, prediction)
    frames = list(zip(truth.cells, truth.known, prediction, strict=True))
    tables = [object_table(cells, labels, known) for cells, known, labels in frames]
    objects = [one for n, table in enumerate(tables) for one in _placed(n, table, truth.cells[n], prediction[n])]
    objects.sort(key=lambda one: (ORDER.index(one.match.verdict), one.match.iou))
    pictures = [_errors(table, cells, labels) for table, (cells, _, labels) in zip(tables, frames, strict=True)]
    return Scored(lines, tuple(objects), np.stack(pictures), float(truth.known.mean()))


def _placed(frame: int, table: Sequence[ObjectMatch], cells: Array, labels: Array) -> list[ScoredObject]:
    from scipy.ndimage import center_of_mass

    true = [row for row in table if row.truth_id]
    others = [row for row in table if not row.truth_id]
    centres = center_of_mass(cells > 0, cells, [row.truth_id for row in true])
    centres += center_of_mass(labels > 0, labels, [row.prediction_id for row in others])
    return [ScoredObject(row, frame, tuple(centre)) for row, centre in zip(true + others, centres, strict=True)]


def _errors(table: Sequence[ObjectMatch], cells: Array, labels: Array) -> Array:
    missed = np.isin(cells, [row.truth_id for row in table if row.verdict == "missed"])
    extra = np.isin(labels, [row.prediction_id for row in table if row.verdict == "extra"])
    return (missed * MISSED + extra * EXTRA).astype(np.uint8)


def score_lines(truth: Annotation, prediction: Array) -> tuple[ScoreLine, ...]:
    """Score instances, (N, *S), against what is known.

    Raises
    ------
    WrongAnnotation
        If the shapes differ, or there is nothing to score against.
    """
    if truth.cells.shape != prediction.shape:
        raise messages.shapes_differ(truth.cells.shape, prediction.shape)
    if not truth.known.any():
        raise messages.truth_is_empty()
    return _complete(truth, prediction) if truth.known.all() else _sparse(truth, prediction)


def as_text(lines: Sequence[ScoreLine]) -> str:
    """Write lines as a table that a spreadsheet takes."""
    return "\n".join(f"{line.name}\t{line.value}" for line in lines)


def _complete(truth: Annotation, prediction: Array) -> tuple[ScoreLine, ...]:
    images = [image_scores(t, p) for t, p in zip(truth.cells, prediction, strict=True)]
    scores = set_scores(images)
    f1, *others = [ScoreLine(title, f"{scores[name]:.3f}", meaning) for name, (title, meaning) in MEANINGS.items()]
    found = sum(image.tp for image in images)
    lines = [f1, *_counts(int(scores["n_truth"]), int(scores["n_prediction"]), found), *others]
    if len(images) > 1:
        lines.append(ScoreLine("Frames", str(len(images)), "Scores are means over frames."))
    return tuple(lines)


def _sparse(truth: Annotation, prediction: Array) -> tuple[ScoreLine, ...]:
    frames = zip(truth.cells, truth.known, prediction, strict=True)
    matches = [sparse_score(cells, known, labels) for cells, known, labels in frames if known.any()]
    n_truth, n_judged = sum(m.n_truth for m in matches), sum(m.n_prediction for m in matches)
    n_instances = sum(int(np.count_nonzero(np.unique(labels))) for labels in prediction)
    return (
        ScoreLine("F1 where painted", f"{pooled_f1(matches):.3f}", F1_WHERE_PAINTED),
        *_counts(n_truth, n_judged, sum(m.tp for m in matches)),
        ScoreLine("Not scored", str(n_instances - n_judged), "Instances where nothing is painted: they may be cells."),
        ScoreLine("Overlap", f"{mean_overlap(matches):.3f}", "Mean IoU of the painted cells, 0 for those not touched."),
    )


def _counts(n_truth: int, n_prediction: int, found: int) -> list[ScoreLine]:
    return [
        ScoreLine("True cells", str(n_truth), "Cells in the truth, all frames."),
        ScoreLine("Found", str(found), "True cells that an instance covers at IoU above 0.5."),
        ScoreLine("Missed", str(n_truth - found), "True cells without such an instance."),
        ScoreLine("Extra", str(n_prediction - found), "Instances that match no true cell."),
    ]
