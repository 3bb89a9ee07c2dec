"""Fit the weights by which touching pieces are joined, to contacts of pieces in every labelled set of a data folder.

    python -m benchmarks.accuracy.merging DATA --runs FOLDER [--sets NAME ...] [--budget SECONDS] [--leave-out NAME ...]

Cellulus is trained on each set (see `benchmarks/accuracy/cellulus.py --runs`) and about ten images of each are
clustered. Pieces that lie mostly in one true object say whether a contact is inside an object. Every set counts the
same. Prints weights and constant, and for every set the share of right decisions by weights that were fitted to the
others. Sets in which Cellulus finds no cells teach nothing and are best left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import find_sets
from benchmarks.accuracy.cellulus import groups, predict, read, train_once
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_labels
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.methods.cellulus.halo import expected_size
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus.segment import CONTACT_DEPTH, FrameSegmenter
from napari_cellseg_ssl.core.segmentation.merging import SHORTEST_CONTACT, contact_properties

IMAGES = 10
MOSTLY, ENOUGH = 0.75, 0.04
FEWEST = 100
"""Contacts; a set with fewer counts less."""

Contacts = tuple[Array, Array]


def contacts(maps: PredictionMaps, truth: Array) -> Contacts:
    """Properties (m, 5) of contacts whose pieces have a home in the truth, and whether it is the same, (m,) bool."""
    maps = maps.on_own_grid()
    stages = FrameSegmenter(maps, 0, CellulusSegmentOptions(joining=0.0))
    labels, inside, diameter = stages._clusters(), stages._depth() > CONTACT_DEPTH, maps.working_diameter
    touching = stages._touching()
    truth = resize_labels(truth, labels.shape)
    shared = np.zeros((int(labels.max()) + 1, int(truth.max()) + 1))
    np.add.at(shared, (labels[inside], truth[inside]), 1)
    home, most, all_true = shared[:, 1:].argmax(axis=1), shared[:, 1:].max(axis=1), shared[:, 1:].sum(axis=1)
    is_clear = (most > MOSTLY * all_true) & (most > ENOUGH * expected_size(diameter, 2))
    first, second = touching.first, touching.second
    used = is_clear[first] & is_clear[second] & (touching.contacts[:, 0] >= SHORTEST_CONTACT)
    return contact_properties(touching, diameter)[used], (home[first] == home[second])[used]


def fit(sets: Sequence[Contacts]) -> tuple[Array, float]:
    """Weights and constant of a logistic regression in which every set counts the same."""
    from sklearn.linear_model import LogisticRegression

    properties, same = (np.concatenate(part) for part in zip(*sets, strict=True))
    share = np.concatenate([np.full(len(one), 1 / max(len(one), FEWEST)) for _, one in sets])
    centre, spread = properties.mean(axis=0), properties.std(axis=0)
    fitted = LogisticRegression(max_iter=500).fit((properties - centre) / spread, same, share / share.mean())
    weights = fitted.coef_[0] / spread
    return weights, float(fitted.intercept_[0] - weights @ centre)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--leave-out", nargs="*", default=["phase_c2c12", "ctc/Fluo-C2DL-MSC", "multi_modality"])
    parser.add_argument("--budget", type=float, default=60.0)
    arguments = parser.parse_args()
    arguments = argparse.Namespace(**vars(arguments), preset="fast", option=[], cpu_clock=True)
    torch.set_num_threads(1)
    found: dict[str, Contacts] = {}
    for name, sets in groups(find_sets(arguments.data, names=tuple(arguments.sets))).items():
        if name in arguments.leave_out:
            continue
        data, truths = read(sets, "auto", None)
        every = max(1, len(truths) // IMAGES)
        bundle = train_once(data, name, arguments.budget, 0, arguments)
        maps = predict(TrainingSet(data.items[::every]), bundle)
        parts = [contacts(*pair) for pair in zip(maps, truths[::every], strict=True)]
        found[name] = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        print(f"{name}: {len(found[name][1])} contacts, {found[name][1].mean():.2f} inside objects", flush=True)
    for name, (properties, same) in found.items():
        weights, constant = fit([one for other, one in found.items() if other != name])
        print(f"{name}: {np.mean((properties @ weights + constant > 0) == same):.3f} right by the others' weights")
    weights, constant = fit(list(found.values()))
    print("weights", weights.round(2).tolist(), "constant", round(constant, 2))


if __name__ == "__main__":
    main()
