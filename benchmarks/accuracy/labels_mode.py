"""Is it noticed whether labels are complete or a painting? Label images as they are, and paintings made of them.

    python -m benchmarks.accuracy.labels_mode DATA [--sets NAME ...] [--seed N] [--json]

Of every labelled 2D set: how many label images are taken for complete one by one, what all together are taken for, and
how many paintings (five cells with strokes of background, five with rings, twenty with strokes; up to ten images of
each) are taken for paintings. Takes a minute.
"""

import argparse
import json
from pathlib import Path

from benchmarks._lib.datasets import LabelledSet, find_sets
from benchmarks._lib.painting import Painted, sparse
from napari_cellseg_ssl.core.data.labels_mode import guess_labels_mode

KINDS = ({"cells": 5}, {"cells": 5, "rings": True}, {"cells": 20})
MOST = 10


def measure(one_set: LabelledSet, seed: int) -> dict[str, object]:
    """Count what is taken for what."""
    truths = [item.read_labels() for item in one_set]
    pixels = [
        Painted(name=item.name, source=item.name, pixels=truth[None], truth=truth)
        for item, truth in zip(one_set, truths, strict=True)
    ]
    paintings = [
        one.painting
        for kind in KINDS
        for one in sparse(pixels[:MOST], count=MOST, seed=seed, **kind)
        if one.painting is not None and one.painting.any()
    ]
    return {
        "set": one_set.name,
        "images": len(truths),
        "complete": sum(guess_labels_mode([truth[None]]) == "dense" for truth in truths),
        "together": guess_labels_mode([truth[None] for truth in truths]),
        "paintings": len(paintings),
        "noticed": sum(guess_labels_mode([painting[None]]) == "sparse" for painting in paintings),
    }


def main() -> None:
    """Print a line for each set, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for one_set in find_sets(arguments.data):
        if not arguments.sets or one_set.name in arguments.sets:
            rows.append(measure(one_set, arguments.seed))
            print(json.dumps(rows[-1]) if arguments.json else rows[-1], flush=True)
    sums = {key: sum(row[key] for row in rows) for key in ("images", "complete", "paintings", "noticed")}
    print(json.dumps(sums) if arguments.json else sums)


if __name__ == "__main__":
    main()
