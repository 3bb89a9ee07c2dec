"""Noise-perturbed repeated inference: mean and spread of the embeddings (section 3.3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.training.weights import load_weights

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.model.bundle import ModelBundle
    from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet

TAG = "cellulus-unet"
NOISE_VALUES = (0.5, 1.0)
CHANNEL_WEIGHTS = "intensity.channel_weights"


def position_noise(seed: int, number: int, origin: Array, shape: tuple[int, ...]) -> Array:
    """Uniform random numbers (*shape) in [0, 1) that depend on absolute position only.

    The number at a position is a hash of seed, `number` (of the pass and channel) and position: however a frame is
    cut into tiles, each pixel meets the same noise.

    Parameters
    ----------
    origin : (len(shape),) int
        Position of the first pixel.
    """
    state = _mix(_mix(np.array([seed], np.uint64)) + np.uint64(number + 1))
    for axis, (start, size) in enumerate(zip(origin, shape, strict=True)):
        place = np.arange(int(start), int(start) + size, dtype=np.uint64)
        state = _mix(
            state ^ _mix(place + np.uint64(1 + axis)).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        )
    noise: Array = (state >> np.uint64(11)) * 2.0**-53
    return noise


def _mix(value: Any) -> Any:
    """Scramble 64-bit integers so that neighbours become unrelated (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class CellulusPredictor:
    """Predict embedding, uncertainty and intensity of crops; see `Predictor`.

    Parameters
    ----------
    net : CellulusUNet
        In prediction mode.
    channel_weights : (C,) float
        Mixture of the channels that makes the intensity map.
    passes : int
        Noisy predictions, half of them with pixels set to 0.5, half to 1.
    noise : float
        Share of pixels, per channel, that is replaced.
    """

    def __init__(
        self,
        net: CellulusUNet,
        *,
        channel_weights: Array,
        working_diameter: float,
        passes: int,
        noise: float,
        seed: int,
        device: str,
    ) -> None:
        self._net, self._weights, self._device = net, channel_weights, device
        self._passes, self._noise, self._seed = passes, noise, seed
        self.halo = net.context // 2
        self.multiple_of = net.multiple_of
        self.working_diameter: float | None = working_diameter
        self.in_channels = len(channel_weights)

    def __call__(self, crops: Array, origins: Array) -> Mapping[str, Array]:
        """Predict; what lies within the halo of the maps is zero."""
        first = self._offsets(self._perturbed(crops, origins, 0))
        total, squares = np.zeros_like(first), np.zeros_like(first)
        for number in range(1, self._passes):
            # Differences from the first pass are small, so their squares lose no digits.
            change = self._offsets(self._perturbed(crops, origins, number)) - first
            total += change
            squares += change * change
        shift = total / self._passes
        spread = np.sqrt(np.maximum(squares / self._passes - shift * shift, 0)).sum(axis=1, keepdims=True)
        intensity = np.tensordot(crops, self._weights.astype(np.float32), axes=([1], [0]))[:, None]
        return {"embedding": first + shift, "embedding-uncertainty": spread, "intensity": intensity}

    def _perturbed(self, crops: Array, origins: Array, number: int) -> Array:
        noisy = crops.copy()
        value = NOISE_VALUES[number % len(NOISE_VALUES)]
        for crop, origin in zip(noisy, origins, strict=True):
            for index, channel in enumerate(crop):
                key = number * len(crop) + index
                channel[position_noise(self._seed, key, origin, channel.shape) < self._noise] = value
        return noisy

    def _offsets(self, crops: Array) -> Array:
        """Run the network; crops of a length it cannot take are padded behind."""
        import torch

        sizes = [self._net.smallest_input(size - self._net.context) for size in crops.shape[2:]]
        behind = [(0, want - have) for want, have in zip(sizes, crops.shape[2:], strict=True)]
        if any(after for _, after in behind):
            crops = np.pad(crops, [(0, 0), (0, 0), *behind], mode="edge")
        with torch.inference_mode():
            offsets = self._net(torch.from_numpy(np.ascontiguousarray(crops)).to(self._device)).float().cpu().numpy()
        front = self._net.context // 2
        around = [(front, size - front - have) for size, have in zip(sizes, offsets.shape[2:], strict=True)]
        full = np.pad(offsets, [(0, 0), (0, 0), *around])
        return full[
            (slice(None), slice(None), *(slice(size - after) for size, (_, after) in zip(sizes, behind, strict=True)))
        ]


def build(architecture: Mapping[str, Any]) -> CellulusUNet:
    """Build the network that `architecture` describes.

    Raises
    ------
    WrongRun
        If it describes none of Cellulus'.
    """
    from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet

    try:
        if architecture["tag"] != TAG:
            raise shared.model_of_another_method(architecture["tag"], TAG)
        return CellulusUNet(
            int(architecture["in_channels"]),
            ndim=int(architecture["spatial_ndims"]),
            first=int(architecture["width"]),
            increase=int(architecture["growth"]),
            last=int(architecture["last_width"]),
            depth=int(architecture["depth"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise shared.architecture_incomplete(problem) from problem


def load_predictor(bundle: ModelBundle, device: str) -> CellulusPredictor:
    """Load a trained network.

    Raises
    ------
    WrongRun
        If the bundle is not one of Cellulus', or is damaged.
    """
    net = build(bundle.architecture)
    load_weights(net, bundle.weights)
    if CHANNEL_WEIGHTS not in bundle.weights:
        raise shared.run_lacks(CHANNEL_WEIGHTS)
    return CellulusPredictor(
        net.to(device).eval(),
        channel_weights=bundle.weights[CHANNEL_WEIGHTS],
        working_diameter=bundle.train_options.working_diameter,
        passes=bundle.train_options.passes,
        noise=bundle.train_options.noise,
        seed=bundle.provenance.seed,
        device=device,
    )
