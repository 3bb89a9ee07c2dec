"""The record of what a session is at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks.curve import Curve
from napari_cellseg_ssl.tasks.session.events import Activity, Failed
from napari_cellseg_ssl.tasks.session.versions import Version


@dataclass(frozen=True, kw_only=True)
class SessionState:
    """The whole truth behind the docks of one viewer.

    Parameters
    ----------
    reasons : tuple of str
        Why training cannot start.
    n_cells : int
        Painted, in all images that are learned from.
    fraction : float, optional
        Share of the current part of the job; None where it is not known.
    seconds : float
        Active seconds when that share was reached.
    start : (seconds, fraction)
        Where the current part was first heard of; what is left is reckoned from there.
    curve : Curve
        Of the part that the training is at; `earlier` are those of its other parts.
    measures : {name: value}
        What the last steps told beyond their loss.
    message, agreement : str
        The last things worth reading.
    versions : tuple of Version
        Models of this session that were kept on disk, with what was painted then; oldest first.
    current : int, optional
        Number of the version that `bundle` is of.
    unsaved : str
        Why what is painted is not saved, and what of it is; "" while it is.
    borrowed : bool
        Whether `bundle` is a starter in use: it segments, whatever method is chosen to learn with.
    own, own_version : optional
        The last model of the user's, learned or opened, and its number; what was noted and drawn of it stays.
    """

    activity: Activity = "idle"
    can_pause: bool = False
    paused: bool = False
    stopping: bool = False
    image: str = ""
    method_id: str = ""
    learns: bool = True
    reasons: tuple[str, ...] = ()
    n_cells: int = 0
    bundle: ModelBundle | None = None
    versions: tuple[Version, ...] = ()
    current: int | None = None
    borrowed: bool = False
    own: ModelBundle | None = None
    own_version: int | None = None
    has_maps: bool = False
    fraction: float | None = None
    seconds: float = 0.0
    start: tuple[float, float] = (0.0, 0.0)
    phase: str = ""
    device: str = ""
    score: str = ""
    curve: Curve = field(default_factory=Curve)
    earlier: Mapping[str, Curve] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    agreement: str = ""
    remark: str = ""
    failure: Failed | None = None
    unsaved: str = ""

    @property
    def segments_with(self) -> str:
        """Method of the model that segments: that of a starter in use, else the chosen one."""
        return self.bundle.method_id if self.borrowed and self.bundle is not None else self.method_id


def version_before(state: SessionState) -> Version | None:
    """Return the version to which rolling back goes, the newest model before the current one; None = there is none."""
    learned = [version for version in state.versions if version.origin != "kept"]
    earlier = [version for version in learned if state.current is None or version.number < state.current]
    return earlier[-1] if earlier else None
