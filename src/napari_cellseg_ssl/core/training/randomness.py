"""Torch's random numbers of a training, kept apart from those of its host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array

PREFIX = "random."


class TorchRandom:
    """Random numbers that go on where they were whenever a training has its turn; in between they are the host's.

    Networks begin and units are dropped by torch's one global state, which belongs to whoever shares the process: a
    notebook, or another job.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", "mps".
    """

    def __init__(self, seed: int, device: str) -> None:
        import torch

        self._get: dict[str, Callable[[], Any]] = {"cpu": torch.get_rng_state}
        self._set: dict[str, Callable[[Any], None]] = {"cpu": torch.set_rng_state}
        if device.startswith("cuda"):
            self._get["cuda"] = partial(torch.cuda.get_rng_state, device)
            self._set["cuda"] = partial(torch.cuda.set_rng_state, device=device)
        self._own: dict[str, Any] = {}
        with self:
            torch.default_generator.manual_seed(seed)
            if device.startswith("cuda"):
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)

    def __enter__(self) -> None:
        self._host = self._states()
        self._put(self._own)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own = self._states()
        self._put(self._host)

    def arrays(self) -> dict[str, Array]:
        """Return the states, for a checkpoint."""
        return {PREFIX + name: state.numpy().copy() for name, state in self._own.items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from a checkpoint; one of another device, or of an earlier version, has no such state."""
        import torch

        for name in self._own:
            if (state := arrays.get(PREFIX + name)) is not None:
                self._own[name] = torch.from_numpy(np.array(state))

    def _states(self) -> dict[str, Any]:
        return {name: get() for name, get in self._get.items()}

    def _put(self, states: Mapping[str, Any]) -> None:
        for name, state in states.items():
            self._set[name](state)
