"""What the use cases say beyond the events of `core.methods.events`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.maps import PredictionMaps
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.methods.events import Note, PredictEvent, TrainEvent
from napari_cellseg_ssl.tasks.requests import PreviewWindow

STEP_COST = 0.005
"""What one step away from the starting options has to gain: with few painted cells less is chance."""


@dataclass(frozen=True)
class Preview:
    """What the network makes of the watched window now; `labels` is (N, *S) int32 on the window's own grid.

    `drawn` is an image of objects that it invents, on the same grid, where it is such a network.
    """

    step: int
    window: PreviewWindow
    maps: PredictionMaps
    labels: Array
    drawn: SyntheticPair | None = None


@dataclass(frozen=True)
class LabelsReady:
    """Instances of a whole image, (N, *S) on its own grid, and the options that made them.

    `scores` has one array per frame, in the order of the ids, where the method says how sure it is; see
    `core.data.instance_scores`.
    """

    labels: Array
    options: Any
    diameter: float
    scores: tuple[Array, ...] = ()


@dataclass(frozen=True)
class FileWritten:
    """An export wrote a file."""

    path: Path


@dataclass(frozen=True)
class Trial:
    """Segmentation options that were tried.

    Parameters
    ----------
    score : float
        F1 where something is painted.
    overlap : float
        Mean IoU of the painted cells with what was found.
    distance : int
        Steps from the starting options, over all options.
    """

    options: Any
    score: float
    overlap: float
    distance: int = 0

    @property
    def worth(self) -> float:
        """What makes one trial better than another: the mean of score and overlap, less what its changes cost."""
        return (self.score + self.overlap) / 2 - STEP_COST * self.distance


def best_trials(trials: Iterable[Trial], count: int) -> list[Trial]:
    """Pick the best trials, best first; of those with the same result only the one nearest to the start."""
    found: dict[tuple[float, float], Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.worth, reverse=True):
        found.setdefault((trial.score, trial.overlap), trial)
    return list(found.values())[:count]


@dataclass(frozen=True)
class TrialDone:
    """One combination of segmentation options was tried."""

    done: int
    total: int
    trial: Trial


@dataclass(frozen=True)
class TuneFinished:
    """The search ended; `trials` are all that were tried, best first, the starting options among them."""

    options: Any
    score: float
    default_score: float
    trials: tuple[Trial, ...]


RunEvent = TrainEvent | Preview
SegmentEvent = PredictEvent | LabelsReady
ExportEvent = FileWritten | Note
TuneEvent = TrialDone | TuneFinished | Note
