"""Running averages of batch normalisation, measured anew once the weights no longer move."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running averages of a network by plain averages over batches of images."""
    layers = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    usual, was_training = [layer.momentum for layer in layers], net.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average
    net.train()
    for batch in batches:
        net(batch)
    net.train(was_training)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.momentum = momentum
