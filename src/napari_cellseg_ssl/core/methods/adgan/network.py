"""Translate images into masks, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import RECONSTRUCTION
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK, domain
from napari_cellseg_ssl.core.methods.adgan.empty_fields import is_only_noise
from napari_cellseg_ssl.core.methods.adgan.greys import Greys, greys_of
from napari_cellseg_ssl.core.training.precision import half_precision
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder, Moments

TAG = "adgan"
FIELD = 2**20
"""px from which the statistics of a field come; of a larger one, evenly spread parts of it."""
SHORTEST = 8
"""px; shorter sides cannot be padded by reflection within the network."""
NOTHING = -1.0
"""A translated mask without objects."""


class AdganPredictor:
    """Predict the translated mask of crops; see `Predictor` and `NeedsField`.

    Normalisations need the mean and variance of features over a whole field: a tile's own would depend on how many
    objects it happens to show. So a field is looked at first, and its tiles use what was found then.

    Parameters
    ----------
    net : AutoEncoder
    greys : Greys
    moments : list of (mean, variance), optional
        Of every normalisation in turn, for the field that the crops are from; by default each crop's own.
    is_empty : bool
        The field shows nothing but noise, which the normalisations would blow up into objects.
    target : float
        What is predicted: 0 is the image again, 1 the mask, between them a mixture.
    again : AdganPredictor, optional
        Predicts the image again, as one map more.
    """

    def __init__(
        self,
        net: AutoEncoder,
        greys: Greys,
        *,
        working_diameter: float,
        device: str,
        moments: list[tuple[Tensor, Tensor]] | None = None,
        is_empty: bool = False,
        target: float = MASK,
        again: AdganPredictor | None = None,
    ) -> None:
        from napari_cellseg_ssl.core.nets.adaptive_autoencoder import MULTIPLE

        self._net, self._greys, self._device = net, greys, device
        self._moments, self._is_empty, self._target, self._again = moments, is_empty, target, again
        self.halo = net.reach + -net.reach % MULTIPLE
        self.multiple_of = MULTIPLE
        self.working_diameter: float | None = working_diameter

    def for_field(self, field: Array) -> AdganPredictor:
        """Return a predictor for the tiles of a normalised field (C, *S)."""
        from napari_cellseg_ssl.core.training.field_moments import measure, representative_parts

        again = None if self._again is None else self._again.for_field(field)
        if is_only_noise(field, self.working_diameter or 1.0):
            return self._with(is_empty=True, again=again)
        found: list[tuple[Tensor, Tensor]] = []
        self._translate(self._greys(representative_parts(field, FIELD)), IMAGE, self._target, measure(found))
        return self._with(moments=found, again=again)

    def towards(self, tau: float) -> AdganPredictor:
        """Return a predictor of what lies between images and masks: the decoder is told (1 − τ) image + τ mask.

        See section 5.5 of the paper. It has to look at a field anew, for its normalisations find something else.
        """
        return self._with(target=float(tau), moments=None, again=None)

    def __call__(self, crops: Array, origins: Array) -> Mapping[str, Array]:
        """Translate images (B, C, *S) into masks, {"translated-mask": (B, 1, *S)} between -1 and 1."""
        greys = self._greys(crops)
        if self._is_empty:
            translated = (1 - self._target) * greys + self._target * np.full_like(greys, NOTHING)
        else:
            translated = self.translate(greys, IMAGE, self._target)
        maps = {"translated-mask": translated, "intensity": (greys + 1) / 2}
        if self._again is not None:
            drawn = self._again(crops, origins)["translated-mask"]
            maps[RECONSTRUCTION.name] = self._greys.brightness(drawn)
        return maps

    def reconstructing(self) -> AdganPredictor:
        """Return a predictor of one map more; see `Reconstructs`."""
        return self._with(again=self.towards(IMAGE))

    def translate(self, greys: Array, source: float, target: float) -> Array:
        """Translate (B, 1, *S) between -1 and 1 from one domain to another; 0 is image, 1 mask, between them a mixture.

        Sides need not be multiples of anything.
        """
        from napari_cellseg_ssl.core.training.field_moments import replay

        return self._translate(greys, source, target, None if self._moments is None else replay(self._moments))

    def _translate(self, greys: Array, source: float, target: float, moments: Moments | None) -> Array:
        import torch

        padded = _reflected(greys, self.multiple_of)
        images = torch.from_numpy(padded).to(self._device)
        domains = (domain(tau, len(greys)).to(self._device) for tau in (source, target))
        with torch.inference_mode(), half_precision(self._device):
            translated: Array = self._net(images, *domains, moments).cpu().numpy()
        return translated[(slice(None), slice(None), *(slice(0, size) for size in greys.shape[2:]))]

    def _with(self, **changes: Any) -> AdganPredictor:
        state: dict[str, Any] = {
            "working_diameter": self.working_diameter or 1.0,
            "device": self._device,
            "moments": self._moments,
            "is_empty": self._is_empty,
            "target": self._target,
            "again": self._again,
        }
        return AdganPredictor(self._net, self._greys, **{**state, **changes})


def _reflected(images: Array, multiple_of: int) -> Array:
    """Pad images (B, 1, *S) behind to sides that the network takes."""
    wanted = [max(SHORTEST, size + -size % multiple_of) for size in images.shape[2:]]
    behind = [(0, side - size) for side, size in zip(wanted, images.shape[2:], strict=True)]
    return np.pad(images, [(0, 0), (0, 0), *behind], mode="symmetric")


def build(architecture: Mapping[str, Any]) -> AutoEncoder:
    """Build the network that `architecture` describes.

    Raises
    ------
    WrongRun
        If it describes none of AD-GAN's.
    """
    from napari_cellseg_ssl.core.nets.adaptive_autoencoder import AutoEncoder

    try:
        if architecture["tag"] != TAG:
            raise shared.model_of_another_method(architecture["tag"], TAG)
        return AutoEncoder(
            ndim=int(architecture["spatial_ndim"]),
            width=int(architecture["width"]),
            blocks=int(architecture["blocks"]),
            upsampling=str(architecture["upsampling"]),
            domain_in_encoder=bool(architecture["domain_in_encoder"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise shared.architecture_incomplete(problem) from problem


def load_predictor(bundle: ModelBundle, device: str) -> AdganPredictor:
    """Load a trained network.

    Raises
    ------
    WrongRun
        If the bundle is not one of AD-GAN's, or is damaged.
    """
    net = build(bundle.architecture)
    load_weights(net, bundle.weights)
    return AdganPredictor(
        net.to(device).eval(),
        greys_of(bundle.architecture, bundle.weights),
        working_diameter=float(bundle.train_options.working_diameter),
        device=device,
    )
