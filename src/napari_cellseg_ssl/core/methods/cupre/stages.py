"""Which of its stages a training of CUPre will be, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.methods.base import TrainingStage
from napari_cellseg_ssl.core.methods.cupre.options import AUTO, FINE_TUNE, PRETRAIN, SHAPES, CupreOptions
from napari_cellseg_ssl.core.nets.names import NO_WEIGHTS

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

OF_PRETRAINING = {"contrast", "masks"}
"""Scores that only a pre-training tells."""


def fine_tunes(stage: str, *, is_painted: bool) -> bool:
    """Whether a training learns from painted cells; else it pre-trains."""
    return is_painted if stage == AUTO else stage == FINE_TUNE


def is_pretrained(bundle: ModelBundle | None) -> bool:
    """Whether a model has not seen any painted cell yet."""
    return bundle is not None and bool(OF_PRETRAINING & set(bundle.provenance.scores))


def stage_of(options: CupreOptions, *, is_painted: bool, start: ModelBundle | None) -> TrainingStage:
    """Say what a training will do, and with what it begins."""
    if not fine_tunes(options.stage, is_painted=is_painted):
        goes_on = " It continues from the current model." if start is not None else ""
        return TrainingStage(act="Pre-train", hint=f"{_from_source(options)} {_then(is_painted)}{goes_on}")
    if not is_painted:
        return TrainingStage(act="Fine-tune", hint="No cell is painted yet: paint a few, or set Stage to auto.")
    if start is None:
        begins = "with weights" if options.weights != NO_WEIGHTS else "at random"
        return TrainingStage(
            act="Fine-tune",
            hint=f"Learns your painted cells. It begins {begins}; after a pre-training it needs fewer cells.",
        )
    if is_pretrained(start):
        return TrainingStage(act="Fine-tune", hint="Second stage: the pre-trained model learns your painted cells.")
    return TrainingStage(act="Train on", hint="The current model continues to learn your painted cells.")


def next_act(bundle: ModelBundle) -> str:
    """Say what to do after a training; "" where nothing has to be done."""
    if not is_pretrained(bundle):
        return ""
    if bundle.train_options.stage == PRETRAIN:
        return "Now paint a few cells, set Stage to auto, and click Fine-tune."
    return "Now paint a few cells and click Fine-tune."


def _from_source(options: CupreOptions) -> str:
    if not options.source:
        return (
            "First stage, without a source: it learns what your images look like, and finds nothing by itself. Choose "
            "a source under Advanced options: 'shapes', or annotated images."
        )
    source = "drawn shapes" if options.source == SHAPES else f"'{options.source}'"
    if options.contrast_share == 0:
        return f"First stage: learns what objects are from {source} alone."
    return f"First stage: learns what objects are from {source}, and what your images look like."


def _then(is_painted: bool) -> str:
    return "What is painted does not count." if is_painted else "Painted cells come in the second stage."
