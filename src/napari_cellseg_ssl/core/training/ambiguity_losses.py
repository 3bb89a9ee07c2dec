"""The losses of MAUNet, where something is known.

What the proxy class learns depends on them. It has no target, and a loss that rewards only the true class's
probability, as cross-entropy does, drives it to zero at every pixel. Dice and a focal loss on each class by itself
also punish probability in wrong classes, from which the proxy can relieve them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_cellseg_ssl.core.nets.ambiguity_unet import N_CLASSES, Prediction
from napari_cellseg_ssl.core.segmentation.boundaries import UNKNOWN

SMOOTH = 1e-5
GAMMA = 2.0


def masked_dice(logits: Tensor, classes: Tensor) -> Tensor:
    """Soft Dice of the first three of all classes, background included, over known pixels.

    Per image and class, then the mean; images of which nothing is known do not count.

    Parameters
    ----------
    logits : (B, K, Y, X) float, K >= 3
    classes : (B, Y, X) int64
        -1 where unknown.
    """
    from monai.losses import DiceLoss

    known = (classes != UNKNOWN)[:, None]
    dice = DiceLoss(smooth_nr=SMOOTH, smooth_dr=SMOOTH, reduction="none")
    losses = dice(_first_three(logits) * known, _one_hot(classes)).flatten(1)
    counts = known.flatten(1).any(1)
    return (losses * counts[:, None]).sum() / (N_CLASSES * counts.sum()).clamp(min=1)


def masked_focal(logits: Tensor, classes: Tensor, *, as_published: bool = True) -> Tensor:
    """Focal loss over known pixels.

    Parameters
    ----------
    logits : (B, K, Y, X) float, K >= 3
    classes : (B, Y, X) int64
        -1 where unknown.
    as_published : bool
        The published code hands probabilities to a loss that expects logits: of each of the three classes it computes
        the binary focal loss of sigmoid(p). That is a mistake, and all that keeps a proxy alive; so it is the default.
        Else -(1 - p)^2 log(p) of the true class.
    """
    from monai.losses import FocalLoss

    known = classes != UNKNOWN
    if as_published:
        binary = FocalLoss(gamma=GAMMA, use_softmax=False, reduction="none")
        losses = binary(_first_three(logits), _one_hot(classes)).mean(1)
    else:
        log_p = logits.float().log_softmax(1).gather(1, classes.clamp(min=0)[:, None])[:, 0]
        losses = -((1 - log_p.exp()) ** GAMMA) * log_p
    return (losses * known).sum() / known.sum().clamp(min=1)


def distance_loss(predicted: Tensor, wanted: Tensor, *, balanced: bool = True) -> Tensor:
    """Mean absolute error of a field that is 0 in the background, per image, then the mean over images.

    Parameters
    ----------
    predicted : (B, 1, Y, X) float
    wanted : (B, Y, X) float
        -1 where unknown.
    balanced : bool
        As published: cells and background count equally, however few pixels one of them has; an image without one of
        them has the other alone. In doubt the rarer of the two wins, so that cells come out too wide where they are
        sparse. Else each pixel counts equally.
    """
    errors = (predicted[:, 0].float() - wanted).abs()
    parts = ((wanted > 0, 1.0), (wanted == 0, 1.0)) if balanced else ((wanted >= 0, 2.0),)
    means = []
    for part, weight in parts:
        counts = part.flatten(1).sum(1)
        means.append(weight * (errors * part).flatten(1).sum(1) / counts.clamp(min=1))
    some = (wanted >= 0).flatten(1).any(1).sum()
    return torch.stack(means).sum() / some.clamp(min=1)


def disagreement(own: Prediction, other: Prediction, where: Tensor) -> Tensor:
    """Cross-entropy with another network's classes, plus the squared difference of the distance fields.

    Cross-entropy empties the proxy wherever it counts: the paper's formula, and a reason to leave this off.

    Parameters
    ----------
    own, other : Prediction
        Of the network that learns, and of the other, which is taken as it is.
    where : (B, Y, X) bool
        What counts: pixels of which nothing is known.
    """
    wanted = other.logits.detach()[:, :N_CLASSES].argmax(1)
    losses = functional.cross_entropy(own.logits, wanted, reduction="none")
    if own.distance is not None and other.distance is not None:
        losses = losses + (own.distance - other.distance.detach())[:, 0].square()
    return (losses * where).sum() / where.sum().clamp(min=1)


def _first_three(logits: Tensor) -> Tensor:
    """Probabilities of background, interior and boundary, beside those of the proxy."""
    return logits.float().softmax(1)[:, :N_CLASSES]


def _one_hot(classes: Tensor) -> Tensor:
    """Return (B, 3, Y, X) float, all zero where unknown."""
    return torch.stack([classes == index for index in range(N_CLASSES)], dim=1).float()
