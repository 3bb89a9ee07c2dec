"""What happens in a session beyond the events of its jobs: choices of the user, and how a job begins and ends."""

from dataclasses import dataclass
from typing import Literal

from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.session.versions import Version

Activity = Literal[
    "idle",
    "preparing",
    "training",
    "pretraining",
    "predicting",
    "segmenting",
    "tuning",
    "exporting",
    "saving",
    "opening",
    "comparing",
    "searching",
    "drawing",
    "likening",
]


@dataclass(frozen=True)
class ImageChosen:
    """Another image, by its name; "" = none. Its maps and labels have to be made anew."""

    name: str


@dataclass(frozen=True)
class MapsTaken:
    """The chosen image has maps from before that fit the current model."""


@dataclass(frozen=True)
class MethodChosen:
    """Another method; `learns` is False where there is nothing to train."""

    method_id: str
    learns: bool = True


@dataclass(frozen=True)
class Checked:
    """What keeps the chosen method from training on the chosen layers, empty = nothing; the cells known in them."""

    reasons: tuple[str, ...] = ()
    n_cells: int = 0


@dataclass(frozen=True)
class Began:
    """A job, or its next part, begins."""

    activity: Activity
    can_pause: bool = False


@dataclass(frozen=True)
class PauseAsked:
    """The user pauses the job, or lets it go on."""

    paused: bool


@dataclass(frozen=True)
class StopAsked:
    """The user wants the job to end."""


@dataclass(frozen=True)
class Failed:
    """A job ended with an error: the fact, the act that mends it, and the traceback where it is a defect."""

    message: str
    hint: str = ""
    details: str = ""


@dataclass(frozen=True)
class Ended:
    """The job is over, however it went; always the last event of a job."""


@dataclass(frozen=True)
class OptionsKept:
    """The user keeps other segmentation options in the current model; its maps stay what they are."""

    bundle: ModelBundle


@dataclass(frozen=True)
class BundleOpened:
    """A saved model was read."""

    bundle: ModelBundle
    folder: str


@dataclass(frozen=True)
class VersionsFound:
    """The versions of an earlier session, which goes on."""

    versions: tuple[Version, ...]


@dataclass(frozen=True)
class VersionAdded:
    """A version was kept; its model is the current one, with the same weights as before where it was only tuned."""

    version: Version
    bundle: ModelBundle


@dataclass(frozen=True)
class VersionRestored:
    """The model of an earlier version is the current one again."""

    version: Version
    bundle: ModelBundle


@dataclass(frozen=True)
class SavingChanged:
    """What is painted is no longer saved, for a reason in words, or is again; then ""."""

    trouble: str


@dataclass(frozen=True)
class Agreement:
    """How many new instances there are, and how far they and the classical ones agree; None = nothing to compare."""

    f1: float | None
    n_cells: int
    n_reference: int | None = None


@dataclass(frozen=True)
class Counted:
    """What the current result of the chosen image holds, whenever that has changed; None = there is no result."""

    found: Agreement | None
