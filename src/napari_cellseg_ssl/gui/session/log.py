"""The log of a session: what its jobs did and what went wrong, in the folder of the session once there is one."""

import logging

from qtpy.QtCore import QObject

from napari_cellseg_ssl.core.methods.events import Note, TrainFinished
from napari_cellseg_ssl.gui.session.autosave import Autosave
from napari_cellseg_ssl.gui.session.host import Host
from napari_cellseg_ssl.tasks.session.advance import Began, Ended
from napari_cellseg_ssl.tasks.support import LOG_FILE, SHOWN_LINES, RecentLines, logger, report, versions


class SessionLog(QObject):
    """Follows the jobs of one session; owned by the controller."""

    def __init__(self, controller: Host, autosave: Autosave) -> None:
        super().__init__(controller)
        self._controller, self._autosave = controller, autosave
        self.lines = RecentLines()
        log = logger()
        log.addHandler(self.lines)
        if log.level == logging.NOTSET:
            log.setLevel(logging.INFO)
        controller.happened.connect(self._on_event)

    def close(self) -> None:
        """Listen no longer."""
        logger().removeHandler(self.lines)

    def report(self) -> str:
        """Put together what helps to find a fault: the failure, versions, device, the last lines."""
        state = self._controller.state
        failure = state.failure
        said = "" if failure is None else f"{failure.message} {failure.hint}\n{failure.details}"
        facts = {**versions(), "device": state.device or "not used yet", "method": state.method_id}
        return report(facts, list(self.lines.lines)[-SHOWN_LINES:], said)

    def _on_event(self, event: object) -> None:
        room = self._autosave.room
        if room is not None and room.is_dir():
            self.lines.write_to(room / LOG_FILE)
        match event:
            case Began(activity):
                logger().info("%s began, method %s", activity, self._controller.state.method_id)
            case Note(text):
                logger().info("%s", text)
            case TrainFinished(bundle, reason):
                logger().info("%s trained, %d steps, %s", bundle.method_id, bundle.provenance.steps, reason)
            case Ended():
                logger().info("the job ended")
