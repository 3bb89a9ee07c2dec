"""Cellulus: cells by object-centric embeddings, learned from the images alone.

Wolf et al., "Unsupervised Learning of Object-Centric Embeddings for Cell Instance Segmentation in Microscopy Images",
ICCV 2023 (arXiv 2310.08501).

Deviations, from the paper and from the authors' code, and why:

- The offset points from the pixel to the object (the code's sign), components in array axis order (the code: x, y).
- Pairs: all pixels that lie one of some random shifts apart, instead of 10 % anchors with random partners.
  Every pixel is used, gradients reach both ends, nothing is gathered; measured equal or better.
- Mean over pairs instead of a sum, and no weight decay: rates then do not depend on the crop.
- Regulariser on the offsets, as in the paper; the code's pulls absolute positions to the crop's corner.
- 1 - exp(-s) as the penalty, as in the code; the paper's is an option.
- Warm-up and cosine over the work done, so that a time budget ends well; the paper's steps are an option.
- An average of the weights (decay 0.99) predicts: without labels there is no best step to pick.
- Crops: of a few drawn the one with most structure, because the noise between sparse objects can be learned too.
- Augmentation: orientation, gain and bias, in the paper preset also scale; the code's elastic grid costs more than
  short runs gain.
- Noise is a function of seed and position, so that tiles do not change it; 4 passes instead of 32 on CPUs.
- Clustering by density peaks, hundreds of times faster than mean-shift, which is an option; pieces of
  long objects are joined where embedding and intensity run on.
- The line search of the bandwidth uses painted cells, if there are any, instead of the truth.
- Volumes: isotropic voxels, objects as wide as the network sees, pairs nearer to each other and less noise than in
  planes, bright pairs counting more; where the uncertainty does not fall into two groups, everything is clustered.
- No growing before the shrinking (it promotes specks), one connected piece per object, and outlines learned from each
  image.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run
from napari_cellseg_ssl.core.methods.cellulus.options import (
    MAPS,
    PRESETS,
    PRESETS_3D,
    CellulusOptions,
    CellulusSegmentOptions,
)
from napari_cellseg_ssl.core.methods.cellulus.segment import foreground, segment
from napari_cellseg_ssl.core.methods.events import TrainEvent

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

__all__ = ["INFO", "METHOD", "Cellulus", "foreground"]

INFO = MethodInfo(
    id="cellulus",
    title="Cellulus",
    summary="Finds cells without any labels: learns where each patch lies within its cell.",
    citation="Wolf et al., ICCV 2023, arXiv:2310.08501",
    labels="none",
    usual_seconds=45,
    spatial_ndims=(2, 3),
    train_options=CellulusOptions,
    segment_options=CellulusSegmentOptions,
    maps=MAPS,
    presets=PRESETS,
    presets_3d=PRESETS_3D,
    starts_from=("cellulus-unet",),
)


class Cellulus:
    """See the module; `Method` says what each function does."""

    info = INFO

    def train(self, data: "TrainingSet", options: CellulusOptions, run: Run) -> Iterator[TrainEvent]:
        """Train on the images alone; painted cells only choose the bandwidth."""
        from napari_cellseg_ssl.core.methods.cellulus.train import CellulusTraining
        from napari_cellseg_ssl.core.training.loop import train

        return train(CellulusTraining, data, options, run)

    def predictor(self, bundle: "ModelBundle", device: str) -> Predictor:
        """Load a trained network."""
        from napari_cellseg_ssl.core.methods.cellulus.embeddings import load_predictor

        return load_predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: Any) -> Array:
        """Make instances from embedding, uncertainty and intensity."""
        return segment(maps, options)


METHOD = Cellulus()
