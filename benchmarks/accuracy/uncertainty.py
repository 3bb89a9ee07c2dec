"""Is an image of another kind noticed? How much of the images of each set a model of MAUNet is in doubt about.

    python -m benchmarks.accuracy.uncertainty DATA RUN [--sets NAME ...] [--most N]

RUN is a model that learned one set, for example `maunet-0` in the folder that `python -m benchmarks.accuracy.maunet
DATA --sets dsb2018_fluo --variants maunet --budget 80 --most 4 --runs FOLDER` leaves. One line per set: least, mean and
greatest share of doubtful pixels of its first images, and of how many the user is warned.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks._lib.datasets import find_sets
from benchmarks.accuracy.actis import diameters
from benchmarks.accuracy.maunet import predict, read
from napari_cellseg_ssl.core.methods.maunet.uncertainty import doubtful_share, remarks
from napari_cellseg_ssl.core.model.bundle import ModelBundle

SETS = (
    *("dsb2018_fluo", "bbbc039", "mouse_nuclei", "dsb2018_other", "phase_psc", "he_gbm40", "membrane_em"),
    "phase_c2c12",
)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--most", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle = ModelBundle.load(arguments.run)
    print(json.dumps({"learned": bundle.provenance.scores.get("doubtful")}), flush=True)
    for name in arguments.sets:
        found = next(one for one in find_sets(arguments.data, names=(name,)) if one.name == name)
        images = [read(found, index) for index in range(min(arguments.most, len(found)))]
        maps = [predict(bundle, *pair) for pair in zip(images, diameters(images, of_truth=False), strict=True)]
        shares = [doubtful_share(one.arrays["probability"][0], one.arrays["ambiguity"][0, 0]) for one in maps]
        warned = sum(bool(list(remarks(bundle, one))) for one in maps)
        row = {"set": name, "least": min(shares), "mean": float(np.mean(shares)), "most": max(shares)}
        row = {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
        print(json.dumps({**row, "images": len(maps), "warned": warned}), flush=True)


if __name__ == "__main__":
    main()
