"""When things happen in a training loop: the learning rate over the work done, and events at intervals."""

import time
from math import cos, pi

WARM_UP_STEPS = 20
FINAL_SHARE = 0.02


def learning_rate(peak: float, step: int, fraction: float) -> float:
    """Rate of a step: a linear warm-up over 20 steps times a cosine over the work, down to 2 % of `peak`.

    The cosine follows the share of the work that is done rather than a number of steps, so that a time budget
    ends with a small rate too.
    """
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    cosine = 0.5 * (1 + cos(pi * min(1.0, fraction)))
    return peak * warm_up * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


class Every:
    """Answer "is it time again?" with yes at most once per interval of `seconds`; the first yes after one interval."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether the interval has passed, and start the next one if so."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
