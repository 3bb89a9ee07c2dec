"""The panel of the dock *Paint labels*: paint, take over proposals, correct; and how much is painted."""

import contextlib
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.annotate.corrections import CORRECTION_ACTS, Corrector
from napari_cellseg_ssl.gui.annotate.key_bindings import Act, bind
from napari_cellseg_ssl.gui.annotate.paint_counts import PaintCounter
from napari_cellseg_ssl.gui.annotate.painting import (
    ALSO_NEXT_CELL,
    PAINT_ACTS,
    PROPOSAL_ACTS,
    USUAL_DIAMETER,
    Painter,
    complete_regions,
    new_annotation,
)
from napari_cellseg_ssl.gui.annotate.proposals import Proposals
from napari_cellseg_ssl.gui.layers.cell_layer import CellLayer
from napari_cellseg_ssl.gui.layers.inputs import guess_layer_mode
from napari_cellseg_ssl.gui.layers.layout import layout_of
from napari_cellseg_ssl.gui.layers.tags import find_layer, is_image, is_instances
from napari_cellseg_ssl.gui.panels.corrections import CorrectionsBox
from napari_cellseg_ssl.gui.panels.key_grid import ActGrid
from napari_cellseg_ssl.gui.panels.proposals import ProposalsBox
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.restoring import SavedPainting, find_painting
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note

COUNT_AFTER_MS = 200
ACTS = {act.name: act for act in (*PAINT_ACTS, *PROPOSAL_ACTS, *CORRECTION_ACTS)}
BRUSH_ACTS = PAINT_ACTS[:2]
"""Those that bring back the brush, from the layer of complete regions too."""
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
        self._saved: SavedPainting | None = None
        self._proposals: Proposals | None = None
        self._corrector = Corrector(controller.viewer, self._correctable, self._say)
        controller.session.autosave.trouble_changed.connect(self._on_trouble)
        self._count_soon = QTimer(self)
        self._count_soon.setSingleShot(True)
        self._count_soon.setInterval(COUNT_AFTER_MS)
        self._count_soon.timeout.connect(self._count)
        self._build()
        controller.image_changed.connect(self._on_image)
        controller.annotation_changed.connect(self._on_annotation)
        controller.placement.moved.connect(self._on_moved)
        controller.choices.result.changed.connect(self._on_layers)
        if controller.viewer is not None:
            self._follow(controller.viewer)
        self._on_image()

    def _on_trouble(self, trouble: str) -> None:
        self._say(messages.not_saved() if trouble else messages.saved_again())

    def _follow(self, viewer: ViewerModel) -> None:
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.layers.selection.events.active.connect(self._on_layers)
        for layer in viewer.layers:
            self._bind(layer)

    def _build(self) -> None:
        box = QVBoxLayout(self)
        box.addWidget(note(INTRODUCTION))
        tip = "Add an empty Labels layer over the image and take the brush."
        self.new_button = button("New annotation", "cellseg_new_annotation", tip, self._start)
        box.addWidget(self.new_button)
        tip = "Put back what was painted on this image the last time."
        self.recover_button = button("", "cellseg_recover_painting", tip, self._recover)
        box.addWidget(self.recover_button)
        self.message = note(n_lines=2)  # buttons below stay in place
        self.message.setObjectName("cellseg_paint_message")
        box.addWidget(self.message)
        clicked = {act.name: partial(self._click, act) for act in ACTS.values()}
        self.paint = self._paint_box(clicked)
        self.proposals = ProposalsBox(self._controller.viewer, clicked)
        self.proposals.chosen.connect(self._on_source)
        self.corrections = CorrectionsBox(clicked)
        for part in (self.paint, self.proposals, self.corrections):
            box.addWidget(part)
        box.addStretch(1)

    def _paint_box(self, clicked: Any) -> Stage:
        box = Stage("Paint")
        self.counts = note("")
        self.counts.setObjectName("cellseg_counts")
        box.form.addRow(self.counts)
        box.form.addRow(ActGrid(PAINT_ACTS, clicked))
        self.each_stroke = QCheckBox("Each stroke is a new cell")
        self.each_stroke.setObjectName("cellseg_each_stroke")
        self.each_stroke.setToolTip("The brush takes the next id after every stroke, fill or polygon.")
        self.each_stroke.toggled.connect(self._on_each_stroke)
        box.form.addRow(self.each_stroke)
        self.region_button = button(
            "Mark a complete region",
            "cellseg_complete_region",
            "Draw a rectangle in which every cell is painted: the rest of it is background.",
            self._mark_region,
        )
        box.form.addRow(self.region_button)
        box.form.addRow(note(NAPARI_KEYS))
        return box

    def _start(self) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is None or image is None:
            self._say(messages.open_an_image())
            return
        layer = new_annotation(viewer, image)
        self._controller.choices.choose_annotation(layer, "sparse")
        if self._painter is not None:
            self._painter.start()
            self._say(messages.paint_the_first_cell())

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
            images = [layer for layer in viewer.layers if is_image(layer)]
            self._controller.choices.choose_image((images or [None])[-1])
        return self._controller.image_layer

    def _mark_region(self) -> None:
        viewer, image = self._controller.viewer, self._image()
        if viewer is not None and image is not None:
            regions = complete_regions(viewer, image)
            regions.events.data.connect(self._on_painted)
            bind(regions, BRUSH_ACTS, self._keys)
            self._say(messages.draw_a_complete_region())

    @property
    def _keys(self) -> dict[str, Any]:
        return {name: partial(self._press, act) for name, act in ACTS.items()}

    def _press(self, act: Act) -> None:
        self._say(self._run(act))

    def _click(self, act: Act) -> None:
        """Do what a button says; where there is a cell to point at, after a click on it."""
        self._say(self._corrector.click(partial(self._run, act), act.title) if act.points else self._run(act))

    def _run(self, act: Act) -> str:
        if act in CORRECTION_ACTS:
            return str(getattr(self._corrector, act.name)())
        return messages.make_an_annotation() if self._painter is None else str(getattr(self._painter, act.name)())

    def _say(self, sentence: str) -> None:
        if isalive(self):
            self.message.setText(sentence)

    def _correctable(self) -> list[CellLayer]:
        """Layers that may be corrected: the annotation, the proposals, and selected instances of any method."""
        viewer, found = self._controller.viewer, {}
        if self._painter is not None:
            found[self._painter.layer] = self._painter.cells
        active = None if viewer is None else viewer.layers.selection.active
        for layer in (self._shown_proposals(), active if active is not None and is_instances(active) else None):
            if layer is not None:
                found.setdefault(layer, CellLayer(layer))
        return list(found.values())

    def _shown_proposals(self) -> Labels | None:
        return None if self._proposals is None else self._proposals.layer()

    def _bind(self, layer: Layer) -> None:
        """Bind all keys to the annotation and to what proposes cells."""
        is_annotation = self._painter is not None and layer is self._painter.layer
        if is_annotation or is_instances(layer) or layer is self.proposals.source.layer:
            bind(layer, (*ACTS.values(), ALSO_NEXT_CELL), self._keys)

    def _on_inserted(self, event: Any) -> None:
        if isalive(self):
            self._bind(event.value)
            self._on_layers()

    def _on_layers(self, _event: Any = None) -> None:
        """Follow the corrections of the instances that are selected, else of the current result."""
        viewer = self._controller.viewer
        if viewer is None or not isalive(self):
            return
        active = viewer.layers.selection.active
        layer = active if active is not None and is_instances(active) else self._shown_proposals()
        self.corrections.watch(viewer, self._controller.image_layer, layer)

    def _on_source(self) -> None:
        """Take proposals from another layer, and bind the keys to it."""
        source = self.proposals.source.layer
        if self._proposals is not None:
            self._proposals.chosen = source
        if source is not None:
            self._bind(source)
        self.proposals.render(None if self._painter is None else self._painter.layer)
        self._on_layers()

    def _on_moved(self, layer: Layer) -> None:
        """Say anew whether proposals lie over the annotation."""
        if layer is self.proposals.source.layer or (self._painter is not None and layer is self._painter.layer):
            self.proposals.render(None if self._painter is None else self._painter.layer)

    def _on_each_stroke(self, is_on: bool) -> None:
        if self._painter is not None:
            self._painter.each_stroke_is_a_cell = is_on

    def _on_image(self, _image: Any = None) -> None:
        viewer, image = self._controller.viewer, self._controller.image_layer
        self._saved = self._proposals = None
        if viewer is not None and image is not None:
            self._proposals = Proposals(viewer, image, self.proposals.source.layer)
            with contextlib.suppress(CellSegError, OSError):  # an offer, no more: without it all goes on as usual
                self._saved = find_painting(image, layout_of(image).derived_shape)
        self._on_annotation(self._controller.annotation_layer)

    def _on_annotation(self, layer: Labels | None) -> None:
        """Follow another annotation: its keys, its counts."""
        if self._painter is not None:
            self._painter.close()
            for event in self._watched(self._painter.layer):
                event.disconnect(self._on_painted)
        viewer, image = self._controller.viewer, self._controller.image_layer
        self._painter = self._counter = None
        if layer is not None and image is not None and self._proposals is not None and _is_painting(layer):
            self._painter = Painter(viewer, layer, self._proposals, self._diameter)
            self._painter.each_stroke_is_a_cell = self.each_stroke.isChecked()
            self._bind(layer)
            self._counter = PaintCounter(layer)
            self._counter.count_all()
            for event in self._watched(layer):
                event.connect(self._on_painted)
        self.paint.setEnabled(self._painter is not None)
        self.proposals.render(None if self._painter is None else layer)
        self._on_layers()
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
        n_regions = 0 if regions is None else len(regions.data)
        self.counts.setText(f"<b>{self._counter.total.sentence(n_regions)}</b>")


def _is_painting(layer: Labels) -> bool:
    """Whether the keys make sense on a layer: in a complete label image, id 1 is a cell and 0 is background."""
    return isinstance(layer.data, np.ndarray) and guess_layer_mode(layer).mode == "sparse"
