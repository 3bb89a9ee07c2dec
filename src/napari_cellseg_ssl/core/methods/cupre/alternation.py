"""How CUPre alternates its two steps: AMT², "alternate multi-task pre-training" (Liao et al., 2023, section III-D).

The source set is cut into as many parts as there are iterations. Each iteration takes all unlabelled images and one
part: `ContrastLearner` moves the backbone, an `Anchor` is made of it, and whoever trains the detector on the part adds
the anchor's penalty. Before the next iteration `ContrastLearner.renew` throws the keys of the old backbone away.
"""

from __future__ import annotations

import numpy as np

from napari_cellseg_ssl.core.images import Array


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
        Disjoint, in random order; together every index from 0 to `count` - 1.
    """
    return np.array_split(np.random.default_rng(seed).permutation(count), n_parts)
