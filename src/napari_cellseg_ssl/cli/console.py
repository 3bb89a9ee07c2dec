"""Talking to a person, or to a script: results on standard output, everything else on standard error."""

import json
import math
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from napari_cellseg_ssl.cli import messages
from napari_cellseg_ssl.core.errors import CellSegError, WouldOverwrite
from napari_cellseg_ssl.core.methods.events import Note, Started, Step, TileDone, Validated
from napari_cellseg_ssl.tasks import Control
from napari_cellseg_ssl.tasks.events import FileWritten, TrialDone

BAR = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
REPLACES = "Or say --overwrite, which replaces it."
STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What Ctrl-C sends, and what a batch system sends before it kills."""
REFRESH_TERMINAL, REFRESH_LOG = 0.2, 15.0
"""Seconds between two pictures of a progress bar."""


class Console:
    """Standard output and standard error of one command.

    Parameters
    ----------
    as_json : bool
        Print one JSON object instead of text for a person.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.stopped_by = signal.SIGINT
        """The signal by which the command was asked to stop, if it was."""
        self._remarks: list[str] = []

    def say(self, text: str) -> None:
        """Print a line of the result for a person."""
        if not self._as_json:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def result(self, record: Mapping[str, Any]) -> None:
        """Print the result for a script, with what was remarked among its notes."""
        if self._as_json:
            notes = [*self._remarks, *record.get("notes", ())]
            sys.stdout.write(json.dumps(_finite({**record, "notes": notes})) + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell something on the way."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def remark(self, text: str) -> None:
        """Tell something on the way that belongs to the result too."""
        self._remarks.append(text)
        self.note(text)

    def complain(self, problem: CellSegError | str) -> None:
        """Say in one line what is wrong."""
        text = f"{problem} {REPLACES}" if isinstance(problem, WouldOverwrite) else str(problem)
        self.note("cellseg-ssl: " + " ".join(text.split()))

    def follow(self, events: Iterator[Any], title: str) -> Iterator[Any]:
        """Show the progress of a job and pass its events on."""
        from tqdm import tqdm

        interval = REFRESH_TERMINAL if sys.stderr.isatty() else REFRESH_LOG
        with tqdm(total=1.0, desc=title, bar_format=BAR, file=sys.stderr, mininterval=interval, leave=True) as bar:
            for event in events:
                match event:
                    case Note():
                        bar.clear()
                        self.note(f"  {event.text}")
                    case Step() | Validated():
                        _show_step(bar, event)
                    case TileDone() | TrialDone():
                        bar.update(event.done / event.total - bar.n)
                    case Started() | FileWritten():
                        pass
                yield event
            bar.update(max(0.0, 1.0 - bar.n))

    @contextmanager
    def interruptible(self) -> Iterator[Control]:
        """Turn the first Ctrl-C, or SIGTERM, into a request to stop; the second one interrupts at once."""
        control = Control()

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.stopped_by = signal.Signals(number)
            if control.is_stopping:
                raise KeyboardInterrupt
            control.stop()
            self.note(messages.stopping())

        before = {}
        try:
            for number in STOPPING:
                before[number] = signal.signal(number, on_signal)
        except ValueError:  # not in the main thread, so signals do not come here
            yield control
            return
        try:
            yield control
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _show_step(bar: Any, event: Step | Validated) -> None:
    values = event.losses if isinstance(event, Step) else event.scores
    bar.set_postfix_str(" ".join(f"{name} {value:.3g}" for name, value in values.items()), refresh=False)
    if isinstance(event, Step):
        bar.update(event.fraction - bar.n)


def _finite(value: Any) -> Any:
    """Replace NaN, which JSON does not know, by null."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
