"""What becomes of a session on disk: its autosave and its versions, and how they come back."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.core.options import Json
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layer_snapshots import (
    clear,
    current_of,
    fingerprint,
    open_images,
    put_back,
    replace_pixels,
)
from napari_cellseg_ssl.gui.layers.tags import is_image
from napari_cellseg_ssl.gui.session import consent
from napari_cellseg_ssl.gui.session.autosave import Autosave
from napari_cellseg_ssl.gui.session.host import Host
from napari_cellseg_ssl.gui.session.settings import CPU_THREADS
from napari_cellseg_ssl.gui.session.worker import Job
from napari_cellseg_ssl.tasks.session import versioning
from napari_cellseg_ssl.tasks.session.advance import SavingChanged, SessionState, version_before
from napari_cellseg_ssl.tasks.session.folder import SessionRecord
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer
from napari_cellseg_ssl.tasks.session.versions import Version, next_folder

PUT_BACK, MODEL_ONLY = "Put its labels back too", "Only the model"


class SessionKeeper(QObject):
    """Keeps one session on disk and brings its versions back; owned by the controller."""

    def __init__(self, controller: Host) -> None:
        super().__init__(controller)
        self._controller = controller
        viewer = controller.viewer
        if viewer is None:
            raise RuntimeError("A session is kept of a viewer that is open.")
        self.panels: Callable[[], Mapping[str, Json]] = dict
        """How the panels stand; asked whenever the session is saved."""
        self.autosave = Autosave(viewer, self._record, self)
        self.autosave.trouble_changed.connect(lambda trouble: controller.apply(SavingChanged(trouble)))
        choices = controller.choices
        for changed in (choices.image_changed, choices.annotation_changed, choices.diameter_changed):
            changed.connect(self.autosave.mark)
        controller.state_changed.connect(self._on_state)
        self._seen: tuple[object, ...] = ()
        self._waiting = versioning.LayersRestored(())
        viewer.layers.events.inserted.connect(self._on_inserted)

    # Versions

    def new_run(self, method_id: str) -> Path:
        """Name the folder of the next version."""
        return next_folder(self.autosave.enter(), method_id)

    def keeping(self, job: Job, folder: Path | None = None) -> Job:
        """Let a job keep a version of what it learns, opens or tunes, with what is painted now."""
        return versioning.keeping(job, self._keep(folder))

    def keep_options(self, options: Any) -> None:
        """Make segmentation options those of the current model, which is a version of its own."""
        bundle = self._controller.bundle
        if bundle is not None:
            job = partial(versioning.keep_options, replace(bundle, segment_options=options))
            self._controller.run(self.keeping(job))

    def save(self, folder: Path) -> None:
        """Save the current model with its labels in a folder of the user's."""
        keep = self._keep(None)
        if keep.bundle is not None:
            self._controller.run(partial(versioning.save, folder, keep))

    def roll_back(self) -> None:
        """Go back to the version before the current one."""
        version = version_before(self._controller.state)
        if version is not None:
            self.restore(version)

    def restore(self, version: Version) -> None:
        """Bring a version back; labels that were painted since are only replaced with the user's consent."""
        keep = self._keep(None)
        is_same = {layer.hash for layer in keep.labels} == set(version.labels.values())
        answer: str | None = PUT_BACK
        if not is_same and keep.labels:
            text = messages.other_labels_now(version.number)
            answer = consent.ask("Restore a version", text, (PUT_BACK, MODEL_ONLY))
        if answer is None:
            return
        with_labels = answer == PUT_BACK and not is_same
        kept = keep if with_labels and keep.labels else None
        self._controller.run(partial(versioning.restore, version, kept, with_labels))

    def compare(self, first: Version, second: Version) -> None:
        """Segment the chosen image with two versions."""
        controller = self._controller
        source = controller.taken(controller.choices.source)
        if source is not None:
            device = controller.device
            controller.run(partial(versioning.compare, source.read, (first, second), device, CPU_THREADS))

    # Layers that come back

    def receive(self, event: object) -> None:
        """Put layers back, if an event brings some."""
        if isinstance(event, versioning.LayersRestored):
            if event.in_place:
                self._clear_others(event.layers)
            missing = tuple(layer for layer in event.layers if not self._place(layer, event))
            self._waiting = replace(event, layers=missing)
            if missing:
                names = ", ".join(sorted({layer.image_name for layer in missing}))
                self._controller.apply(Note(messages.open_to_restore(names)))

    def _on_inserted(self, event: Any) -> None:
        """Place layers that wait for their image, once napari is done with adding it."""
        if self._waiting.layers and is_image(event.value):
            QTimer.singleShot(0, lambda: self.receive(self._waiting))

    def _place(self, layer: KeptLayer, event: versioning.LayersRestored) -> bool:
        """Put a kept layer in its place, or beside what is there now; False if its image is not open."""
        viewer = self._controller.viewer
        if viewer is None:
            return False
        before = current_of(viewer, layer) if event.in_place else None
        if before is not None and replace_pixels(before, layer):
            return True
        try:
            made = put_back(viewer, layer)
        except (ValueError, TypeError, LookupError, AttributeError) as problem:  # what a damaged record gives napari
            self._controller.report(messages.cannot_be_put_back(layer.settings["name"], problem))
            return True
        if made is None:
            return False
        self.autosave.adopt(made, layer.key)
        if isinstance(made, Labels) and layer.key == event.chosen:
            self._controller.choices.choose_annotation(made)
        return True

    def _clear_others(self, layers: tuple[KeptLayer, ...]) -> None:
        """Empty what is painted here now and was not at the time of a version."""
        viewer = self._controller.viewer
        wanted = [current_of(viewer, layer) for layer in layers] if viewer is not None else []
        for layer in self.autosave.painted_layers(None):
            if layer not in wanted:
                clear(layer)

    # What is known of the session

    def _keep(self, folder: Path | None) -> versioning.Keeping:
        state = self._controller.state
        current = next((version for version in state.versions if version.number == state.current), None)
        return versioning.Keeping(
            room=self.autosave.enter(),
            labels=self.autosave.painted(self._learned_from()),
            folder=folder,
            bundle=state.bundle,
            current=current,
        )

    def _learned_from(self) -> Labels | None:
        """The layer that the method learns from, if it learns from labels."""
        method_id = self._controller.state.method_id
        learns = bool(method_id) and get_method(method_id).info.labels != "none"
        return self._controller.annotation_layer if learns else None

    def _record(self) -> SessionRecord:
        controller, choices = self._controller, self._controller.choices
        image, annotation = choices.image_layer, choices.annotation_layer
        return SessionRecord(
            images=() if controller.viewer is None else open_images(controller.viewer),
            image="" if image is None else fingerprint(image),
            annotation="" if annotation is None else self.autosave.key(annotation),
            version=controller.state.current,
            method_id=controller.state.method_id,
            diameter=choices.diameter,
            settings=dict(self.panels()),
        )

    def _on_state(self, state: SessionState) -> None:
        seen = (state.method_id, state.current, len(state.versions))
        if seen != self._seen:
            self._seen = seen
            self.autosave.mark()
