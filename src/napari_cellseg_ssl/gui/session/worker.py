"""Jobs in background threads whose every end is seen.

superqt's generator worker swallows a RuntimeError, never closes its generator after `quit`, and relays every warning;
so the generator that it gets here catches everything, closes the job itself, and `quit` only asks the job to stop.
"""

import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import create_worker as create_plain_worker

from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.methods.events import Checkpoint, Snapshot
from napari_cellseg_ssl.gui import messages
from napari_cellseg_ssl.tasks import Control, Preview
from napari_cellseg_ssl.tasks.session.advance import Ended, Failed
from napari_cellseg_ssl.tasks.support import logger

Job = Callable[[Control], Iterator[object]]

WAIT_WHEN_SLOW_MS, SLOW_S = 300, 0.5


@dataclass(frozen=True)
class Stamped:
    """An event and the active seconds of the job at that moment."""

    event: object
    seconds: float


class _StoppingWorker(GeneratorWorker):
    """A worker whose `quit`, which napari calls when its window closes, asks the job to end in order."""

    control: Control

    def quit(self) -> None:
        self.control.stop()


class JobWorker(QObject):
    """One job in a thread; `happened` carries its events to the GUI thread, an `Ended` last of all."""

    happened = Signal(object)

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.control = Control()
        worker = create_worker(cell_segmentation, job, self.control, _start_thread=False, _worker_class=_StoppingWorker)
        worker.control = self.control
        worker.yielded.connect(self._receive)
        self._inbox: deque[Stamped] = deque()
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._tell_one)
        # The reference keeps the worker alive until its thread has ended.
        self._worker: Any = worker

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def wait(self, seconds: float) -> None:
        """Wait until the job is over, at most so long."""
        self.control.ended.wait(seconds)

    def _receive(self, stamped: Stamped) -> None:
        self._inbox.append(stamped)
        self._next.start()

    def _tell_one(self) -> None:
        """Tell one event a turn, so that the window answers between two layers; only the newest preview counts."""
        stamped = self._inbox.popleft()
        is_old = isinstance(stamped.event, Preview) and any(isinstance(s.event, Preview) for s in self._inbox)
        if self._inbox:
            self._next.start()
        if not is_old:
            self.happened.emit(stamped)


def cell_segmentation(job: Job, control: Control) -> Iterator[Stamped]:
    """Run a job; whatever it raises becomes a `Failed` event, and it is closed here, in its own thread.

    napari shows the name of this function when a window is closed while it runs.
    """
    warnings.simplefilter("ignore")
    control.start_clock()
    failure = None
    events = None
    try:
        events = job(control)
        for event in events:
            # These hold the live network: they must not leave the thread.
            if not isinstance(event, Snapshot | Checkpoint):
                yield Stamped(event, control.elapsed())
    except Exception as problem:  # noqa: BLE001 - the one place where errors of any type become a message
        failure = describe(problem)
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
        del events
        control.ended.set()
    if failure is not None:
        yield Stamped(failure, control.elapsed())
    yield Stamped(Ended(), control.elapsed())


def describe(problem: Exception) -> Failed:
    """Say what went wrong; only defects carry their traceback."""
    if isinstance(problem, CellSegError):
        logger().warning("%s", problem)
        return Failed(problem.message, problem.hint)
    if isinstance(problem, MemoryError):
        return messages.out_of_memory()
    logger().error("%s: %s", type(problem).__name__, problem, exc_info=problem)
    details = "".join(traceback.format_exception(problem))
    return messages.unexpected(problem, details)


class LatestOnly(QObject):
    """Run functions in a thread, one at a time; of those that wait only the newest is run.

    `done` carries each result with its ticket, `failed` a `Failed`. After `cancel`, results under way are dropped.
    """

    done = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._run)
        self._waiting: Callable[[], Any] | None = None
        self._worker: Any = None
        self._generation = 0
        self._slow = False

    @property
    def is_busy(self) -> bool:
        """Whether something runs or waits."""
        return self._worker is not None or self._waiting is not None

    def submit(self, function: Callable[[], Any]) -> None:
        """Run a function soon; a slow one only once no newer one has come for a while."""
        self._waiting = function
        if self._slow or not self._timer.isActive():
            self._timer.start(WAIT_WHEN_SLOW_MS if self._slow else 0)

    def cancel(self) -> None:
        """Forget what waits, and drop the result of what runs."""
        self._waiting = None
        self._timer.stop()
        self._generation += 1

    def _run(self) -> None:
        if self._worker is not None or self._waiting is None:
            return
        function, self._waiting = self._waiting, None
        generation = self._generation
        worker = create_plain_worker(_result_of, function, _start_thread=False)
        worker.yielded.connect(lambda result: self._deliver(result, generation))
        worker.finished.connect(self._go_on)
        self._worker = worker
        worker.start()

    def _deliver(self, result: Stamped, generation: int) -> None:
        if not isalive(self):  # its panel was closed meanwhile
            return
        self._slow = result.seconds > SLOW_S
        if generation != self._generation:
            return
        if isinstance(result.event, Failed):
            self.failed.emit(result.event)
        else:
            self.done.emit(result.event)

    def _go_on(self) -> None:
        self._worker = None
        if isalive(self) and self._waiting is not None and not self._timer.isActive():
            self._timer.start(WAIT_WHEN_SLOW_MS if self._slow else 0)


def _result_of(function: Callable[[], Any]) -> Iterator[Stamped]:
    warnings.simplefilter("ignore")
    control = Control()
    control.start_clock()
    try:
        result = function()
    except Exception as problem:  # noqa: BLE001 - as above
        result = describe(problem)
    yield Stamped(result, control.elapsed())
