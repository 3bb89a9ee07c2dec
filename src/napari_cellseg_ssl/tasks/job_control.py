"""Stopping and pausing a job from another thread, and its clock."""

import threading
import time


class Control:
    """Handle on one running job; every method may be called from any thread."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self.ended = threading.Event()
        """Set by whoever runs the job once it is over and has written what it keeps."""
        self._stopping = False
        self._paused_at: float | None = None
        self._began: float | None = None
        self._paused = 0.0
        self._before = 0.0

    def stop(self) -> None:
        """Ask the job to end with the best it has; a paused job ends too."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def pause(self) -> None:
        """Ask the job to wait before its next step; the clock stands still."""
        with self._wake:
            if self._paused_at is None:
                self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let a paused job go on."""
        with self._wake:
            if self._paused_at is not None:
                self._paused += time.monotonic() - self._paused_at
                self._paused_at = None
            self._wake.notify_all()

    def start_clock(self, before: float = 0.0) -> None:
        """Count seconds of work from now on, on top of `before`."""
        with self._wake:
            self._began, self._before, self._paused = time.monotonic(), before, 0.0
            if self._paused_at is not None:
                self._paused_at = self._began

    def should_stop(self) -> bool:
        """Whether the job has to end; called by the job, and waits here while it is paused."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopping or self._paused_at is None)
            return self._stopping

    def elapsed(self) -> float:
        """Seconds of work so far, pauses not counted."""
        with self._wake:
            if self._began is None:
                return self._before
            now = time.monotonic() if self._paused_at is None else self._paused_at
            return self._before + now - self._began - self._paused

    @property
    def is_paused(self) -> bool:
        """Whether the job was asked to wait."""
        return self._paused_at is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the job was asked to end."""
        return self._stopping


class PartControl(Control):
    """Handle on one part of a job: it stops and pauses with the whole, whose clock runs, and has one of its own."""

    def __init__(self, whole: Control) -> None:
        super().__init__()
        self._whole = whole
        self._since = whole.elapsed()

    def start_clock(self, before: float = 0.0) -> None:
        """Count seconds of this part from now on; the clock of the whole goes on."""
        self._before, self._since = before, self._whole.elapsed()

    def should_stop(self) -> bool:
        """Whether the whole has to end; waits here while it is paused."""
        return self._whole.should_stop()

    def elapsed(self) -> float:
        """Seconds of work in this part, pauses not counted."""
        return self._before + self._whole.elapsed() - self._since

    @property
    def is_paused(self) -> bool:
        """Whether the whole was asked to wait."""
        return self._whole.is_paused

    @property
    def is_stopping(self) -> bool:
        """Whether the whole was asked to end."""
        return self._whole.is_stopping
