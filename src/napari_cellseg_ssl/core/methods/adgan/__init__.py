"""AD-GAN: images are translated into masks, learned from the images and from masks drawn by chance.

Yao et al., "AD-GAN: End-to-end Unsupervised Nuclei Segmentation with Aligned Disentangling Training", 2021
(arXiv 2107.11022).

One auto-encoder serves images and masks; it is told by its normalisations which of them it sees and which is wanted.
Reconstructions teach encoder and decoder, all other losses the encoder alone. Segmentation is a translation into the
domain of the masks.

Deviations, from the paper and from the authors' code, and why:

- Adaptive normalisation with the square under the root and with mean and scale in their places, as in the code;
  equations 6 and 7 print both otherwise.
- Losses in the code's least-squares form; layers between domain and style are 64 wide (paper 256): there are only two
  domains to tell apart.
- Sizes are equivalent diameters about that of a typical object, and masks are covered as the images are, by an estimate
  for each crop; the paper gives ranges of semi-axes and of numbers of objects by hand.
- In 3D the two minor axes are drawn independently and objects point anywhere; paper and code leave that open.
- Images are scaled by percentiles and not by their extremes, and their square root is shown, which lifts dim objects;
  dark objects are made bright. `gamma=1` leaves them as they are.
- Crops are drawn without end from any number of images, of any size; the code needs eight images larger than a crop.
- The decoder repeats pixels before a convolution; the transposed one of the paper leaves chequers in short trainings.
- Masks without rims in the preset "fast", split at necks: rims need thousands of steps. The paper's masks and its
  watershed from ternary masks are there as `masks=rim` and `split=rim`.
- An average of the weights predicts, and of several moments of the training the one that is judged best without labels
  (`choosing`): translations fluctuate.
- Images are padded by reflection, not resized. Normalisations use the statistics of the whole field also where it is
  predicted in tiles, and fields that show noise only give empty masks: the code would find objects in them.
- The discriminator keeps thin volumes as deep as they are in its first layers. The pool holds translations only.
- Bfloat16 convolutions where the processor has them.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.synthetic_masks import MaskExample, SyntheticPair
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods.adgan.options import PRESETS, PRESETS_3D, AdganOptions, AdganSegmentOptions
from napari_cellseg_ssl.core.methods.adgan.segment import segment
from napari_cellseg_ssl.core.methods.base import MethodInfo, Run
from napari_cellseg_ssl.core.methods.events import TrainEvent

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.images import ImageStack
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

__all__ = ["INFO", "METHOD", "Adgan"]

INFO = MethodInfo(
    id="adgan",
    title="AD-GAN",
    summary="Finds cells without any labels: translates images into masks like those that it draws itself.",
    citation="Yao et al., 2021, arXiv:2107.11022",
    labels="none",
    usual_seconds=200,
    spatial_ndims=(2, 3),
    train_options=AdganOptions,
    segment_options=AdganSegmentOptions,
    maps=(
        MapSpec("translated-mask", "translated-mask", 1, "Translated mask"),
        MapSpec("intensity", "intensity", 1, "Intensity"),
    ),
    presets=PRESETS,
    presets_3d=PRESETS_3D,
    starts_from=("adgan",),
)


class Adgan:
    """See the module; `Method` says what each function does."""

    info = INFO

    def train(self, data: "TrainingSet", options: AdganOptions, run: Run) -> Iterator[TrainEvent]:
        """Train on the images alone."""
        from napari_cellseg_ssl.core.methods.adgan.train import AdganTraining
        from napari_cellseg_ssl.core.training.loop import train

        return train(AdganTraining, data, options, run)

    def predictor(self, bundle: "ModelBundle", device: str) -> Predictor:
        """Load a trained network."""
        from napari_cellseg_ssl.core.methods.adgan.network import load_predictor

        return load_predictor(bundle, device)

    def segment(self, maps: PredictionMaps, options: Any) -> Array:
        """Make instances from the translated mask."""
        return segment(maps, options)

    def example_mask(
        self, image: "ImageStack", diameter: float, options: AdganOptions, *, seed: int = 0
    ) -> MaskExample:
        """Draw a mask as training would, to be looked at before."""
        from napari_cellseg_ssl.core.methods.adgan.prior import example_mask

        return example_mask(image, diameter, options, seed=seed)

    def synthetic_pairs(
        self, bundle: "ModelBundle", shape: Sequence[int], *, count: int, seed: int, device: str
    ) -> Iterator[SyntheticPair]:
        """Draw masks as in training, and images for them."""
        from napari_cellseg_ssl.core.methods.adgan.synthesis import synthetic_pairs

        return synthetic_pairs(bundle, shape, count=count, seed=seed, device=device)


METHOD = Adgan()
