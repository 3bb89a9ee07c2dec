"""Student and teacher, and the two kinds of steps by which they learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cellseg_ssl.core.images import Array
from napari_cellseg_ssl.core.instances.boundaries import UNKNOWN
from napari_cellseg_ssl.core.methods.actis.networks import THRESHOLDS
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.actis.sampling import Batch, Sampler
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.core.torch_tools.weights import load_weights, weights_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

STUDENT, TEACHER, BASELINE = "student.", "teacher.", "baseline."
PRETRAINED = "pretrained"
"""In the state: whether the encoder began with weights from elsewhere."""
N_CLASSES = 3
RAMP = 0.2
"""Share of the refinement over which the weight of the pseudo-labels rises to its full value."""
PAPER_DECAY = 0.99


class Learner:
    """Everything that changes while ACTIS learns, and so everything that a checkpoint holds.

    Deviations from the paper and its reference code, with reasons:

    - The teacher moves. The reference assigns the average to a loop variable, so its teacher stays the baseline.
    - The teacher averages probabilities, not logits, so that one view's outlier cannot outvote the others.
    - Class weights apply to true labels only. On pseudo-labels they feed back: a network that is pushed towards
      boundaries labels more boundary, which is then weighted up again.
    - Pseudo-labels call foreground what lies above the threshold that fits the painted cells, not what is more probable
      than not. Where edges are not painted, cells come out too wide, and a student of such labels makes them wider.
    - Both losses are divided by the weight of the pixels that count, not by the number of all pixels.

    Parameters
    ----------
    net : nn.Module
    options : ActisOptions
    is_pretrained : bool
        Whether its ResNet begins with the weights of a model, not of what the options name.
    """

    def __init__(
        self, net: nn.Module, options: ActisOptions, *, device: str, seed: int, is_pretrained: bool = False
    ) -> None:
        import torch

        from napari_cellseg_ssl.core.nets.resnet_encoder import FEWEST_CROPS, freeze_statistics
        from napari_cellseg_ssl.core.torch_tools.confidence import ClassThresholds
        from napari_cellseg_ssl.core.torch_tools.teacher import make_teacher

        self.options, self.device = options, device
        self._is_pretrained = is_pretrained or options.has_given_resnet
        self.student = net.to(device).train()
        self.teacher = make_teacher(self.student)
        if self._is_pretrained and options.fewest_crops < FEWEST_CROPS:
            freeze_statistics(self.student.encoder)
        self.thresholds = ClassThresholds(N_CLASSES, masked=options.masked, momentum=options.threshold_momentum)
        self.baseline: dict[str, Array] = {}
        self.background_odds = 1.0
        self.step = 0
        self._weights = torch.tensor([1.0, 1.0, options.boundary_weight], device=device)
        self._rng = np.random.default_rng(seed)
        self._optimiser = self._make_optimiser("adamw")

    @property
    def is_refining(self) -> bool:
        """Whether the second stage has begun."""
        return bool(self.baseline)

    def calibrate(self, foreground_threshold: float) -> None:
        """Set the probability above which the teacher calls something foreground."""
        self.background_odds = foreground_threshold / (1 - foreground_threshold)

    def begin_refinement(self) -> None:
        """Keep the baseline and let teacher and student go on from it."""
        if self.options.teacher_every:
            self.teacher.load_state_dict(self.student.state_dict())
        self.baseline = weights_of(self.teacher, BASELINE)
        if self.options.refine_optimiser == "sgd":
            self._optimiser = self._make_optimiser("sgd")

    def learn(self, sampler: Sampler, rate: float, done: float, refined: float) -> dict[str, float]:
        """Make one step.

        Parameters
        ----------
        rate : float
            Learning rate.
        done, refined : float, 0 to 1
            Share of the whole work, and of the refinement, that is done.

        Returns
        -------
        {name: float}
            The losses.
        """
        losses = self._refinement_losses(sampler, refined) if self.is_refining else self._baseline_losses(sampler)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        self._optimiser.step()
        self.step += 1
        self._move_teacher(done)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _baseline_losses(self, sampler: Sampler) -> dict[str, Tensor]:
        from napari_cellseg_ssl.core.torch_tools.augment import random_intensity
        from napari_cellseg_ssl.core.torch_tools.masked_losses import masked_cross_entropy

        batch = sampler.labelled(self._rng, self.options.batch)
        with self._precision():
            logits = self.student(random_intensity(batch.images, self._rng).to(self.device))
        return {"supervised": masked_cross_entropy(logits, batch.classes.to(self.device), self._weights)}

    def _refinement_losses(self, sampler: Sampler, refined: float) -> dict[str, Tensor]:
        """Supervised loss on painted crops plus cross-entropy with confident pseudo-labels on crops from anywhere."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.augment import orient, random_intensity
        from napari_cellseg_ssl.core.torch_tools.masked_losses import masked_cross_entropy

        painted = sampler.labelled(self._rng, self.options.refine_batch)
        anywhere = sampler.anywhere(self._rng, self.options.unlabelled_batch)
        view = int(self._rng.integers(8))
        wanted = orient(self.pseudo_labels(anywhere), view)
        images = torch.cat([painted.images, orient(anywhere.images, view)])
        with self._precision():
            logits = self.student(random_intensity(images, self._rng).to(self.device))
        n_painted = len(painted.images)
        supervised = masked_cross_entropy(logits[:n_painted], painted.classes.to(self.device), self._weights)
        weight = self.options.pseudo_weight * min(1.0, refined / RAMP)
        return {"supervised": supervised, "pseudo": weight * masked_cross_entropy(logits[n_painted:], wanted)}

    def pseudo_labels(self, batch: Batch) -> Tensor:
        """Classes (B, Y, X) for crops from anywhere: painted where known, else the teacher's where it is confident."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.confidence import pseudo_classes, shift_background
        from napari_cellseg_ssl.core.torch_tools.teacher import averaged_probabilities

        known = batch.classes.to(self.device)
        with self._precision():
            probabilities = averaged_probabilities(
                self.teacher, batch.images.to(self.device), self.options.teacher_views
            )
        probabilities = shift_background(probabilities, self.background_odds)
        self.thresholds.update(probabilities, known == UNKNOWN)
        return torch.where(known == UNKNOWN, pseudo_classes(probabilities, self.thresholds), known)

    def observe(self, probabilities: Sequence[Array]) -> None:
        """Set the confidence thresholds of a model that was not refined, from probabilities (3, Y, X)."""
        import torch

        for one in probabilities:
            self.thresholds.update(torch.from_numpy(one)[None])

    def _move_teacher(self, done: float) -> None:
        from napari_cellseg_ssl.core.torch_tools.teacher import decay_for, follow

        options = self.options
        if self.is_refining and options.frozen_teacher:
            return
        if not options.teacher_every:
            planned = self.step / max(done, 1e-6)
            follow(self.teacher, self.student, decay_for(options.teacher_half_life * planned, self.step))
        elif not self.is_refining:
            follow(self.teacher, self.student, 0.0)
        elif self.step % options.teacher_every == 0:
            follow(self.teacher, self.student, PAPER_DECAY)

    def _precision(self) -> AbstractContextManager[object]:
        from napari_cellseg_ssl.core.torch_tools.precision import half_precision

        return half_precision(self.device, self.options.mixed_precision)

    def _make_optimiser(self, name: str) -> Optimizer:
        import torch

        decay, groups = self.options.weight_decay, self._groups()
        if name == "sgd":
            return torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True, weight_decay=decay)
        return torch.optim.AdamW(groups, lr=1e-3, weight_decay=decay)

    def _groups(self) -> list[dict[str, Any]]:
        """List the weights by what share of the learning rate they have."""
        if not self._is_pretrained:
            return [{"params": list(self.student.parameters()), "share": 1.0}]
        encoder = list(self.student.encoder.parameters())
        taken = {id(p) for p in encoder}
        others = [p for p in self.student.parameters() if id(p) not in taken]
        return [{"params": others, "share": 1.0}, {"params": encoder, "share": self.options.encoder_rate}]

    def arrays(self) -> dict[str, Array]:
        """Copy everything that `restore` needs, `state` apart."""
        from napari_cellseg_ssl.core.torch_tools.optimiser_state import optimiser_arrays

        return {
            **weights_of(self.student, STUDENT),
            **weights_of(self.teacher, TEACHER),
            **self.baseline,
            **optimiser_arrays(self._optimiser),
            THRESHOLDS: self.thresholds.values.numpy().copy(),
        }

    def state(self) -> dict[str, Json]:
        """Describe what is no array: the random state, the odds, and how the encoder began."""
        return {
            "random": dict(self._rng.bit_generator.state),
            "background_odds": self.background_odds,
            PRETRAINED: self._is_pretrained,
        }

    def restore(self, step: int, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        import torch

        from napari_cellseg_ssl.core.torch_tools.optimiser_state import restore_optimiser

        load_weights(self.student, arrays, STUDENT)
        load_weights(self.teacher, arrays, TEACHER)
        self.baseline = {name: array for name, array in arrays.items() if name.startswith(BASELINE)}
        if self.is_refining:
            self._optimiser = self._make_optimiser(self.options.refine_optimiser)
        restore_optimiser(self._optimiser, arrays)
        self.thresholds.values = torch.from_numpy(np.array(arrays[THRESHOLDS]))
        self._rng.bit_generator.state = state["random"]
        self.background_odds = float(state["background_odds"])
        self.step = step
