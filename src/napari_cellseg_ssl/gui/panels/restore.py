"""Lines above the panels, there only while they are needed: what is not saved, and a session that can come back."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cellseg_ssl.gui.session.controller import Controller
from napari_cellseg_ssl.gui.widgets.stage import button, note, row
from napari_cellseg_ssl.tasks.session.advance import SessionState

WARNING = "color: #ff6b6b; padding: 6px;"


class NotSavedBar(QLabel):
    """What is painted and not saved, for as long as that is so."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("cellseg_not_saved")
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setStyleSheet(WARNING)
        self.setVisible(False)
        controller.state_changed.connect(self._draw)
        self._draw(controller.state)

    def _draw(self, state: SessionState) -> None:
        if state.unsaved != self.text():
            self.setText(state.unsaved)
            self.setVisible(bool(state.unsaved))


class RestoreBar(QWidget):
    """What is left of the last session, and whether it is wanted."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._words = note()
        self._words.setObjectName("cellseg_interrupted")
        tip = "Open its images, and put back what was painted, its versions and choices."
        self._restore = button("Restore", "cellseg_restore_session", tip, controller.restorer.restore)
        tip = "Go on without it. What was painted is still offered in 'Paint labels' when its image is opened."
        self._dismiss = button("Not now", "cellseg_dismiss_session", tip, controller.restorer.dismiss)
        layout = QVBoxLayout(self)
        layout.addWidget(self._words)
        layout.addWidget(row(self._restore, self._dismiss))
        controller.restorer.changed.connect(self._draw)
        controller.state_changed.connect(self._on_state)
        self._draw()

    def _draw(self) -> None:
        offer = self._controller.restorer.offer
        self.setVisible(offer is not None)
        if offer is not None:
            self._words.setText(offer.sentence)

    def _on_state(self, state: SessionState) -> None:
        self._restore.setEnabled(state.activity == "idle")
