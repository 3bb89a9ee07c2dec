"""The box *Corrections* of the paint dock: the acts, and what of the instances is the user's now."""

from collections.abc import Callable, Mapping
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox

from napari_cellseg_ssl.gui.annotate.corrections import CORRECTION_ACTS
from napari_cellseg_ssl.gui.annotate.edit_marks import deleted_places, hide_marks, show_marks
from napari_cellseg_ssl.gui.layers.cell_layer import CellLayer
from napari_cellseg_ssl.gui.layers.edited_layers import edits_of, follow, forget_edits
from napari_cellseg_ssl.gui.panels.key_grid import ActGrid
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row

LOOK_AFTER_MS = 200
HELP = "Of painted cells and of instances; those of the selected layer come first."


class CorrectionsBox(Stage):
    """Correct cells, see what was corrected in the shown instances, and let go of it."""

    def __init__(self, clicked: Mapping[str, Callable[[], None]]) -> None:
        super().__init__("Corrections")
        self._viewer: ViewerModel | None = None
        self._image: Image | None = None
        self._layer: Labels | None = None
        self._look_soon = QTimer(self)
        self._look_soon.setSingleShot(True)
        self._look_soon.setInterval(LOOK_AFTER_MS)
        self._look_soon.timeout.connect(self._look)
        self.form.addRow(note(HELP))
        self.form.addRow(ActGrid(CORRECTION_ACTS, clicked))
        self.counts = note()
        self.counts.setObjectName("cellseg_corrected")
        self.form.addRow(self.counts)
        self.marks = QCheckBox("Mark them")
        self.marks.setObjectName("cellseg_mark_corrected")
        self.marks.setToolTip("A white dot on every corrected cell of the frame, a red cross where one was deleted.")
        self.marks.toggled.connect(self._look)
        self.forget = button(
            "Forget corrections",
            "cellseg_forget_corrections",
            "Let the next segmentation replace the corrected cells too. Until then nothing changes.",
            self._forget,
        )
        self._below = row(self.marks, self.forget)
        self.form.addRow(self._below)
        self._look()

    def watch(self, viewer: ViewerModel, image: Image | None, layer: Labels | None) -> None:
        """Follow the corrections of one layer of instances."""
        self._viewer, self._image = viewer, image
        if layer is self._layer:
            return
        for event in self._events():
            event.disconnect(self._on_change)
        self._layer = layer
        if layer is not None:
            follow(layer)
        for event in self._events():
            event.connect(self._on_change)
        self._look_soon.start()

    def _events(self) -> tuple[Any, ...]:
        """Events that may mean other pixels, or another frame."""
        return () if self._layer is None else (self._layer.events.paint, self._layer.events.set_data)

    def _on_change(self, _event: Any) -> None:
        if isalive(self):
            self._look_soon.start()

    def _look(self, *_: Any) -> None:
        viewer, image, layer = self._viewer, self._image, self._layer
        text = ""
        if viewer is not None and image is not None and layer is not None:
            frame = CellLayer(layer).shown_frame(viewer)
            edits = edits_of(layer, frame)
            if self.marks.isChecked() and image in viewer.layers:
                show_marks(viewer, image, layer, frame, edits)
            else:
                hide_marks(viewer, image)
            text = _in_words(len(edits.ids), len(deleted_places(edits)), layer.name) if edits else ""
        self.tell(self.counts, text)
        self.form.setRowVisible(self._below, bool(text))

    def _forget(self) -> None:
        if self._layer is not None:
            forget_edits(self._layer)
            self._look()


def _in_words(n_corrected: int, n_deleted: int, name: str) -> str:
    parts = [f"{n_corrected} corrected"] if n_corrected else []
    parts += [f"{n_deleted} deleted"] if n_deleted else []
    return f"<b>{' and '.join(parts)}</b> in '{name}': kept when it is segmented again."
