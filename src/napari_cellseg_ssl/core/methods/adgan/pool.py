"""Earlier translations, shown to the discriminator again so that it does not forget them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 50


class ReplayPool:
    """Keep up to `SIZE` images of one domain.

    Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", 2017.
    """

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Return as many images (B, 1, *S) as come: each, with even odds, an earlier one, whose place it takes."""
        import torch

        shown = []
        for image in images.detach().clone():
            if len(self.images) < SIZE:
                self.images.append(image)
                shown.append(image)
            elif rng.random() < 0.5:
                index = int(rng.integers(SIZE))
                shown.append(self.images[index])
                self.images[index] = image
            else:
                shown.append(image)
        return torch.stack(shown)
