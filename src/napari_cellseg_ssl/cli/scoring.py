"""The command that compares label images with the truth."""

import argparse
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.cli.batch import Batch
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.errors import WrongAnnotation
from napari_cellseg_ssl.core.metrics import ImageScores, image_scores, set_scores
from napari_cellseg_ssl.core.own_files import require_own
from napari_cellseg_ssl.core.tables import write_table
from napari_cellseg_ssl.tasks import Control
from napari_cellseg_ssl.tasks.files import find_files, label_key, read_labels, stem_of

SHOWN = ("f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice")


def score(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Score a folder of label images, or one file, against the truth."""
    if arguments.csv:
        require_own([arguments.csv], overwrite=arguments.overwrite)
    pairs = _pairs(arguments.pred, arguments.truth)
    scores: dict[str, ImageScores] = {}
    batch = Batch(console)
    for name, predicted, truth in pairs:
        with batch.doing(truth) if len(pairs) > 1 else nullcontext():
            scores[name] = _score_of(predicted, truth)
        if control.should_stop():
            return
    if scores:
        _tell(scores, batch.told(), arguments, console)
    rest = "the means are those of the others" if scores else "there are no means"
    batch.end(
        WrongAnnotation(
            f"{batch.count} of {len(pairs)} images could not be scored (see above), so {rest}: '{arguments.pred}' "
            f"against '{arguments.truth}'."
        )
    )


def _score_of(predicted: Path, truth: Path) -> ImageScores:
    found, true = read_labels(predicted), read_labels(truth)
    try:
        return image_scores(true, found)
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


def _pairs(predicted: Path, truth: Path) -> list[tuple[str, Path, Path]]:
    if predicted.is_file() and truth.is_file():
        return [(stem_of(truth), predicted, truth)]
    by_name = {stem_of(file): file for file in find_files([predicted], labels=True)}
    pairs, missing = [], []
    for file in find_files([truth], labels=True):
        name = label_key(file)
        found = by_name.get(f"{name}_labels") or by_name.get(name) or by_name.get(stem_of(file))
        if found is None:
            missing.append(name)
        else:
            pairs.append((name, found, file))
    if missing:
        raise WrongAnnotation(
            f"'{predicted}' has no labels for {len(missing)} of {len(missing) + len(pairs)} images, "
            f"for example '{missing[0]}_labels.tif'.",
            "Segment them first, or leave them out of the truth.",
        )
    return pairs
