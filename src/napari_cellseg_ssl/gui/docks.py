"""The dock widgets that napari opens; those of one viewer share one session."""

from dataclasses import replace
from typing import Any, cast

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QVBoxLayout, QWidget

from napari_cellseg_ssl.core.options import Json, options_to_json
from napari_cellseg_ssl.gui.panels.data import DataPanel
from napari_cellseg_ssl.gui.panels.drawn import DrawnPanel
from napari_cellseg_ssl.gui.panels.method import MethodPanel
from napari_cellseg_ssl.gui.panels.pretraining import PretrainingBox
from napari_cellseg_ssl.gui.panels.restore import NotSavedBar, RestoreBar
from napari_cellseg_ssl.gui.panels.segment import SegmentPanel
from napari_cellseg_ssl.gui.panels.train import JobStrip, TrainPanel
from napari_cellseg_ssl.gui.panels.versions import VersionsPanel
from napari_cellseg_ssl.gui.session.controller import Controller, controller_of
from napari_cellseg_ssl.gui.session.restoring import PanelsRestored
from napari_cellseg_ssl.gui.session.settings import LearnSettings
from napari_cellseg_ssl.gui.widgets.fitting import Panels
from napari_cellseg_ssl.gui.widgets.tabs import join
from napari_cellseg_ssl.tasks.session.advance import Controls, SessionState, controls

PROGRESS_MS = 1500


class _Dock(QWidget):
    """Panels in a scroll area, above the strip that shows the running job."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.controller: Controller = controller_of(viewer)
        self._attached = self._joined = self._has_ended = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._area = Panels()
        inside = QWidget()
        self.panels = QVBoxLayout(inside)
        self.panels.setContentsMargins(6, 6, 6, 6)
        self._area.setWidget(inside)
        layout.addWidget(NotSavedBar(self.controller))
        layout.addWidget(self._area)
        self._drawn: Controls | None = None
        self._draw_soon = QTimer(self)
        self._draw_soon.setSingleShot(True)
        self._draw_soon.setInterval(PROGRESS_MS)
        self._draw_soon.timeout.connect(self._redraw)

    def follow(self) -> None:
        """Draw the session from now on; for when all panels are there."""
        self.controller.state_changed.connect(self._on_state)
        self.controller.ended.connect(self._on_end)
        self.draw(self.controller.state)

    def draw(self, state: SessionState) -> None:
        """Show a state in all panels."""

    def _redraw(self, *_: object) -> None:
        """Draw the session as it is now; a method, so that Qt forgets it together with the dock."""
        self.draw(self.controller.state)

    def _on_state(self, state: SessionState) -> None:
        """Draw at once what can be pressed; progress only now and then, for it repaints the whole window."""
        if self._has_ended:
            return
        shown = replace(controls(state), progress=None, progress_text="", status="")
        if shown != self._drawn or not shown.is_busy:
            self._drawn = shown
            self.draw(state)
        elif not self._draw_soon.isActive():
            self._draw_soon.start()

    def _on_end(self) -> None:
        self._has_ended = True
        self._draw_soon.stop()

    def showEvent(self, event: QShowEvent) -> None:
        """Tie the session to the window that the dock now belongs to, and come in front of the plugin's other docks."""
        super().showEvent(event)
        if not event.spontaneous():
            QTimer.singleShot(0, self._come_in_front)  # napari has not done with placing it
        window = self.window()
        if not self._attached and window is not self:
            self._attached = True
            self.controller.attach(window)

    def _come_in_front(self) -> None:
        frame = self.parentWidget() if isalive(self) else None
        if isinstance(frame, QDockWidget):
            join(frame, _Dock, is_new=not self._joined)
            self._joined = True


class TrainSegmentDock(_Dock):
    """Train & segment: the four stages of the main job."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.method = MethodPanel(self.controller)
        self.train = TrainPanel(self.controller, self.method.options)
        self.pretraining = PretrainingBox(self.controller, self.method.options, lambda: self.train.time_budget)
        self.train.form.addRow(self.pretraining)
        self.segment = SegmentPanel(self.controller)
        self.drawn = DrawnPanel(self.controller)
        self.data = DataPanel(self.controller)
        self.versions = VersionsPanel(self.controller)
        self.strip = JobStrip(self.controller)
        stages = self.data, self.method, self.train, self.segment, self.drawn, self.versions
        for panel in (RestoreBar(self.controller), *stages):
            self.panels.addWidget(panel)
        self.panels.addStretch(1)
        self.layout().addWidget(self.strip)
        self.method.method.currentIndexChanged.connect(self._suggest)
        self.method.preset.currentIndexChanged.connect(self._suggest)
        self.method.options_changed.connect(self._redraw)
        self.train.go_on.toggled.connect(self._redraw)
        self.train.train_clicked.connect(self._train)
        self.train.budget_changed.connect(self.pretraining.refresh)
        self.controller.session.panels = lambda: self._settings() if isalive(self) else {}
        self.controller.happened.connect(self._on_event)
        self._suggest()
        self.follow()

    def _settings(self) -> dict[str, Json]:
        """How the panels stand, for an interrupted session to come back like this."""
        return {
            "preset": self.method.preset.currentText(),
            "options": cast(Json, options_to_json(self.method.options())),
            "time_budget": self.train.time_budget,
        }

    def _on_event(self, event: object) -> None:
        if isinstance(event, PanelsRestored):
            self.draw(self.controller.state)  # the method first, for it has options of its own
            self.method.put_back(str(event.settings.get("preset", "")), event.settings.get("options"))
            self.train.put_back(event.settings.get("time_budget"))

    def _suggest(self, *_: object) -> None:
        self.train.suggest(self.method.info.id, self.method.preset.currentIndex() <= 0)
        self.draw(self.controller.state)

    def _train(self) -> None:
        self.controller.train(
            LearnSettings(
                options=self.method.options(),
                preset=self.method.preset.currentText(),
                time_budget=self.train.time_budget,
                go_on=self.train.go_on.isChecked(),
                starter=self.train.starter.isChecked(),
                preview=self.train.preview.isChecked(),
            )
        )

    def draw(self, state: SessionState) -> None:
        """Show a state in all panels."""
        shown = controls(state)
        self.data.render(shown)
        self.method.render(shown, state)
        self.train.render(shown, state)
        self.pretraining.render(shown, state)
        self.segment.render(shown, state)
        self.drawn.render(shown, state)
        self.versions.render(shown, state)
        self.strip.render(shown, state)


class PaintDock(_Dock):
    """Paint labels: cells and background, quickly."""

    def __init__(self, viewer: Viewer) -> None:
        from napari_cellseg_ssl.gui.panels.paint import PaintPanel
        from napari_cellseg_ssl.gui.panels.where_next import WhereNextPanel

        super().__init__(viewer)
        for panel in (RestoreBar, PaintPanel, WhereNextPanel):
            self.panels.addWidget(panel(self.controller))
        self.panels.addStretch(1)


class ScoreExportDock(_Dock):
    """Score & export: how good it is, and files for elsewhere."""

    def __init__(self, viewer: Viewer) -> None:
        from napari_cellseg_ssl.gui.panels.export import ExportPanel
        from napari_cellseg_ssl.gui.panels.score import ScorePanel

        super().__init__(viewer)
        self.panels.addWidget(ScorePanel(self.controller))
        self.panels.addWidget(ExportPanel(self.controller))
        self.panels.addStretch(1)
        self.strip = JobStrip(self.controller)
        self.layout().addWidget(self.strip)
        self.follow()

    def draw(self, state: SessionState) -> None:
        """Show a state in all panels."""
        self.strip.render(controls(state), state)
