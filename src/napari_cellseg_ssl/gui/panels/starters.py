"""A first result without training: the starter models, a click each."""

from functools import partial

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cellseg_ssl.core.model.starters import Starter, starters
from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.widgets.stage import button, note
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState


class StartersBox(QWidget):
    """A button for each starter model that is offered; it becomes the current model and segments the chosen image."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons = [_button(starter, controller) for starter in starters() if starter.offered]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(note("Or find cells without training:"))
        for made in self._buttons:
            layout.addWidget(made)
        self.setVisible(bool(self._buttons))

    def render(self, controls: Controls, state: SessionState) -> None:
        """Show whether a first result can be had."""
        for made in self._buttons:
            made.setEnabled(controls.can_choose and bool(state.image))


def _button(starter: Starter, controller: Controller) -> QWidget:
    return button(
        f"Starter: {starter.title}",
        f"cellseg_starter_{starter.name}",
        f"{starter.use} Afterwards you can correct, paint, and train on from it.",
        partial(controller.begin_with, starter.name),
    )
