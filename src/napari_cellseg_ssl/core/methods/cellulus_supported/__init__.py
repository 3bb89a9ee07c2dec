"""Cellulus-supported supervision: a few painted cells, and what Cellulus finds everywhere else.

Wolf et al., "Unsupervised Learning of Object-Centric Embeddings for Cell Instance Segmentation in Microscopy Images",
ICCV 2023, section 4.2 and appendix B. The authors published no code of this part.

Deviations, and why; `docs/developer/cellulus-supported.md` has the figures:

- Pseudo-labels where Cellulus and the classical method agree, the rest unknown; the paper's, all objects of Cellulus,
  are the option `pseudo_labels=cellulus`. Where the two disagree, one is wrong.
- Background is known where it is painted, not within 30 px of a cell; an object that is mostly painted over is deleted.
- Each half of a batch is divided by what is known in it, so that alpha means what it says.
- A light U-Net of the same depth with padding and batch normalisation, learning in minutes, at a smaller scale; the
  published network is the option `network=cellulus`.
- Rays that end at a crop's edge are not learned from: they are too short. Distances weigh three times as much.
- Warm-up and cosine, an averaged network predicts; the preset "paper" has the published schedule.
- Thresholds are searched on what is painted, or on the pseudo-labels: a young network's probabilities are low.
- Polygons start from local maxima of the probability only: fewer doubles while the network is young, and faster.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run
from napari_cellseg_ssl.core.methods.cellulus_supported.options import (
    PRESETS,
    RAYS,
    SupportedOptions,
    SupportedSegmentOptions,
)
from napari_cellseg_ssl.core.methods.cellulus_supported.segment import segment
from napari_cellseg_ssl.core.methods.events import TrainEvent

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

INFO = MethodInfo(
    id="cellulus_supported",
    title="Cellulus + your cells",
    summary="Learns from a few painted cells, or none, and from what Cellulus finds everywhere else.",
    citation="Wolf et al., ICCV 2023, arXiv:2310.08501, section 4.2; Schmidt et al., MICCAI 2018 (StarDist)",
    labels="optional",
    spatial_ndims=(2,),
    train_options=SupportedOptions,
    segment_options=SupportedSegmentOptions,
    maps=(
        MapSpec("probability", "probability", 1, "Object probability"),
        MapSpec("distance", "distance", RAYS, "Distances to the border", in_pixels=True),
    ),
    presets=PRESETS,
    starts_from=("cellulus-unet", "cellulus-supported-unet"),
)


class CellulusSupported:
    """See the module; `Method` says what each function does."""

    info = INFO

    def train(self, data: "TrainingSet", options: SupportedOptions, run: Run) -> Iterator[TrainEvent]:
        """Train; see `training.SupportedTraining`."""
        from napari_cellseg_ssl.core.methods.cellulus_supported.model_selection import SupportedTraining
        from napari_cellseg_ssl.core.training.loop import train

        return train(SupportedTraining, data, options, run)

    def predictor(self, bundle: "ModelBundle", device: str) -> Predictor:
        """Load a trained network."""
        from napari_cellseg_ssl.core.methods.cellulus_supported.network import predictor

        return predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: SupportedSegmentOptions) -> Array:
        """Make instances from probability and distances."""
        return segment(maps, options)


METHOD = CellulusSupported()
