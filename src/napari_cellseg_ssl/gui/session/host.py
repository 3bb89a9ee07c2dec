"""What the parts of a session may ask of the controller that owns them."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui.session.selection import Choices
from napari_cellseg_ssl.gui.session.worker import Job
from napari_cellseg_ssl.tasks.session.advance import Failed, SessionState

T = TypeVar("T")


class Host(Protocol):
    """The session of one viewer, as seen by its parts; a QObject."""

    state: SessionState
    choices: Choices
    device: str
    state_changed: Any
    happened: Any

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer, as long as it is open."""
        ...

    @property
    def annotation_layer(self) -> Labels | None:
        """The chosen annotation."""
        ...

    @property
    def bundle(self) -> ModelBundle | None:
        """The current model."""
        ...

    def apply(self, event: object, seconds: float = 0.0) -> None:
        """Advance the session."""
        ...

    def report(self, failure: Failed) -> None:
        """Show what went wrong outside a job."""
        ...

    def run(self, job: Job) -> bool:
        """Run a job in the background; False if another one is running."""
        ...

    def taken(self, take: Callable[[], T]) -> T | None:
        """Take something of what is chosen; where that cannot be, the user reads why."""
        ...
