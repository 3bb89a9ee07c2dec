"""The networks of the contrastive step, and the steps by which they learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions
from napari_cellseg_ssl.core.methods.cupre.tiles import TileSampler, Views
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import Tensor, nn

QUERY, KEY, QUEUE = "query.", "key.", "queue."
STEADY_BATCHES = 10
"""Over which batch statistics are measured in the end."""


class ContrastLearner:
    """Everything that changes while an encoder learns by momentum contrast, and so all that a checkpoint holds.

    Parameters
    ----------
    encoder : nn.Module
        Learned in place; see `ContrastNet` for what it returns.
    width : int
        Channels of its last features.
    options : ContrastOptions
    inputs : (mean, std)
        Per channel, by which images are shifted and scaled.
    n_tiles : int
        How many tiles there are to tell apart.
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        options: ContrastOptions,
        *,
        inputs: tuple[list[float], list[float]],
        n_tiles: int,
        device: str,
        seed: int,
    ) -> None:
        import torch

        from napari_cellseg_ssl.core.training.contrast import ContrastNet, queue_size

        self.options, self.device, self.step = options, device, 0
        self._expect(inputs)
        with torch.random.fork_rng(devices=[]):  # the host's own random state stays as it is
            torch.manual_seed(seed)
            self.query = ContrastNet(encoder, width).to(device).train()
        self._rng = np.random.default_rng(seed)
        self._queue_size = queue_size(n_tiles, options.batch, options.queue)
        self.renew()

    def renew(self) -> None:
        """Begin with new keys: a copy of the encoder as it is makes them, the queue is empty, the optimiser too.

        For the first step of each iteration of AMT²: keys that the encoder before the source step made are stale.
        """
        import torch

        from napari_cellseg_ssl.core.training.contrast import KeyQueue, momentum_copy

        self.key = momentum_copy(self.query)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self._rng.integers(2**31)))
            self.queue = KeyQueue(self._queue_size).to(self.device)
        self._optimiser = torch.optim.AdamW(self.query.parameters(), lr=0.0, weight_decay=self.options.weight_decay)
        self._is_filled = False

    def learn(self, sampler: TileSampler, rate: float) -> dict[str, float]:
        """Make one step; before the first one the queue is filled.

        Returns
        -------
        {name: float}
            "contrast", the loss; "chance", what it would be by chance; "accuracy", the share of views that were
            found among all others.
        """
        from napari_cellseg_ssl.core.training import contrast

        self._fill(sampler)
        views = sampler.views(self._rng, self.options.batch)
        contrast.trail(self.key, self.query, self.options.momentum)
        keys = self._keys(views.second)
        with self._precision():
            queries = self.query(self._seen(views.first))
        tiles = views.tiles.to(self.device)
        logits = contrast.contrast_logits(queries.float(), keys, tiles, self.queue, self.options.temperature)
        loss = contrast.contrast_loss(logits)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self.queue.push(keys, tiles)
        self.step += 1
        return {
            "contrast": float(loss.detach()),
            "chance": contrast.chance_loss(self.queue, len(tiles)),
            "accuracy": contrast.contrast_accuracy(logits),
        }

    def settle(self, sampler: TileSampler) -> None:
        """Measure the batch statistics of the encoder on images as they are."""
        from napari_cellseg_ssl.core.training.batch_statistics import recalibrate

        batches = (self._seen(sampler.unchanged(self._rng, self.options.batch)) for _ in range(STEADY_BATCHES))
        recalibrate(self.query.encoder, batches)

    def _fill(self, sampler: TileSampler) -> None:
        """Replace the random keys of the queue, so that the first steps have something to tell apart from."""
        if self._is_filled:
            return
        missing = self._queue_size
        while missing > 0:
            views: Views = sampler.views(self._rng, self.options.batch)
            self.queue.push(self._keys(views.second)[:missing], views.tiles.to(self.device)[:missing])
            missing -= self.options.batch
        self._is_filled = True

    def _keys(self, images: Tensor) -> Tensor:
        import torch

        with torch.no_grad(), self._precision():
            keys: Tensor = self.key(self._seen(images)).float()
        return keys

    def _expect(self, inputs: tuple[list[float], list[float]]) -> None:
        import torch

        self.inputs = inputs
        self._mean, self._std = (torch.tensor(one, device=self.device).reshape(1, -1, 1, 1) for one in inputs)

    def _seen(self, images: Tensor) -> Tensor:
        return (images.to(self.device) - self._mean) / self._std

    def _precision(self) -> Any:
        from napari_cellseg_ssl.core.training.precision import half_precision

        return half_precision(self.device, self.options.mixed_precision)

    def arrays(self) -> dict[str, Array]:
        """Copy everything that `restore` needs, `state` apart."""
        from napari_cellseg_ssl.core.training.optimiser_state import optimiser_arrays

        return {
            **weights_of(self.query, QUERY),
            **weights_of(self.key, KEY),
            **weights_of(self.queue, QUEUE),
            **optimiser_arrays(self._optimiser),
        }

    def state(self) -> dict[str, Json]:
        """Describe what is no array."""
        mean, std = self.inputs
        random = dict(self._rng.bit_generator.state)
        return {"random": random, "filled": self._is_filled, "mean": list(mean), "std": list(std)}

    def restore(self, step: int, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        WrongRun
            If it is that of another network, or of other images.
        """
        from napari_cellseg_ssl.core.training.optimiser_state import restore_optimiser

        for net, prefix in ((self.query, QUERY), (self.key, KEY), (self.queue, QUEUE)):
            load_weights(net, arrays, prefix)
        restore_optimiser(self._optimiser, arrays)
        try:
            self._rng.bit_generator.state = state["random"]
            self._is_filled = bool(state["filled"])
            self._expect((state["mean"], state["std"]))
        except (KeyError, TypeError, ValueError) as problem:
            raise shared.checkpoint_incomplete() from problem
        self.step = step
