"""CUPre: a detector of cells that begins with objects of others and unlabelled images, and learns from few cells.

Liao et al., "CUPre: Cross-domain Unsupervised Pre-training for Few-Shot Cell Segmentation", 2023. `training` chooses
the stage: `alternating` pre-trains, `fine_tuning` goes on from painted cells. The detector is asked by `networks` and
`segmentation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.inference.similar_regions import Alike
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run, TrainingStage
from napari_cellseg_ssl.core.methods.cupre.arms import arm_options, count_held_out
from napari_cellseg_ssl.core.methods.cupre.options import PRESETS, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.segment import CupreSegmentOptions, drawn, scored, segment
from napari_cellseg_ssl.core.methods.cupre.stages import next_act, stage_of

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.methods.events import TrainEvent
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

INFO = MethodInfo(
    id="cupre",
    title="CUPre",
    summary="Finds cells as boxes with masks and scores; learns from few painted cells, and from images without any.",
    citation=(
        "Liao, Li, Wang, Xu, Yin, Xiong: CUPre: Cross-domain Unsupervised Pre-training for Few-Shot Cell "
        "Segmentation. arXiv 2310.03981, 2023."
    ),
    labels="optional",
    usual_seconds=300,
    spatial_ndims=(2,),
    train_options=CupreOptions,
    segment_options=CupreSegmentOptions,
    maps=(MapSpec("objectness", "foreground", 1, "how probable an object is, found or not"),),
    presets=PRESETS,
    starts_from=("cupre",),
)


class Cupre:
    """A Cascade Mask R-CNN."""

    info = INFO

    def train(self, data: TrainingSet, options: CupreOptions, run: Run) -> Iterator[TrainEvent]:
        """Train; see `training.prepare`."""
        from napari_cellseg_ssl.core.methods.cupre.train import prepare
        from napari_cellseg_ssl.core.training.loop import train

        return train(prepare, data, options, run)

    def predictor(self, bundle: ModelBundle, device: str) -> Predictor:
        """Load a trained detector."""
        from napari_cellseg_ssl.core.methods.cupre.network import predictor

        return predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: CupreSegmentOptions) -> Array:
        """Draw what was detected."""
        return segment(maps, options)

    def scored(self, maps: PredictionMaps, options: CupreSegmentOptions) -> tuple[Array, tuple[Array, ...]]:
        """Draw what was detected, and say how sure the detector is of each object."""
        return scored(maps, options)

    def boxes(self, maps: PredictionMaps, options: CupreSegmentOptions) -> tuple[Detections, ...]:
        """Return what is drawn."""
        return drawn(maps, options)[1]

    def stage(self, options: CupreOptions, *, is_painted: bool, start: ModelBundle | None) -> TrainingStage:
        """Say whether it will pre-train or fine-tune."""
        return stage_of(options, is_painted=is_painted, start=start)

    def next_act(self, bundle: ModelBundle) -> str:
        """Say what comes after a pre-training."""
        return next_act(bundle)

    def alike(
        self,
        bundle: ModelBundle,
        image: ImageStack,
        place: Sequence[int],
        *,
        diameter: float,
        count: int,
        device: str,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Alike:
        """Find what looks alike to the backbone; see `alike.find_alike`."""
        from napari_cellseg_ssl.core.methods.cupre.feature_similarity import find_alike

        return find_alike(bundle, image, place, diameter=diameter, count=count, device=device, should_stop=should_stop)

    def arm_options(self, options: CupreOptions, arm: str) -> tuple[CupreOptions | None, CupreOptions]:
        """Return the options of an arm of the comparison; see `arms`."""
        return arm_options(options, arm)

    def count_held_out(self, data: TrainingSet, options: CupreOptions, seed: int) -> int:
        """Count the cells that a fine-tuning is validated by."""
        return count_held_out(data, options, seed)


METHOD = Cupre()
