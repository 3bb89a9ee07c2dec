"""The ways to pre-train that are compared: none, the source, the images, or both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.methods.cupre import messages
from napari_cellseg_ssl.core.methods.cupre.options import FINE_TUNE, PRETRAIN, CupreOptions

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet

SCRATCH, SOURCE, MOCO, CUPRE = "scratch", "source", "moco", "cupre"
NO_SOURCE = "Name annotated images of anything as the source, or 'shapes'."


def arm_options(options: CupreOptions, arm: str) -> tuple[CupreOptions | None, CupreOptions]:
    """Return the options of the pre-training of an arm, None where it has none, and of its fine-tuning.

    Raises
    ------
    WrongOption
        If an arm needs a source, or unlabelled images, and the options have none.
    """
    if arm in (SOURCE, CUPRE) and not options.source:
        raise messages.source_missing(NO_SOURCE)
    if arm == CUPRE and options.contrast_share == 0:
        raise messages.contrast_share_zero()
    if arm == SOURCE:
        options = replace(options, contrast_share=0.0)
    elif arm in (MOCO, SCRATCH):
        options = replace(options, source="")
    return None if arm == SCRATCH else replace(options, stage=PRETRAIN), replace(options, stage=FINE_TUNE)


def count_held_out(data: TrainingSet, options: CupreOptions, seed: int) -> int:
    """Count the cells that a fine-tuning holds out with this seed and is validated by; 0 = none can be held out."""
    from napari_cellseg_ssl.core.methods.cupre.fine_tuning import JUDGED_PIXELS
    from napari_cellseg_ssl.core.training.frames import load_frames
    from napari_cellseg_ssl.core.training.held_out import hold_out, within_area

    frames = load_frames(data, Intensity(), options.working_diameter, seed)
    _, judged = hold_out(frames, seed)
    return sum(one.n_cells for one in within_area(judged, JUDGED_PIXELS))
