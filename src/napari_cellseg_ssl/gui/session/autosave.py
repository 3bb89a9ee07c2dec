"""A copy on disk of what the user does, so that a crash costs no cell: one folder per window that was open.

Two seconds after a change the layers that were painted on or corrected are written by a thread, each atomically; while
one paints without a rest, every two seconds, and less often where writing takes long. Nothing in a file is executed
when it is read.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_cellseg_ssl.gui.layers.layer_snapshots import kept_layer
from napari_cellseg_ssl.gui.layers.tags import kind_of
from napari_cellseg_ssl.gui.session.worker import LatestOnly, describe
from napari_cellseg_ssl.tasks.session.advance import Failed
from napari_cellseg_ssl.tasks.session.claim import Claim, claim, claim_again, is_claimed
from napari_cellseg_ssl.tasks.session.folder import (
    LAYERS_FOLDER,
    SessionRecord,
    last_saved,
    read_record,
    sessions_folder,
    tidy,
    write_record,
)
from napari_cellseg_ssl.tasks.session.saved_layers import KeptLayer, save_layer
from napari_cellseg_ssl.tasks.session.versions import count_cells

SAVE_AFTER_MS, SAVE_AT_LEAST_AFTER_MS, TRY_AGAIN_AFTER_MS = 2000, 15_000, 10_000
RESTS_PER_WRITE = 5
"""How many times longer than it writes the thread rests, so that large stacks do not keep a core busy."""
_WRITING = Lock()
"""A window that closes writes in its own thread, perhaps while another one still does."""
PAINTED = ("annotation", "complete-regions")
"""Kinds of layers that hold nothing but the user's work."""
NOT_KEPT, TRIED_AGAIN = "Nothing of this session is kept yet.", "Saving is tried again every few seconds."
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Written:
    """How often each layer had changed when it was written, and how long that took."""

    counts: dict[str, int]
    seconds: float


class Autosave(QObject):
    """Watches the layers of one viewer and keeps those that the user works on.

    Parameters
    ----------
    viewer : ViewerModel
    record : () -> SessionRecord
        What the session is about now; asked in the GUI thread.
    """

    trouble_changed = Signal(str)
    """What is not saved, why, and what is kept; "" as soon as all is saved again."""

    def __init__(self, viewer: ViewerModel, record: Callable[[], SessionRecord], parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._ask = ref(viewer), record
        self._claim: Claim | None = None
        self._saved_at: datetime | None = None
        self.trouble = ""
        self._record = SessionRecord()
        self._has_ended = False
        self._keys: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self._touched: dict[Layer, int] = {}
        """Layers of the user's, and how often each has changed; held until the session ends."""
        self._saved: dict[str, int] = {}
        self._images: dict[str, tuple[str, str]] = {}
        self._writes = LatestOnly(self)
        self._writes.done.connect(self._on_written)
        self._writes.failed.connect(self._on_failed)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SAVE_AFTER_MS)
        self._soon.timeout.connect(self._save)
        viewer.layers.events.inserted.connect(lambda event: self._watch(event.value))
        viewer.layers.events.removed.connect(lambda *_: self.mark())
        for layer in viewer.layers:
            self._watch(layer)

    @property
    def room(self) -> Path | None:
        """Folder of the session, which no other window writes into; None while there is nothing to keep."""
        return None if self._claim is None else self._claim.room

    @property
    def is_at_rest(self) -> bool:
        """Whether everything is written."""
        return not self._soon.isActive() and not self._writes.is_busy

    def enter(self, wanted: Path | None = None) -> Path:
        """Begin to keep the session, in the folder of an earlier one if no other window has it, else in a new one."""
        if self._claim is None or wanted is not None:
            self._leave()
            self._claim = claim(sessions_folder(), wanted)
            self._saved.clear()
            self._saved_at = last_saved(self._claim.room)
            self._record = read_record(self._claim.room) or SessionRecord()
            tidy(sessions_folder(), is_claimed)
            self.mark()
        elif self._claim.lock is None:
            self._claim = claim_again(self._claim)
        return self._claim.room

    def end(self, *, in_order: bool = True) -> None:
        """End the session for good; one that did not end in order is offered the next time."""
        self._has_ended = True
        self._leave(in_order=in_order)
        self._touched.clear()

    def mark(self, *_: object) -> None:
        """Save soon; not later because more is changed meanwhile."""
        if not self._soon.isActive() and not self._has_ended:
            self._soon.start()

    def adopt(self, layer: Layer, key: str) -> None:
        """Keep a layer under the name that it had in an earlier session."""
        self._keys[layer] = key
        self._touch(layer)

    def painted_layers(self, chosen: Layer | None) -> list[Layer]:
        """List the layers on which something is painted or outlined now, and the one that is learned from."""
        viewer = self._viewer()
        layers = [] if viewer is None else [x for x in viewer.layers if x is chosen or kind_of(x) in PAINTED]
        return [layer for layer in layers if _can_be_kept(layer) and _holds_work(layer)]

    def painted(self, chosen: Layer | None) -> tuple[KeptLayer, ...]:
        """Copy what is painted and outlined now."""
        viewer = self._viewer()
        layers = self.painted_layers(chosen)
        return tuple(_copied(kept_layer(viewer, x, self.key(x))) for x in layers) if viewer is not None else ()

    def key(self, layer: Layer) -> str:
        """Name of a layer in this session."""
        return self._keys.setdefault(layer, str(layer.unique_id)[:13])

    def _leave(self, *, in_order: bool = True) -> None:
        """Write what is not written yet, note how the session ended, and let go of its folder."""
        self._soon.stop()
        self._writes.cancel()
        held, self._claim = self._claim, None
        if held is None:
            return
        with _WRITING:
            try:
                _write_now(held.room, self._describe(), replace(self._record, closed=in_order), self._saved)
            except Exception as problem:  # noqa: BLE001 - the window closes all the same
                self._on_failed(describe(problem))
            finally:
                held.release()

    def _watch(self, layer: Layer) -> None:
        if isinstance(layer, Labels):
            layer.events.paint.connect(self._on_changed)
            layer.events.set_data.connect(self._on_redrawn)
        elif isinstance(layer, Shapes) and kind_of(layer) in PAINTED:
            layer.events.data.connect(self._on_changed)
        self.mark()

    def _on_changed(self, event: Any) -> None:
        self._touch(event.source)

    def _on_redrawn(self, event: Any) -> None:
        """An undo is only seen by its redrawing, and an annotation may be filled by a script."""
        if event.source in self._touched or kind_of(event.source) in PAINTED:
            self._touch(event.source)

    def _touch(self, layer: Layer) -> None:
        if _can_be_kept(layer):
            self._touched[layer] = self._touched.get(layer, 0) + 1
            self.mark()

    def _save(self) -> None:
        viewer = self._viewer()
        if viewer is None or (self.room is None and not any(_holds_work(layer) for layer in self._touched)):
            return
        self.enter()
        described = self._describe()
        is_open = {self.key(layer) for layer in viewer.layers if layer in self._touched}
        self._record = replace(self._ask(), layers=tuple(sorted(is_open)))
        self._writes.submit(partial(_write, self._claim, described, self._record, dict(self._saved)))

    def _on_failed(self, failure: Failed) -> None:
        """Say what is not saved, and go on trying."""
        kept = f"What was painted until {self._saved_at:%d %b, %H:%M:%S} is kept there." if self._saved_at else NOT_KEPT
        trouble = f"Not saved: {failure.message} {kept} The rest is in this window only. {failure.hint} {TRIED_AGAIN}"
        if self._has_ended:
            logger.warning("%s", trouble)  # nobody reads a window that is gone
            return
        self._tell(trouble)
        self._soon.setInterval(TRY_AGAIN_AFTER_MS)
        self.mark()

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.trouble_changed.emit(trouble)

    def _on_written(self, written: _Written) -> None:
        self._saved.update(written.counts)
        self._saved_at = datetime.now()
        self._tell("")
        rest = round(1000 * RESTS_PER_WRITE * written.seconds)
        self._soon.setInterval(min(SAVE_AT_LEAST_AFTER_MS, max(SAVE_AFTER_MS, rest)))

    def _describe(self) -> list[tuple[int, KeptLayer]]:
        """Describe the user's layers; those that were removed are let go once they are written."""
        viewer = self._viewer()
        if viewer is None:
            return []
        for layer, count in list(self._touched.items()):
            if layer not in viewer.layers and self._saved.get(self.key(layer)) == count:
                del self._touched[layer]
        described = [(count, kept_layer(viewer, layer, self.key(layer))) for layer, count in self._touched.items()]
        return [(count, self._with_image(layer)) for count, layer in described]

    def _with_image(self, layer: KeptLayer) -> KeptLayer:
        """Remember to which image a layer belongs: when a window closes, the image may go first."""
        if layer.image:
            self._images[layer.key] = (layer.image, layer.image_name)
        image, name = self._images.get(layer.key, ("", ""))
        return replace(layer, image=image, image_name=name)


def _write(
    held: Claim | None, layers: Sequence[tuple[int, KeptLayer]], record: SessionRecord, saved: dict[str, int]
) -> _Written:
    """Write the session, unless its folder is somebody else's by now."""
    with _WRITING:
        if held is None or held.is_released:
            return _Written({}, 0.0)
        return _write_now(held.room, layers, record, saved)


def _write_now(
    room: Path, layers: Sequence[tuple[int, KeptLayer]], record: SessionRecord, saved: dict[str, int]
) -> _Written:
    """Write the layers that have changed, then the record."""
    begin = time.monotonic()
    for count, layer in layers:
        if saved.get(layer.key) != count:
            save_layer(room / LAYERS_FOLDER, layer)
    n_cells = sum(count_cells(layer) for _, layer in layers if layer.key in record.layers and _is_painting(layer))
    write_record(room, replace(record, n_cells=n_cells))
    return _Written({layer.key: count for count, layer in layers}, time.monotonic() - begin)


def _copied(layer: KeptLayer) -> KeptLayer:
    """Copy the pixels, which go on changing, before they are hashed and packed."""
    return replace(layer, arrays=tuple(np.array(array) for array in layer.arrays))


def _is_painting(layer: KeptLayer) -> bool:
    return layer.settings["kind"] == "annotation"


def _can_be_kept(layer: Layer) -> bool:
    """Whether a layer is of shapes, or of labels that are in memory and may be painted on."""
    return isinstance(layer, Shapes) or (isinstance(layer, Labels) and isinstance(layer.data, np.ndarray))


def _holds_work(layer: Any) -> bool:
    return bool(len(layer.data)) if isinstance(layer, Shapes) else bool(layer.data.any())
