"""AD-GAN: images are translated into masks, learnt from the images and from masks drawn by chance.

Yao et al., "AD-GAN: End-to-end Unsupervised Nuclei Segmentation with Aligned Disentangling Training", 2021
(arXiv 2107.11022).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.events import TrainEvent
from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.method import MethodInfo, Predictor, Run
from napari_cellseg_ssl.core.methods.adgan.options import PRESETS, AdganOptions, AdganSegmentOptions
from napari_cellseg_ssl.core.methods.adgan.segmentation import segment
from napari_cellseg_ssl.core.synthetic_masks import SyntheticPair

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.bundle import ModelBundle
    from napari_cellseg_ssl.core.training_set import TrainingSet

__all__ = ["INFO", "METHOD", "Adgan"]

INFO = MethodInfo(
    id="adgan",
    title="AD-GAN",
    summary="Finds cells without any labels: translates images into masks like those that it draws itself.",
    citation="Yao et al., 2021, arXiv:2107.11022",
    labels="none",
    spatial_ndims=(2, 3),
    train_options=AdganOptions,
    segment_options=AdganSegmentOptions,
    maps=(
        MapSpec("translated-mask", "translated-mask", 1, "Translated mask"),
        MapSpec("intensity", "intensity", 1, "Intensity"),
    ),
    presets=PRESETS,
    starts_from=("adgan",),
)


class Adgan:
    """See the module; `Method` says what each function does."""

    info = INFO

    def train(self, data: "TrainingSet", options: AdganOptions, run: Run) -> Iterator[TrainEvent]:
        """Train on the images alone."""
        from napari_cellseg_ssl.core.methods.adgan.training import train

        return train(data, options, run)

    def predictor(self, bundle: "ModelBundle", device: str) -> Predictor:
        """Load a trained network."""
        from napari_cellseg_ssl.core.methods.adgan.prediction import load_predictor

        return load_predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: Any) -> Array:
        """Make instances from the translated mask."""
        return segment(maps, options)

    def synthetic_pairs(
        self, bundle: "ModelBundle", shape: Sequence[int], *, count: int, seed: int, device: str
    ) -> Iterator[SyntheticPair]:
        """Draw masks as in training, and images for them."""
        from napari_cellseg_ssl.core.methods.adgan.synthesis import synthetic_pairs

        return synthetic_pairs(bundle, shape, count=count, seed=seed, device=device)


METHOD = Adgan()
