"""Normalisation layers by name, for networks that learn from batches of very different sizes."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

MOST_GROUPS = 32
SMALLEST_GROUP = 4
"""Channels."""

Norm = Callable[[int], nn.Module]
"""Number of channels -> layer."""


class FrozenNorm(nn.BatchNorm2d):
    """Batch normalisation that always uses the statistics it was given, and does not learn."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FrozenNorm:
        """Stay in prediction mode."""
        super().train(False)
        return self


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalise each image by itself, in up to 32 groups of at least four channels."""
    groups = min(MOST_GROUPS, max(1, channels // SMALLEST_GROUP))
    return nn.GroupNorm(groups, channels)


def _nothing(channels: int) -> nn.Identity:
    return nn.Identity()


NORMS: dict[str, Norm] = {
    "batch": nn.BatchNorm2d,
    "frozen": FrozenNorm,
    "group": group_norm,
    "none": _nothing,
}
