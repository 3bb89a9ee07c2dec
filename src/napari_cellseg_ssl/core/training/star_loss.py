"""The StarDist loss where something is known: object probability, and distances to the border along rays."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class StarTargets:
    """What a network should say of some crops.

    Parameters
    ----------
    probability : (B, Y, X) float32
        Depth in the object as a share of its greatest depth, 0 in the background.
    known : (B, Y, X) bool
        Where the probability may be believed.
    distances : (B, rays, Y', X') float32, px
        To the object's border, on every `step`-th pixel.
    usable : (B, rays, Y', X') bool
        Where a distance may be believed.
    step : int
    """

    probability: Tensor
    known: Tensor
    distances: Tensor
    usable: Tensor
    step: int

    def to(self, device: str) -> StarTargets:
        """Copy to a device."""
        return StarTargets(
            self.probability.to(device),
            self.known.to(device),
            self.distances.to(device),
            self.usable.to(device),
            self.step,
        )

    def within(self, margin: int) -> StarTargets:
        """Leave out so many pixels on each side, a multiple of `step`."""
        fine = _inner(margin)
        coarse = _inner(margin // self.step)
        return StarTargets(
            self.probability[fine], self.known[fine], self.distances[coarse], self.usable[coarse], self.step
        )


def star_loss(
    logits: Tensor, distances: Tensor, targets: StarTargets, *, distance_weight: float, regularisation: float
) -> Tensor:
    """Binary cross-entropy of the probability plus the distances' error where objects are.

    Both are means over what is known in the batch, so that few painted pixels count as much as many.

    Parameters
    ----------
    logits : (B, Y, X)
        Of the object probability.
    distances : (B, rays, Y', X'), px
        On the same pixels as those of the targets.
    targets : StarTargets
    distance_weight : float
        Of the distances' mean absolute error, itself weighted by the true probability: the middle of an object
        matters most, because that is where polygons are taken from.
    regularisation : float
        Of the distances in the background, relative to `distance_weight`.

    Returns
    -------
    () float
        Zero, with zero gradients, where nothing is known.

    References
    ----------
    Schmidt et al., MICCAI 2018, section 2.1, as implemented in stardist; Wolf et al., ICCV 2023, section 4.2.
    """
    known = targets.known.float()
    errors = functional.binary_cross_entropy_with_logits(logits, targets.probability, reduction="none")
    probability_loss = (errors * known).sum() / known.sum().clamp(min=1)

    grid = (..., slice(None, None, targets.step), slice(None, None, targets.step))
    in_object = (targets.probability * known)[grid][:, None]
    weights = in_object * targets.usable
    distance_loss = (weights * (distances - targets.distances).abs()).sum() / weights.sum().clamp(min=1e-6)
    ground = ((targets.probability == 0) & targets.known)[grid][:, None].float()
    background_loss = (ground * distances.abs()).sum() / (ground.sum() * distances.shape[1]).clamp(min=1)
    return probability_loss + distance_weight * (distance_loss + regularisation * background_loss)


def _inner(margin: int) -> tuple[object, ...]:
    kept = slice(margin, -margin or None)
    return (..., kept, kept)
