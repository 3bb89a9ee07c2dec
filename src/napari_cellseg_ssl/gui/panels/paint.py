"""The panel of the dock *Paint labels*: start an annotation, the keys, and how much is painted."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui.controller import Controller
from napari_cellseg_ssl.gui.layer_tags import KEY, find_layer
from napari_cellseg_ssl.gui.layers_in import guess_labels_mode
from napari_cellseg_ssl.gui.layout import layout_of
from napari_cellseg_ssl.gui.paint_counts import PaintCounter
from napari_cellseg_ssl.gui.painting import KEYS, USUAL_DIAMETER, Painter, complete_regions, new_annotation
from napari_cellseg_ssl.gui.painting_backup import PaintingBackup, SavedPainting, find_painting
from napari_cellseg_ssl.gui.stage import button, note
from napari_cellseg_ssl.gui.worker import LatestOnly

COUNT_AFTER_MS = 200
BUTTON_ACTS = ("next_cell", "background")
"""Keys that need no cursor on the image, so that a button can do the same."""
INTRODUCTION = (
    "Paint some <b>whole cells</b> and some <b>background</b>. Leave the rest: what is not painted is unknown, "
    "and nothing is learned from it."
)
NAPARI_KEYS = (
    "napari: <b>[</b> <b>]</b> brush size, <b>F</b> fill, <b>3</b> polygon, <b>E</b> eraser, <b>Ctrl+Z</b> undo"
)


class PaintPanel(QWidget):
    """Start annotations and watch them grow; the painting itself happens on the layer."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._painter: Painter | None = None
        self._counter: PaintCounter | None = None
        self._backup: PaintingBackup | None = None
        self._saved: SavedPainting | None = None
        self._backups = LatestOnly(self)
        self._backups.failed.connect(lambda failure: self._say(f"The painting is not saved: {failure.message}"))
        self._count_soon = QTimer(self)
        self._count_soon.setSingleShot(True)
        self._count_soon.setInterval(COUNT_AFTER_MS)
        self._count_soon.timeout.connect(self._count)
        self._build()
        controller.image_changed.connect(self._on_image)
        controller.annotation_changed.connect(self._on_annotation)
        self._on_image()

    def _build(self) -> None:
        box = QVBoxLayout(self)
        box.addWidget(note(INTRODUCTION))
        self.new_button = button(
            "New annotation",
            "cellseg_new_annotation",
            "Add an empty Labels layer over the image and take the brush.",
            self._start,
        )
        box.addWidget(self.new_button)
        tip = "Put back what was painted on this image the last time."
        self.recover_button = button("", "cellseg_recover_painting", tip, self._recover)
        box.addWidget(self.recover_button)
        self.counts = note("")
        self.counts.setObjectName("cellseg_counts")
        box.addWidget(self.counts)
        self.keys = QWidget()
        self._fill_keys(QGridLayout(self.keys))
        box.addWidget(self.keys)
        self.accept_all_button = button(
            "Accept all proposed cells",
            "cellseg_accept_all",
            "Copy every proposed instance of this frame that no painted cell touches.",
            self._act("accept_all"),
        )
        box.addWidget(self.accept_all_button)
        self.region_button = button(
            "Mark a complete region",
            "cellseg_complete_region",
            "Draw a rectangle in which every cell is painted: the rest of it is background.",
            self._mark_region,
        )
        box.addWidget(self.region_button)
        self.message = note("")
        self.message.setObjectName("cellseg_paint_message")
        box.addWidget(self.message)
        box.addStretch(1)

    def _fill_keys(self, grid: QGridLayout) -> None:
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, key in enumerate(KEYS):
            cap = QLabel(f"<b>{key.key}</b>")
            cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
            cap.setMinimumWidth(24)
            if key.name in BUTTON_ACTS:
                act: QWidget = button(key.title, f"cellseg_{key.name}", key.help, self._act(key.name))
            else:
                act = QLabel(f"{key.title} under the cursor" if key.name != "ring" else "Ring of background around it")
            act.setToolTip(key.help)
            grid.addWidget(cap, row, 0)
            grid.addWidget(act, row, 1)
        grid.addWidget(note(NAPARI_KEYS), len(KEYS), 0, 1, 2)

    def _start(self) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is None or image is None:
            self._say("Open an image first: drag it into the window, or File > Open Sample.")
            return
        layer = new_annotation(viewer, image)
        self._controller.choices.choose_annotation(layer, "sparse")
        if self._painter is not None:
            self._painter.start()
            self._say("Paint the first cell completely, then press N for the next one.")

    def _recover(self) -> None:
        viewer, image, saved = self._controller.viewer, self._controller.image_layer, self._saved
        if viewer is None or image is None or saved is None:
            return
        layer = new_annotation(viewer, image)
        layer.data = saved.labels
        self._controller.choices.choose_annotation(layer, "sparse")
        if self._painter is not None:
            self._painter.start()

    def _image(self) -> Image | None:
        """The chosen image; while nothing is chosen, as without the other dock, the topmost one of the user's."""
        viewer = self._controller.viewer
        if self._controller.image_layer is None and viewer is not None:
            images = [layer for layer in viewer.layers if isinstance(layer, Image) and KEY not in layer.metadata]
            self._controller.choices.choose_image((images or [None])[-1])
        return self._controller.image_layer

    def _mark_region(self) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is not None and image is not None:
            regions = complete_regions(viewer, image)
            regions.events.data.connect(self._on_painted)
            self._say("Draw a rectangle around a part in which every cell is painted.")

    def _act(self, name: str) -> Callable[[], None]:
        def act() -> None:
            if self._painter is not None:
                self._say(getattr(self._painter, name)())

        return act

    def _say(self, sentence: str) -> None:
        if isalive(self):
            self.message.setText(sentence)

    def _on_image(self, _image: Any = None) -> None:
        image = self._controller.image_layer
        self._saved = None
        if image is not None:
            with contextlib.suppress(CellSegError, OSError):  # an offer, no more: without it all goes on as usual
                self._saved = find_painting(image, layout_of(image).derived_shape)
        self._on_annotation(self._controller.annotation_layer)

    def _on_annotation(self, layer: Labels | None) -> None:
        """Follow another annotation: its keys, its counts."""
        if self._painter is not None:
            for event in self._watched(self._painter.layer):
                event.disconnect(self._on_painted)
        viewer, image = self._controller.viewer, self._controller.image_layer
        if layer is None or image is None or viewer is None or not _is_painting(layer):
            self._painter = self._counter = self._backup = None
        else:
            self._painter = Painter(viewer, layer, image, self._diameter)
            self._painter.bind_keys(self._say)
            self._counter = PaintCounter(layer)
            self._counter.count_all()
            self._backup = PaintingBackup(image, layer)
            for event in self._watched(layer):
                event.connect(self._on_painted)
        self.keys.setEnabled(self._painter is not None)
        self.accept_all_button.setEnabled(self._painter is not None)
        self._render()

    @staticmethod
    def _watched(layer: Labels) -> tuple[Any, ...]:
        """Events of a layer that may mean other pixels: strokes, and redrawing after an undo."""
        return layer.events.paint, layer.events.set_data

    def _diameter(self) -> float:
        return float(self._controller.choices.shown_diameter or USUAL_DIAMETER)

    def _on_painted(self, *_: Any) -> None:
        if isalive(self):
            self._count_soon.start()

    def _count(self) -> None:
        if self._counter is not None and self._painter is not None:
            self._counter.count_frame(self._painter.shown_frame_number())
            self._render()
            self._keep(self._counter.painted_frames)

    def _keep(self, painted_frames: tuple[int, ...]) -> None:
        """Write what is painted to disk, so that a crash costs nothing."""
        if self._backup is not None and painted_frames:
            self._backups.submit(partial(self._backup.write, self._backup.copy(painted_frames)))

    def _render(self) -> None:
        can_recover = self._saved is not None and self._controller.annotation_layer is None
        self.recover_button.setVisible(can_recover)
        if self._saved is not None:
            self.recover_button.setText(f"Recover {self._saved.n_cells} cells painted on {self._saved.when}")
        if self._counter is None:
            self.counts.setText("")
            return
        viewer, image = self._controller.viewer, self._controller.image_layer
        regions = find_layer(viewer, image, "complete-regions") if viewer is not None and image is not None else None
        has_region = regions is not None and len(regions.data) > 0
        self.counts.setText(f"<b>{self._counter.total.sentence(has_complete_region=has_region)}</b>")


def _is_painting(layer: Labels) -> bool:
    """Whether the keys make sense on a layer: in a complete label image, id 1 is a cell and 0 is background."""
    return isinstance(layer.data, np.ndarray) and guess_labels_mode(layer).mode == "sparse"
