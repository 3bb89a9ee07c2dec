"""Jobs in threads: every end is seen, the newest request wins, nothing leaks."""

import threading
import time
from itertools import pairwise

import pytest
from qtpy.QtCore import QTimer

from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.methods.events import Checkpoint, Note, Snapshot
from napari_cellseg_ssl.gui.session.worker import JobWorker, LatestOnly
from napari_cellseg_ssl.tasks.session.advance import Ended, Failed


def run(qtbot, job):
    """Run a job to its end -> (worker, events)."""
    worker, events = JobWorker(job), []
    worker.happened.connect(lambda stamped: events.append(stamped.event))
    worker.start()
    qtbot.waitUntil(lambda: any(isinstance(event, Ended) for event in events), timeout=10_000)
    return worker, events


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (RuntimeError("shapes do not fit"), "shapes do not fit"),
        (KeyError("offset"), "offset"),
        (MemoryError(), "Memory ran out"),
        (WrongImage("The image is constant.", "Choose another."), "The image is constant."),
        (StopIteration(), "unexpected"),
    ],
)
def test_whatever_a_job_raises_is_told_once_and_the_job_ends(qtbot, problem, words):
    def job(control):
        yield Note("working")
        raise problem

    _, events = run(qtbot, job)
    assert [type(event) for event in events] == [Note, Failed, Ended]
    assert words in events[1].message


def test_a_job_that_fails_before_its_first_event_ends_too(qtbot):
    def job(control):
        raise ValueError("no")

    _, events = run(qtbot, job)
    assert [type(event) for event in events] == [Failed, Ended]


def test_only_defects_carry_a_traceback(qtbot):
    def mendable(control):
        yield Note("a")
        raise WrongImage("Wrong.", "Mend it.")

    _, events = run(qtbot, mendable)
    assert events[1] == Failed("Wrong.", "Mend it.", "")


def test_networks_and_checkpoints_never_leave_the_thread(qtbot):
    def job(control):
        yield Snapshot(1, None)
        yield Checkpoint(1, {})

    _, events = run(qtbot, job)
    assert [type(event) for event in events] == [Ended]


def test_a_job_is_closed_in_its_own_thread_when_it_is_stopped(qtbot):
    closed = []

    def job(control):
        try:
            while not control.should_stop():
                yield Note("working")
                time.sleep(0.01)
        finally:
            closed.append(threading.current_thread())

    worker, events = JobWorker(job), []
    worker.happened.connect(lambda stamped: events.append(stamped.event))
    worker.start()
    qtbot.waitUntil(lambda: len(events) > 3)
    worker.control.stop()
    qtbot.waitUntil(lambda: isinstance(events[-1], Ended))
    assert closed
    assert closed[0] is not threading.main_thread()


def test_closing_napari_asks_the_job_to_end_in_order(qtbot):
    finished = []

    def job(control):
        while not control.should_stop():
            yield Note("working")
            time.sleep(0.01)
        finished.append(True)

    worker, events = JobWorker(job), []
    worker.happened.connect(lambda stamped: events.append(stamped.event))
    worker.start()
    qtbot.waitUntil(lambda: len(events) > 1)
    worker._worker.quit()
    qtbot.waitUntil(lambda: isinstance(events[-1], Ended))
    assert finished == [True]


def test_events_that_come_at_once_are_told_one_a_turn_of_the_event_loop(qtbot):
    def job(control):
        for number in range(5):
            yield Note(str(number))

    told, turns = [], QTimer()
    turns.timeout.connect(lambda: told.append("turn"))
    turns.start(0)
    worker = JobWorker(job)
    worker.happened.connect(lambda stamped: told.append(stamped.event))
    worker.start()
    time.sleep(0.3)  # the window does not answer meanwhile, so all of them wait
    qtbot.waitUntil(lambda: Ended() in told)
    turns.stop()
    at = [place for place, event in enumerate(told) if event != "turn"]
    assert len(at) == 6
    assert all("turn" in told[one:next_one] for one, next_one in pairwise(at))


def test_of_many_requests_the_newest_is_answered_and_those_between_are_skipped(qtbot):
    latest, answers, ran = LatestOnly(), [], []
    latest.done.connect(answers.append)

    def ask(number):
        def answer():
            ran.append(number)
            time.sleep(0.05)
            return number

        latest.submit(answer)

    for number in range(50):
        ask(number)
        qtbot.wait(2)
    qtbot.waitUntil(lambda: bool(answers) and answers[-1] == 49)
    assert answers == sorted(answers)
    assert 1 < len(ran) < 20  # it also answers while the requests keep coming


def test_a_cancelled_request_is_not_answered(qtbot):
    latest, answers = LatestOnly(), []
    latest.done.connect(answers.append)
    latest.submit(lambda: time.sleep(0.2) or "old")
    qtbot.wait(100)
    latest.cancel()
    latest.submit(lambda: "new")
    qtbot.waitUntil(lambda: bool(answers))
    qtbot.waitUntil(lambda: not latest.is_busy)
    assert answers == ["new"]


def test_a_request_that_fails_says_so_and_the_next_is_answered(qtbot):
    latest, answers, failures = LatestOnly(), [], []
    latest.done.connect(answers.append)
    latest.failed.connect(failures.append)

    def fail():
        raise RuntimeError("no")

    latest.submit(fail)
    qtbot.waitUntil(lambda: bool(failures))
    latest.submit(lambda: 7)
    qtbot.waitUntil(lambda: answers == [7])
