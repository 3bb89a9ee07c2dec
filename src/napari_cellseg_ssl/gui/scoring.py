"""Scores of one set of labels against another, as lines that a person can read."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.metrics import image_scores, pooled_f1, set_scores, sparse_score

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


@dataclass(frozen=True)
class ScoreLine:
    """One line of the table: name, value, and what it means."""

    name: str
    value: str
    meaning: str


def score_lines(truth: Annotation, prediction: Array) -> tuple[ScoreLine, ...]:
    """Score instances, (N, *S), against what is known.

    Raises
    ------
    WrongAnnotation
        If the shapes differ, or there is nothing to score against.
    """
    if truth.cells.shape != prediction.shape:
        raise WrongAnnotation(
            f"The truth has the shape {truth.cells.shape}, the prediction {prediction.shape}.",
            "Choose two layers of the same image.",
        )
    if not truth.known.any():
        raise WrongAnnotation("Nothing is painted in the truth layer.", "Paint some cells, or choose another layer.")
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
    meaning = "As F1 at IoU 0.5, on painted cells and background; instances that lie on unknown pixels do not count."
    lines = [ScoreLine("F1 where painted", f"{pooled_f1(matches):.3f}", meaning)]
    n_truth, n_prediction = sum(m.n_truth for m in matches), sum(m.n_prediction for m in matches)
    return (*lines, *_counts(n_truth, n_prediction, sum(m.tp for m in matches)))


def _counts(n_truth: int, n_prediction: int, found: int) -> list[ScoreLine]:
    return [
        ScoreLine("True cells", str(n_truth), "Cells in the truth, all frames."),
        ScoreLine("Found", str(found), "True cells that an instance covers at IoU above 0.5."),
        ScoreLine("Missed", str(n_truth - found), "True cells without such an instance."),
        ScoreLine("Extra", str(n_prediction - found), "Instances that match no true cell."),
    ]
