"""The bandwidth that finds the painted cells: what the paper's line search does on the truth, on known pixels only.

Painted cells teach the network nothing; they only choose among ways to read its maps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.training_set import TrainingSet
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cellulus.options import MAPS, CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.cellulus.segment import segment
from napari_cellseg_ssl.core.methods.events import MapsReady
from napari_cellseg_ssl.core.metrics.scores import mean_overlap, pooled_f1, sparse_score

FEWEST_CELLS = 3
MOST_IMAGES = 4
BANDWIDTHS = tuple(np.arange(0.2, 0.81, 0.04).round(2).tolist())
OVERLAP_WEIGHT = 0.1
NEARLY = 0.01


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Options that suit the painted cells, what to tell the user of them, and their score."""

    options: CellulusSegmentOptions = field(default_factory=CellulusSegmentOptions)
    notes: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


def calibrate(data: TrainingSet, predictor: Predictor, intensity: Intensity, run: Run) -> Calibration:
    """Search the bandwidth by which the painted cells are found best.

    Each bandwidth is rated together with its neighbours, because with few cells a single peak is chance; of nearly
    equal ones the nearest to the default is taken.

    With fewer than `FEWEST_CELLS` painted cells, and after a stop, the defaults stay.
    """
    painted = list(_painted(data, predictor, intensity, run))
    n_cells = sum(note.n_cells for _, note in painted)
    if n_cells < FEWEST_CELLS or run.should_stop():
        return Calibration()
    default = CellulusSegmentOptions()
    tried = [replace(default, bandwidth=bandwidth) for bandwidth in BANDWIDTHS]
    scores = np.array([_score(painted, options) for options in tried])
    rating = np.convolve(np.pad(scores @ (1.0, OVERLAP_WEIGHT), 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    far = np.abs(np.array(BANDWIDTHS) - default.bandwidth)
    best, usual = int(np.where(rating >= rating.max() - NEARLY, far, np.inf).argmin()), int(far.argmin())
    text = (
        f"Bandwidth {BANDWIDTHS[best]:g} diameters suits the {n_cells} painted cells: F1 {scores[best, 0]:.2f}, "
        f"with the default {scores[usual, 0]:.2f}."
    )
    return Calibration(options=tried[best], notes=(text,), scores={"painted_f1": float(scores[best, 0])})


def _painted(
    data: TrainingSet, predictor: Predictor, intensity: Intensity, run: Run
) -> Iterator[tuple[PredictionMaps, Annotation]]:
    """Predict the images with most painted cells."""
    notes = [(item, item.annotation) for item in data.items if item.annotation is not None and item.annotation.n_cells]
    specs = {spec.name: spec for spec in MAPS}
    for item, note in sorted(notes, key=lambda pair: -pair[1].n_cells)[:MOST_IMAGES]:
        events = predict_tiled(
            item.image,
            predictor,
            diameter=item.diameter,
            specs=specs,
            intensity=intensity,
            should_stop=run.should_stop,
        )
        yield from ((event.maps, note) for event in events if isinstance(event, MapsReady))


def _score(
    painted: Sequence[tuple[PredictionMaps, Annotation]], options: CellulusSegmentOptions
) -> tuple[float, float]:
    """F1 and mean overlap on known pixels, all images together."""
    matches = [
        sparse_score(cells, known, found)
        for maps, note in painted
        for cells, known, found in zip(note.cells, note.known, segment(maps, options), strict=True)
    ]
    return pooled_f1(matches), mean_overlap(matches)
