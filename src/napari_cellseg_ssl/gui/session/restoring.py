"""What earlier sessions left: a painting for an image that is opened again, and a session that was interrupted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.methods.events import Note, Remark
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layer_snapshots import find_image, fingerprint, open_file
from napari_cellseg_ssl.gui.session.autosave import Autosave
from napari_cellseg_ssl.gui.session.host import Host
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.session.advance import Began, MethodChosen, SessionState, VersionRestored, VersionsFound
from napari_cellseg_ssl.tasks.session.claim import copy_room, is_claimed
from napari_cellseg_ssl.tasks.session.folder import LAYERS_FOLDER, SessionRecord, read_record, rooms, sessions_folder
from napari_cellseg_ssl.tasks.session.saved_layers import SUFFIX, is_painting_of, load_layer, load_layers
from napari_cellseg_ssl.tasks.session.versioning import LayersRestored
from napari_cellseg_ssl.tasks.session.versions import count_cells, interrupted, list_versions, load_version


@dataclass(frozen=True)
class SavedPainting:
    """A painting found on disk."""

    file: Path
    labels: Array
    n_cells: int

    @property
    def when(self) -> str:
        """Date and time of the last stroke."""
        return _moment(self.file)


def find_painting(image_layer: Image, shape: Sequence[int]) -> SavedPainting | None:
    """Find the newest painting of an image with labels of a shape; None if there is none that can be read.

    Sessions whose windows are still open are left alone.
    """
    wanted = fingerprint(image_layer)
    files = [file for room in rooms(sessions_folder()) for file in (room / LAYERS_FOLDER).glob(f"*{SUFFIX}")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            if not is_painting_of(file, wanted) or is_claimed(file.parent.parent):
                continue
            kept = load_layer(file)
        except WrongRun:
            continue
        if kept.arrays[0].shape == tuple(shape) and not kept.is_empty:
            return SavedPainting(file, kept.arrays[0], count_cells(kept))
    return None


@dataclass(frozen=True)
class Interrupted:
    """A session whose window was not closed in order, or in the middle of a job."""

    room: Path
    record: SessionRecord
    n_versions: int
    training: Path | None

    @property
    def sentence(self) -> str:
        """What it holds, in words."""
        record = self.record
        counts = {"image": len(record.images), "painted cell": record.n_cells, "version": self.n_versions}
        held = ", ".join(counted(n, what) for what, n in counts.items() if n) or "nothing painted yet"
        when = _moment(self.room / "session.json")
        return messages.session_interrupted(when, held, training=self.training is not None)


def find_interrupted() -> Interrupted | None:
    """Return the last session that is not open in another window, if it was not closed in order and left anything."""
    room = next((room for room in rooms(sessions_folder()) if not is_claimed(room)), None)
    record = None if room is None else read_record(room)
    if room is None or record is None or record.closed:
        return None
    versions, training = list_versions(room), interrupted(room)
    return Interrupted(room, record, len(versions), training) if record.layers or versions or training else None


@dataclass(frozen=True)
class PanelsRestored:
    """How the panels stood in a session that is brought back."""

    settings: Mapping[str, Json]


class Restorer(QObject):
    """Offers the last session if it was interrupted, and brings it back."""

    changed = Signal()

    def __init__(self, controller: Host, autosave: Autosave) -> None:
        super().__init__(controller)
        self._controller, self._autosave = controller, autosave
        self.offer = find_interrupted()
        controller.state_changed.connect(self._on_state)

    def dismiss(self) -> None:
        """Leave the earlier session where it is; its paintings are still offered with their images."""
        self.offer = None
        self.changed.emit()

    def restore(self) -> None:
        """Open the images again, put back what was painted, and take up versions and choices."""
        offer, viewer = self.offer, self._controller.viewer
        if offer is None or viewer is None or self._controller.state.activity != "idle":
            return
        room = self._autosave.enter(offer.room)
        record = read_record(offer.room) or offer.record  # another window may have gone on with it meanwhile
        for image in record.images:
            if find_image(viewer, image.fingerprint) is None and (image.path or image.sample):
                opened = open_file(viewer, Path(image.path), image.plugin, image.sample)
                if opened is not None:
                    opened.name = image.name
        chosen = find_image(viewer, record.image)
        if chosen is not None:
            self._controller.choices.choose_image(chosen)
        self._controller.choices.choose_diameter(record.diameter)
        self._controller.run(partial(_read_session, replace(offer, record=record), room))
        self.dismiss()

    def _on_state(self, state: SessionState) -> None:
        """An earlier session is no longer offered once this one has a model of its own."""
        if self.offer is not None and state.versions:
            self.dismiss()


def _read_session(offer: Interrupted, room: Path, _control: Control) -> Iterator[object]:
    """Read layers and versions of a session, in a worker.

    Parameters
    ----------
    room : Path
        Folder in which the session goes on: its own, or a new one while another window works on it.
    """
    yield Began("opening")
    if room != offer.room:
        copy_room(offer.room, room)
    versions = list_versions(room)
    if offer.record.method_id in registry.METHODS:
        yield MethodChosen(offer.record.method_id)
    yield PanelsRestored(offer.record.settings)
    yield VersionsFound(versions)
    newest = versions[-1] if versions else None
    current = next((version for version in versions if version.number == offer.record.version), newest)
    if current is not None:
        yield VersionRestored(current, load_version(current)[0])
    layers = [layer for layer in load_layers(room / LAYERS_FOLDER) if layer.key in offer.record.layers]
    yield LayersRestored(tuple(layers), chosen=offer.record.annotation)
    if offer.training is not None:
        yield Note(messages.training_interrupted(offer.training.name))
    if room != offer.room:
        yield Remark(messages.session_is_open_elsewhere())


def _moment(file: Path) -> str:
    return f"{datetime.fromtimestamp(file.stat().st_mtime):%d %b, %H:%M}"
