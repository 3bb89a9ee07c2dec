"""Learning rates over the work done. It counts in shares and not in steps, so that a time budget ends small too."""

from collections.abc import Sequence
from math import cos, pi

WARM_UP_STEPS = 20
FINAL_SHARE = 0.02
CONTINUED_SHARE = 1 / 3
"""Of a learning rate, when a trained model learns on."""


def learning_rate(peak: float, step: int, done: float) -> float:
    """Rate of a step: a linear warm-up over 20 steps times a cosine over the work, down to 2 % of `peak`.

    Parameters
    ----------
    step : int
        Steps made before.
    done : float, 0 to 1
        Share of the work that is done.
    """
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + cos(pi * min(1.0, done)))
    return peak * warm_up * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


def dropped_rate(peak: float, done: float, drops: Sequence[float]) -> float:
    """Rate that is divided by ten at each of some shares of the work."""
    return float(peak * 0.1 ** sum(done >= drop for drop in drops))
