"""The command that draws images with known objects."""

import argparse

from napari_cellseg_ssl.api import models
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.tasks import Control, FileWritten, SynthesisRequest
from napari_cellseg_ssl.tasks import synthesise as synthesise_events


def synthesise(arguments: argparse.Namespace, console: Console, control: Control) -> None:
    """Write pairs of images and labels, and say how to train on them."""
    bundle = models.load_run(arguments.model)
    request = SynthesisRequest(
        bundle=bundle,
        folder=arguments.out,
        shape=tuple(arguments.shape),
        count=arguments.count,
        seed=arguments.seed,
        device=arguments.device,
        overwrite=arguments.overwrite,
    )
    events = console.follow(synthesise_events(request, control), "Drawing")
    files = [str(event.path) for event in events if isinstance(event, FileWritten)]
    diameter = bundle.train_options.working_diameter
    images, labels = arguments.out / "images", arguments.out / "labels"
    console.say(f"{len(files) // 2} pairs of images and labels in {arguments.out}. To learn from them:")
    console.say(
        f"  cellseg-ssl train actis --images {images} --labels {labels} --labels-mode dense "
        f"--object-diameter {diameter:g} --out RUN"
    )
    console.result({"files": files, "object_diameter": diameter})
