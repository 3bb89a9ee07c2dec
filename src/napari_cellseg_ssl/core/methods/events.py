"""What a running job says, as frozen records: GUI, command line, notebook and test all read the same stream."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.options import Json

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.maps import PredictionMaps
    from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
    from napari_cellseg_ssl.core.inference.predictor import Predictor
    from napari_cellseg_ssl.core.model.bundle import ModelBundle

Reason = Literal["completed", "stopped", "plateau"]


@dataclass(frozen=True)
class Started:
    """Training begins; `total_steps` is None where a time budget decides."""

    total_steps: int | None
    device: str


@dataclass(frozen=True)
class Step:
    """One optimiser step is done; `fraction` of the whole work, `rate` is the learning rate."""

    step: int
    fraction: float
    losses: Mapping[str, float]
    rate: float = 0.0
    phase: str = ""


@dataclass(frozen=True)
class Validated:
    """Scores on what was held out, and whether they are the best so far."""

    step: int
    scores: Mapping[str, float]
    best: bool


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Remark(Note):
    """A sentence about a result, to be seen as long as the result is."""


@dataclass(frozen=True)
class Snapshot:
    """The network as it is now, ready to predict in the job's own thread until the next event is asked for.

    `method_id` says whose maps it makes, where a method trains another one on the way; "" = those of its own.
    `draw` draws an image of objects that it invents, for a shape at the working scale; always the same objects.
    """

    step: int
    predictor: "Predictor"
    method_id: str = ""
    draw: "Callable[[Sequence[int]], SyntheticPair] | None" = None


@dataclass(frozen=True)
class Checkpoint:
    """Everything that is needed to go on from here: weights, optimiser, averages, thresholds, random state."""

    step: int
    arrays: Mapping[str, Array]
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainFinished:
    """Training ended, also by a stop; the bundle is the best that was reached.

    `kept_former` says that it was stopped and so does not replace the finished run that was in its folder.
    """

    bundle: "ModelBundle"
    reason: Reason
    kept_former: bool = False


@dataclass(frozen=True)
class TileDone:
    """One tile of a prediction is done."""

    done: int
    total: int


@dataclass(frozen=True)
class MapsReady:
    """The prediction is complete."""

    maps: "PredictionMaps"


EventT = TypeVar("EventT")

TrainEvent = Started | Step | Validated | Note | Snapshot | Checkpoint | TrainFinished
PredictEvent = TileDone | Note | MapsReady


def last_of(events: Iterable[object], kind: type[EventT]) -> EventT:
    """Drain a stream and return its last event of a kind.

    Raises
    ------
    RuntimeError
        If there was none: the job was stopped before it had a result.
    """
    found = None
    for event in events:
        if isinstance(event, kind):
            found = event
    if found is None:
        raise RuntimeError(f"The job ended without {kind.__name__}.")
    return found
