"""Stopping, pausing and pacing."""

import threading

from napari_cellseg_ssl.core.methods.events import Note, Step, TrainFinished
from napari_cellseg_ssl.tasks import Control
from napari_cellseg_ssl.tasks.job_control import PartControl
from napari_cellseg_ssl.tasks.throttle import thin


def test_a_stop_wakes_a_paused_job():
    control = Control()
    control.pause()
    threading.Timer(0.1, control.stop).start()

    assert control.should_stop()
    assert control.is_stopping


def test_resuming_twice_or_pausing_twice_changes_nothing(clock):
    control = Control()
    control.start_clock()
    control.resume()
    control.pause()
    control.pause()
    clock.advance(5)
    control.resume()
    control.resume()
    clock.advance(1)

    assert not control.is_paused
    assert control.elapsed() == 1


def test_the_clock_goes_on_from_what_was_worked_before(clock):
    control = Control()
    control.start_clock(before=100.0)
    clock.advance(7)

    assert control.elapsed() == 107.0


def test_a_job_paused_before_it_starts_has_worked_for_no_time(clock):
    control = Control()
    control.pause()
    control.start_clock()
    clock.advance(3)

    assert control.elapsed() == 0.0


def test_no_more_than_ten_steps_a_second_pass_and_nothing_else_is_lost():
    now = iter(range(1000))
    events = [Step(i, 0.0, {}) for i in range(100)] + [Note("kept")] * 7 + [TrainFinished(None, "completed")]

    passed = list(thin(iter(events), per_second=10, clock=lambda: next(now) / 100))

    steps = [event.step for event in passed if isinstance(event, Step)]
    assert len(steps) <= 11
    assert steps[-1] == 99
    assert sum(isinstance(event, Note) for event in passed) == 7


def test_a_part_has_a_clock_of_its_own_and_stops_and_pauses_with_the_whole(clock):
    whole = Control()
    whole.start_clock(before=100.0)
    clock.advance(10)
    part = PartControl(whole)
    part.start_clock(before=5.0)
    clock.advance(1)

    assert part.elapsed() == 6.0
    assert whole.elapsed() == 111.0
    whole.pause()
    clock.advance(50)
    assert part.is_paused
    assert part.elapsed() == 6.0
    whole.stop()
    assert part.should_stop()
    assert part.is_stopping
