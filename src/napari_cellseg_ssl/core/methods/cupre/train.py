"""The training of CUPre: which of its stages it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.methods.cupre.alternating import Pretraining
from napari_cellseg_ssl.core.methods.cupre.fine_tuning import FineTuning
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.cupre.stages import fine_tunes

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.base import Run


def prepare(data: TrainingSet, options: CupreOptions, run: Run) -> Pretraining | FineTuning:
    """Pre-train, or fine-tune where cells are painted.

    An interrupted training stays what it was, whatever was painted since.
    """
    stage = options.stage if run.resume is None else run.resume.meta.get("stage", options.stage)
    tunes = fine_tunes(str(stage), is_painted=data.n_cells > 0)
    return FineTuning(data, options, run) if tunes else Pretraining(data, options, run)
