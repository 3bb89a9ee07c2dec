"""The stage of models that draw: images of invented objects, and the way from an image to its mask."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QSpinBox, QWidget

from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import Note
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.gui.layers.layout import Layout
from napari_cellseg_ssl.gui.layers.synthetic_layers import show_between, show_pair
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.session.image_source import ImageSource, image_source, visible_window
from napari_cellseg_ssl.gui.widgets.stage import Stage, button, note, row
from napari_cellseg_ssl.gui.widgets.wording import counted
from napari_cellseg_ssl.tasks import synthesis_pipeline
from napari_cellseg_ssl.tasks.interpolation import InterpolationReady
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState
from napari_cellseg_ssl.tasks.synthesis import can_draw
from napari_cellseg_ssl.tasks.training_files import TrainingFile

INTRODUCTION = "The model can draw images like yours with cells that it invents, so each of them is known exactly."
DEFAULT_PAIRS, MOST_PAIRS = 50, 1000
NOT_SEEN = "Nothing of the image is in view in 2D: show it there, and press again."


class DrawnPanel(Stage):
    """Draw an example, see how an image becomes a mask, write pairs to learn from."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__("Drawn images", parent)
        self._controller = controller
        self._seed = 0
        self._beside: tuple[Callable[[], Image | None], Layout, ModelBundle] | None = None
        self._build()
        controller.happened.connect(self._on_event)

    def _build(self) -> None:
        self.example = button(
            "Draw an example",
            "cellseg_draw_example",
            "An invented image and its cells, to the right of yours. They should look alike. Press again for more.",
            self._draw_example,
        )
        self.between = button(
            "From image to mask",
            "cellseg_interpolate",
            "The part of the image in view, by degrees from image to mask, below it: a slider leads through.",
            self._interpolate,
        )
        self.count = QSpinBox()
        self.count.setObjectName("cellseg_n_pairs")
        self.count.setToolTip("How many images are drawn.")
        self.count.setRange(1, MOST_PAIRS)
        self.count.setSuffix(" pairs")
        self.count.setValue(DEFAULT_PAIRS)
        self.write = button(
            "Write training pairs …",
            "cellseg_write_pairs",
            "Draw so many images, write them and their cells into a folder, and let a method with labels learn from "
            "them.",
            self._write,
        )
        self.form.addRow(note(INTRODUCTION))
        self.form.addRow(row(self.example, self.between))
        self.form.addRow(row(self.count, self.write))

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show the stage while the current model can draw, and what may be pressed."""
        self.setVisible(can_draw(state.bundle))
        for widget in (self.example, self.between, self.count, self.write):
            widget.setEnabled(controls.can_choose and bool(state.image))

    def _draw_example(self) -> None:
        model, source = self._controller.model, self._source()
        if model is not None and source is not None:
            self._seed += 1
            self._controller.run(partial(synthesis_pipeline.draw_example, source.read, model, self._seed))

    def _interpolate(self) -> None:
        model, source = self._controller.model, self._source()
        viewer, image = self._controller.viewer, self._controller.image_layer
        if model is None or source is None or viewer is None or image is None:
            return
        is_flat = viewer.dims.ndisplay == 2
        window = visible_window(image, source.layout, viewer.dims.point, None) if is_flat else None
        if window is None:
            self._controller.apply(Note(NOT_SEEN))
            return
        self._controller.run(partial(synthesis_pipeline.show_between, source.read, model, window))

    def _write(self) -> None:
        model, source = self._controller.model, self._source()
        folder = QFileDialog.getExistingDirectory(self, "Folder for the drawn images and their cells")
        if folder and model is not None and source is not None:
            self._seed += 1
            asked = model, Path(folder), self.count.value(), self._seed, source.n_channels
            self._controller.run(partial(synthesis_pipeline.write_pairs, *asked))

    def _source(self) -> ImageSource | None:
        """Take what a job needs of the chosen image, as the model takes it, and remember beside what it is shown."""
        controller, image, model = self._controller, self._controller.image_layer, self._controller.model
        if image is None or model is None:
            return None
        ndim = synthesis_pipeline.bundle_ndim(model)
        source = controller.taken(lambda: image_source(image, controller.choices.channels, ndim))
        if source is not None:
            self._beside = ref(image), source.layout, model.bundle
        return source

    def _on_event(self, event: object) -> None:
        match event:
            case synthesis_pipeline.ExampleDrawn():
                self._show_example(event)
            case InterpolationReady():
                self._show_between(event)
            case synthesis_pipeline.PairsReady(files, folder):
                self._learn_from(files, folder)

    def _show(self, show: Callable[..., Any]) -> Any:
        """Show something beside the image for which it was drawn; in view, where it is new and that image is too."""
        viewer = self._controller.viewer
        if viewer is None or self._beside is None:
            return None
        held, layout, bundle = self._beside
        image = held()
        if image is None or image not in viewer.layers:
            self._controller.apply(Note(messages.image_closed_nothing_shown()))
            return None
        before = set(viewer.layers)
        shown = show(viewer, image, layout, bundle=bundle)
        if image.visible and not before.issuperset(viewer.layers):
            viewer.reset_view()
        return shown

    def _show_example(self, event: synthesis_pipeline.ExampleDrawn) -> None:
        if self._show(partial(show_pair, pair=event.pair, pixel=event.pixel)) is not None:
            n = event.pair.labels.max()
            self._controller.apply(Note(messages.invented_cells(n)))

    def _show_between(self, event: InterpolationReady) -> None:
        layer = self._show(partial(show_between, stack=event.stack, frame=event.frame, region=event.region))
        viewer = self._controller.viewer
        if layer is None or viewer is None:
            return
        viewer.dims.set_current_step(viewer.dims.ndim - layer.ndim, 0)
        last = len(event.stack) - 1
        self._controller.apply(Note(messages.move_tau(last)))

    def _learn_from(self, files: tuple[TrainingFile, ...], folder: Path) -> None:
        """Put pairs on the list of what is learned from, and choose a method that can."""
        said = f"{counted(len(files), 'pair')} in {folder}."
        self._controller.choices.more.take(files)
        learner = synthesis_pipeline.learner_of_pairs()
        if learner:
            self._controller.choose_method(learner)
            said += f" {get_method(learner).info.title} learns from them now: press Train."
        self._controller.apply(Note(said))
