"""The command that compares label images with the truth."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.cli import messages
from napari_cellseg_ssl.cli.batch import Batch
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.io.own_files import require_own
from napari_cellseg_ssl.core.io.pairing import pair_files
from napari_cellseg_ssl.core.io.tables import write_table
from napari_cellseg_ssl.core.io.user_files import find_files, label_key, stem_of
from napari_cellseg_ssl.core.metrics.scores import ImageScores, set_scores
from napari_cellseg_ssl.tasks import Control
from napari_cellseg_ssl.tasks.score import LabelImage, frame_scores

SHOWN = ("f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice")


def score(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Score a folder of label images, or one file, against the truth; frames of a movie one by one."""
    if arguments.csv:
        require_own([arguments.csv], overwrite=arguments.overwrite)
    pairs = _pairs(arguments.pred, arguments.truth, console.remark)
    scores: dict[str, ImageScores] = {}
    batch = Batch(console)
    for name, predicted, truth in pairs:
        with batch.doing(truth) if len(pairs) > 1 else nullcontext():
            frames = _scores_of(predicted, truth, arguments.axes, console)
            scores |= {name if len(frames) == 1 else f"{name}[{n}]": one for n, one in enumerate(frames)}
        if control.should_stop():
            return
    if scores:
        _tell(scores, batch.told(), arguments, console)
    rest = "the means are those of the others" if scores else "there are no means"
    batch.end(messages.not_all_scored(batch.count, len(pairs), rest, arguments.pred, arguments.truth))


def _scores_of(predicted: Path, truth: Path, axes: str | None, console: Console) -> Sequence[ImageScores]:
    try:
        return frame_scores(LabelImage.read(truth), LabelImage.read(predicted), axes=axes, tell=console.remark)
    except WrongAnnotation as problem:
        raise WrongAnnotation(f"{predicted} and {truth}: {problem.message}", problem.hint) from problem


def _tell(scores: dict[str, ImageScores], problems: list[str], arguments: argparse.Namespace, console: Console) -> None:
    means = set_scores(list(scores.values()))
    width = max(len(name) for name in [*scores, "mean"])
    console.say(" ".join([f"{'image':<{width}}", *(f"{name:>9}" for name in SHOWN)]))
    rows: dict[str, Any] = {name: asdict(one) for name, one in scores.items()}
    for name, row in [*rows.items(), ("mean", means)]:
        console.say(" ".join([f"{name:<{width}}", *(f"{row[key]:>9.4f}" for key in SHOWN)]))
    if arguments.csv:
        table = [[name, *row.values()] for name, row in rows.items()]
        write_table(arguments.csv, ["image", *next(iter(rows.values()))], table)
    console.result({"images": rows, "means": means, "problems": problems})


def _pairs(predicted: Path, truth: Path, tell: Callable[[str], None]) -> list[tuple[str, Path, Path]]:
    if predicted.is_file() and truth.is_file():
        return [(stem_of(truth), predicted, truth)]
    truths = find_files([truth], labels=True, tell=tell)
    pairs = pair_files(truths, find_files([predicted], labels=True, tell=tell), images_are_labels=True)
    found = [(label_key(file), label, file) for file, label in zip(truths, pairs.labels, strict=True) if label]
    missing = [label_key(file) for file, label in zip(truths, pairs.labels, strict=True) if label is None]
    if missing:
        raise messages.predictions_missing(predicted, len(missing), len(truths), missing[0])
    tell(pairs.describe("predictions"))
    return found
