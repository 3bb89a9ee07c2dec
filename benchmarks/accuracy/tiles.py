"""Do tiles show? A large image, made by mirroring a real one, predicted in one piece and in tiles of several sides.

    python -m benchmarks.accuracy.tiles RUN IMAGE [--side PX] [--tiles PX ...] [--diameter PX|auto] [--json]

For each side of a tile: the largest difference of each map from the one piece, how many instances are the same to the
last pixel, F1 at IoU 0.9, CPU seconds of prediction and peak memory of the process so far (pieces are tried from the
smallest on, the one piece last). One thread. The intensity limits are those of the whole image, as in any prediction.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from skimage.measure import regionprops
from tifffile import imread

from napari_cellseg_ssl.core.data.images import Array, ImageStack
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import MapsReady, last_of
from napari_cellseg_ssl.core.metrics.matching import match_pairs, overlap
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.diameters import resolve_diameter


def mosaic(image: Array, side: int) -> Array:
    """Mirror an image (Y, X[, C]) into a square one."""
    pads = [(0, max(0, side - size)) for size in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, pads, mode="symmetric")[:side, :side]


def predicted(bundle: ModelBundle, image: ImageStack, diameter: float, tile: int) -> PredictionMaps:
    method = get_method(bundle.method_id)
    events = predict_tiled(
        image,
        method.predictor(bundle, "cpu"),
        diameter=diameter,
        specs={spec.name: spec for spec in method.info.maps},
        intensity=bundle.intensity,
        tile=tile,
    )
    return last_of(events, MapsReady).maps


def same(labels: Array, whole: Array) -> int:
    """Count the instances of one piece that are the same, pixel by pixel, in tiles."""
    count = 0
    for region in regionprops(whole):
        found = np.unique(labels[region.slice][region.image])
        count += len(found) == 1 and found[0] > 0 and int((labels == found[0]).sum()) == int(region.area)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--tiles", nargs="*", type=int, default=[128, 256, 512])
    parser.add_argument("--diameter", default="auto")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    bundle = ModelBundle.load(arguments.run)
    image = ImageStack.from_array(mosaic(imread(arguments.image), arguments.side), name=arguments.image.stem)
    diameter = resolve_diameter(
        image, arguments.diameter if arguments.diameter == "auto" else float(arguments.diameter)
    )
    method, found = get_method(bundle.method_id), {}
    for tile in [*sorted(arguments.tiles), 16 * arguments.side]:
        start = time.process_time()
        maps = predicted(bundle, image, diameter, tile)
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found[tile] = maps, method.segment(maps, bundle.segment_options)[0], seconds, peak
    (whole, reference, *_) = found[16 * arguments.side]
    for tile, (maps, labels, seconds, peak) in found.items():
        gaps = {f"gap_{name}": float(np.abs(maps.arrays[name] - whole.arrays[name]).max()) for name in maps.arrays}
        match = match_pairs(overlap(reference, labels), 0.9)
        row = {
            "method": bundle.method_id,
            "side": arguments.side,
            "tile": "one piece" if tile > arguments.side else tile,
            "instances": int(labels.max()),
            "same": same(labels, reference),
            "f1_90": round(2 * match.tp / max(1, match.n_truth + match.n_prediction), 4),
            **{name: round(gap, 6) for name, gap in gaps.items()},
            "cpu_s": round(seconds, 1),
            "peak_gb": round(peak, 2),
        }
        print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
