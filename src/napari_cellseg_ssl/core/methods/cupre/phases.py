"""How CUPre alternates its two steps: AMT², "alternate multi-task pre-training" (Liao et al., 2023, section III-D).

First the source alone. Then iterations, each with the images without labels and then one part of the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions

SOURCE: Literal["source"] = "source"
CONTRAST: Literal["contrast"] = "contrast"
ALL = -1
"""The part that is all of the source."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the work, up to the share `end` of it; `part` of the source that it learns from."""

    kind: Literal["source", "contrast"]
    end: float
    part: int = ALL


def plan_phases(options: CupreOptions, *, has_source: bool, has_learned: bool) -> tuple[Phase, ...]:
    """Divide the work; who knows objects already does not begin with the source alone."""
    if not has_source:
        return (Phase(kind=CONTRAST, end=1.0),)
    if options.contrast_share == 0:
        return (Phase(kind=SOURCE, end=1.0),)
    first = 0.0 if has_learned else options.warm_up
    phases = [Phase(kind=SOURCE, end=first)] if first else []
    each = (1 - first) / options.iterations
    for part in range(options.iterations):
        start = first + part * each
        phases.append(Phase(kind=CONTRAST, end=start + options.contrast_share * each))
        if options.contrast_share < 1:
            phases.append(Phase(kind=SOURCE, end=start + each, part=part))
    return tuple(phases)


def place_in(phases: tuple[Phase, ...], done: float) -> int:
    """Return which phase a share of the work is in."""
    return next((n for n, phase in enumerate(phases) if done < phase.end - 1e-9), len(phases) - 1)


def source_parts(count: int, n_parts: int, seed: int) -> list[Array]:
    """Cut a source set into parts of equal size, as far as they divide.

    Parameters
    ----------
    count : int
        Images of the source.
    n_parts : int
        Iterations; the paper has ten.

    Returns
    -------
    list of (n) int arrays
        Disjoint, in random order; together every index from 0 to `count` - 1. With fewer images than parts each part
        is one image, some of them more than once.
    """
    order = np.random.default_rng(seed).permutation(count)
    if count < n_parts:
        order = np.resize(order, n_parts)
    return np.array_split(order, n_parts)
