"""The command that lists the starter models."""

import argparse

from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.model.starters import PREFIX, starters
from napari_cellseg_ssl.tasks import Control


def list_starters(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """List the starter models with their scores."""
    records = []
    for one in starters():
        console.say(f"{PREFIX}{one.name}  {one.title}. {one.use}")
        console.say(f"  method: {one.method_id}; {one.size / 2**20:.1f} MB; trained on: {', '.join(one.sets)}")
        console.say("  F1 without training, * = trained on images of this set:")
        for name, score in one.scores.items():
            console.say(f"    {name + '*' * (name in one.sets):<26} {score:.3f}")
        records.append(
            {
                "name": PREFIX + one.name,
                "title": one.title,
                "use": one.use,
                "method": one.method_id,
                "size": one.size,
                "sha256": one.sha256,
                "sets": list(one.sets),
                "scores": dict(one.scores),
                "card": str(one.card_file),
            }
        )
    console.result({"starters": records})
