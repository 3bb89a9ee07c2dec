"""How long the average over a network's weights remembers."""

from __future__ import annotations

from collections.abc import Callable

Decay = Callable[[int, float], float | None]
"""From the steps made, this one included, and the share of the work done before it: what is kept of the average, 0 to
1, or None where the average stays as it is."""


def share_of_the_work(half_life: float) -> Decay:
    """Forget half within a share of the whole training, however long that will be; 0 = remember nothing."""
    from napari_cellseg_ssl.core.training.ema import decay_for

    def decay(step: int, done: float) -> float:
        planned = step / max(done, 1e-6)
        return decay_for(half_life * planned, step)

    return decay
