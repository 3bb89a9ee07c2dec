"""The command that compares pre-trainings of CUPre on one's own labels."""

import argparse
from dataclasses import asdict
from pathlib import Path

from napari_cellseg_ssl.api import inputs
from napari_cellseg_ssl.cli.commands import option_values, reading_of
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.tasks import Control, PretrainingComparisonRequest
from napari_cellseg_ssl.tasks import compare_pretraining as compare_events
from napari_cellseg_ssl.tasks.pretraining_comparison import METHOD, TITLES, ArmRow, ComparisonFinished

COLUMNS = ("F1", "IoU", "steps", "seconds")


def compare_pretraining(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Pre-train in several ways, fine-tune alike, and tell how each did on the held-out cells."""
    info = get_method(METHOD).info
    images, annotations, _ = inputs.collect(
        arguments.images,
        arguments.labels,
        reading=reading_of(arguments, info.spatial_ndims),
        labels_mode=arguments.labels_mode,
        tell=console.remark,
    )
    given = {"source": arguments.source} if arguments.source else {}
    request = PretrainingComparisonRequest(
        images=images,
        annotations=annotations,
        options=with_values(info.preset(arguments.preset or None), {**option_values(arguments.set), **given}),
        pretrain_seconds=arguments.pretrain_seconds,
        fine_tune_seconds=arguments.fine_tune_seconds,
        arms=tuple(arguments.arms),
        object_diameter=arguments.object_diameter,
        device=arguments.device,
        seed=arguments.seed,
        out=arguments.out,
        overwrite=arguments.overwrite,
    )
    for event in console.follow(compare_events(request, control), "Comparing"):
        if isinstance(event, ComparisonFinished):
            _tell(event, arguments.out, console)


def _tell(event: ComparisonFinished, out: Path, console: Console) -> None:
    width = max(len(title) for title in TITLES.values())
    if event.rows:
        console.say(" ".join([f"{'pre-training':<{width}}", *(f"{name:>14}" for name in COLUMNS), "  run"]))
    for row in event.rows:
        numbers = [f"{row.f1:.3f}", f"{row.iou:.3f}", *_work(row)]
        console.say(
            " ".join([f"{TITLES[row.arm]:<{width}}", *(f"{text:>14}" for text in numbers), f"  {out / row.arm}"])
        )
    console.result(
        {
            "rows": [{**asdict(row), "run": str(out / row.arm)} for row in event.rows],
            "best": None if event.best is None else event.best.row.arm,
            "stopped": event.stopped,
        }
    )


def _work(row: ArmRow) -> tuple[str, str]:
    """Write the steps and seconds of both stages."""
    return (
        f"{row.pretrain_steps} + {row.fine_tune_steps}",
        f"{row.pretrain_seconds:.0f} + {row.fine_tune_seconds:.0f}",
    )
