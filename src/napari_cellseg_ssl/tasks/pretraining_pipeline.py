"""The jobs behind the comparison of pre-trainings in the dock."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from napari_cellseg_ssl.core.methods.events import TrainFinished
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.memory import closed_after
from napari_cellseg_ssl.tasks.pipelines import Example
from napari_cellseg_ssl.tasks.pretraining_comparison import (
    ArmStarted,
    PretrainingComparisonRequest,
    compare_pretraining,
)
from napari_cellseg_ssl.tasks.session.events import Began
from napari_cellseg_ssl.tasks.warm_up import load_torch


def compare(examples: Sequence[Example], request: PretrainingComparisonRequest, control: Control) -> Iterator[object]:
    """Compare pre-trainings on what is chosen; see `compare_pretraining`.

    Parameters
    ----------
    request : PretrainingComparisonRequest
        Without images and annotations. Its diameter is that of the first image.
    """
    yield Began("preparing")
    request = replace(
        request,
        images=tuple(example.read() for example in examples),
        annotations=tuple(example.annotation() for example in examples),
        one_size=False,
        known_diameters=tuple(example.diameter for example in examples),
    )
    yield from load_torch()
    with closed_after(compare_pretraining(request, control)) as events:
        for event in events:
            if isinstance(event, ArmStarted):
                yield Began("pretraining", can_pause=True)  # a curve and scores of its own
            yield event


def take(bundle: ModelBundle | None, _control: Control) -> Iterator[object]:
    """Make a model of the comparison the current one."""
    yield Began("opening")
    if bundle is not None:
        yield TrainFinished(bundle, "completed")
