"""Keeping a fast job from flooding the screen."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from napari_cellseg_ssl.core.methods.events import Step, TrainFinished

EventT = TypeVar("EventT")
STEPS_PER_SECOND = 10.0


def thin(
    events: Iterator[EventT], per_second: float = STEPS_PER_SECOND, clock: Callable[[], float] = time.monotonic
) -> Iterator[EventT]:
    """Pass on at most `per_second` Step events; nothing else is held back, and the last step is never lost."""
    next_at = float("-inf")
    held: EventT | None = None
    for event in events:
        if isinstance(event, Step):
            now = clock()
            if now < next_at:
                held = event
                continue
            next_at, held = now + 1 / per_second, None
        elif held is not None and isinstance(event, TrainFinished):
            yield held
        yield event
