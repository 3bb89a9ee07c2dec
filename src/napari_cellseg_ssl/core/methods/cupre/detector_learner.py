"""The detector, and the steps by which it learns from annotated crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods import messages as shared
from napari_cellseg_ssl.core.methods.cupre.crops import ObjectCrops
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.training.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from napari_cellseg_ssl.core.nets.detector.detector import Detector
    from napari_cellseg_ssl.core.training.anchored import Anchor

NET, ANCHOR = "detector.", "anchor."
LONGEST_GRADIENT = 10.0
"""A longer one is shortened: early steps of a random detector are wild."""


class DetectorLearner:
    """Everything that changes while a detector learns from objects, and so all that a checkpoint holds.

    Parameters
    ----------
    detector : Detector
        Learned in place.
    has_learned : bool
        Whether its backbone has learned before: then it moves more slowly.
    """

    def __init__(self, detector: Detector, options: CupreOptions, *, device: str, seed: int, has_learned: bool) -> None:
        self.options, self.device = options, device
        self.detector = detector.to(device).train()
        self.steps = 0
        self.anchor: Anchor | None = None
        self._rng = np.random.default_rng(seed)
        self._optimiser = self._make_optimiser(options.backbone_rate if has_learned else 1.0)

    def hold_backbone(self) -> None:
        """From now on pull the backbone to where it is now (L2-SP)."""
        from napari_cellseg_ssl.core.training.anchored import Anchor

        self.anchor = Anchor(self.detector.backbone.body, alpha=self.options.alpha, strength=self.options.strength)
        self._decay_backbone(0.0)  # the pull decays already

    def release_backbone(self) -> None:
        """Let it go."""
        self.anchor = None
        self._decay_backbone(self.options.weight_decay)

    def freeze_backbone(self, is_frozen: bool) -> None:
        """Keep the backbone bit by bit as it is, its statistics included, or let it learn again."""
        body = self.detector.backbone.body
        body.requires_grad_(not is_frozen)
        body.train(not is_frozen)

    def learn(self, crops: ObjectCrops, rate: float) -> dict[str, float]:
        """Make one step at a learning rate; returns "loss", its parts, and "drift" where the backbone is held."""
        import torch

        from napari_cellseg_ssl.core.training.precision import half_precision

        images, targets = crops.draw(self._rng, self.options.batch)
        with half_precision(self.device, self.options.mixed_precision):
            losses = self.detector.losses(
                images.to(self.device), [target.to(self.device) for target in targets], self._rng
            )
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad(set_to_none=True)
        loss = torch.stack(list(losses.values())).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.detector.parameters(), LONGEST_GRADIENT)
        self._optimiser.step()
        self.steps += 1
        found = {"loss": float(loss.detach()), **{name: float(part.detach()) for name, part in losses.items()}}
        if self.anchor is not None:
            self.anchor.pull(rate * self._optimiser.param_groups[1]["share"])
            found["drift"] = self.anchor.drift()
        return found

    def _make_optimiser(self, backbone_share: float) -> Optimizer:
        import torch

        backbone = list(self.detector.backbone.body.parameters())
        taken = {id(weight) for weight in backbone}
        others = [weight for weight in self.detector.parameters() if id(weight) not in taken]
        groups = [{"params": others, "share": 1.0}, {"params": backbone, "share": backbone_share}]
        return torch.optim.AdamW(groups, lr=self.options.rate, weight_decay=self.options.weight_decay)

    def _decay_backbone(self, weight_decay: float) -> None:
        self._optimiser.param_groups[1]["weight_decay"] = weight_decay

    def arrays(self) -> dict[str, Array]:
        """Copy everything that `restore` needs, `state` apart."""
        from napari_cellseg_ssl.core.training.optimiser_state import optimiser_arrays

        return {
            **weights_of(self.detector, NET),
            **({} if self.anchor is None else self.anchor.arrays(ANCHOR)),
            **optimiser_arrays(self._optimiser),
        }

    def state(self) -> dict[str, Json]:
        """Describe what is no array."""
        return {"random": dict(self._rng.bit_generator.state), "steps": self.steps}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        WrongRun
            If it is that of another network, or incomplete.
        """
        from napari_cellseg_ssl.core.training.optimiser_state import restore_optimiser

        load_weights(self.detector, arrays, NET)
        restore_optimiser(self._optimiser, arrays)
        if any(name.startswith(ANCHOR) for name in arrays):
            self.hold_backbone()
            self.anchor.restore(arrays, ANCHOR)  # type: ignore[union-attr]
        try:
            self._rng.bit_generator.state = state["random"]
            self.steps = int(state["steps"])
        except (KeyError, TypeError, ValueError) as problem:
            raise shared.checkpoint_incomplete() from problem
