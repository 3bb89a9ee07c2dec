"""A live curve that never has more than a fixed number of points."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

POINTS = 256


@dataclass(frozen=True)
class Curve:
    """Losses over steps; when it is full, neighbours are averaged, so it stays even over its whole length.

    Parameters
    ----------
    steps, values : tuple of float
    every : int
        Recorded steps per point.
    pending : tuple of (step, value)
        Waiting to become the next point.
    level : float, optional
        What the loss would be by chance.
    """

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    every: int = 1
    pending: tuple[tuple[float, float], ...] = ()
    level: float | None = None

    @property
    def last(self) -> float:
        """Newest point."""
        return self.values[-1]

    def with_point(self, step: int, losses: Mapping[str, float]) -> "Curve":
        """Add a step; "loss" counts of its losses, else the first one; "chance" is the level."""
        if not losses:
            return self
        value = losses.get("loss", next(iter(losses.values())))
        level = losses.get("chance", self.level)
        pending = (*self.pending, (float(step), float(value)))
        if len(pending) < self.every:
            return replace(self, pending=pending, level=level)
        steps = (*self.steps, _mean([s for s, _ in pending]))
        values = (*self.values, _mean([v for _, v in pending]))
        if len(steps) < POINTS:
            return Curve(steps, values, self.every, level=level)
        return Curve(_halved(steps), _halved(values), 2 * self.every, level=level)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _halved(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple((a + b) / 2 for a, b in zip(values[::2], values[1::2], strict=True))
