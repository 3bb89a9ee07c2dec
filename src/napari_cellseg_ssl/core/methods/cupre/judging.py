"""How many painted cells a fine-tuning is judged by, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.learning.frames import load_frames
from napari_cellseg_ssl.core.learning.held_out import hold_out, within_area
from napari_cellseg_ssl.core.methods.cupre.fine_tuning import JUDGED_PIXELS

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
    from napari_cellseg_ssl.core.training_set import TrainingSet


def count_judged(data: TrainingSet, options: CupreOptions, seed: int) -> int:
    """Count the cells that a fine-tuning holds out with this seed and judges by; 0 = none can be held out."""
    frames = load_frames(data, Intensity(), options.working_diameter, seed)
    _, judged = hold_out(frames, seed)
    return sum(one.n_cells for one in within_area(judged, JUDGED_PIXELS))
