"""The search for segmentation options."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from drawings import disks, painting, picture
from fakes import FAILURES, FakeMethod, FakeSegmentOptions
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongAnnotation
from napari_cellseg_ssl.tasks import Control, Trial, TrialDone, TuneFinished, TuneRequest, tune
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks.events import best_trials
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method")


@pytest.fixture
def request_(cells):
    pixels = picture(cells).astype(np.float32)[None, None] / 255
    maps = PredictionMaps(
        arrays={"foreground": pixels},
        specs={"foreground": MapSpec("foreground", "foreground", 1)},
        scale=1.0,
        source_shape=cells.shape,
        diameter=10.0,
        bundle_id="",
        image_name="disks",
    )
    note = Annotation.from_painting(painting(cells))
    options = FakeSegmentOptions(threshold=0.95)
    return TuneRequest(method_id="fake", maps=(maps,), annotations=(note,), options=options, trials=12)


def test_the_search_starts_with_the_default_and_finds_better(request_):
    events = list(tune(request_))

    trials = [event for event in events if isinstance(event, TrialDone)]
    finished = events[-1]
    assert [event.done for event in trials] == list(range(1, len(trials) + 1))
    assert trials[0].trial.options == request_.options
    assert finished.default_score == 0.0
    assert finished.score == finished.trials[0].score == 1.0
    assert [t.worth for t in finished.trials] == sorted((event.trial.worth for event in trials), reverse=True)


def test_nothing_is_tried_twice_and_nothing_beyond_what_there_is(request_):
    events = list(tune(replace(request_, trials=100)))

    tried = [event.trial.options.threshold for event in events if isinstance(event, TrialDone)]
    assert len(tried) == len(set(tried)) == events[0].total
    assert len(tried) < 12  # one option, nine values around the current one


def test_of_options_that_find_the_same_cells_the_one_with_the_better_outlines_wins(request_):
    (maps,) = request_.maps
    halo = ndimage.grey_dilation(maps.arrays["foreground"], (1, 1, 3, 3)) * 0.6
    blurred = replace(maps, arrays={"foreground": np.maximum(maps.arrays["foreground"], halo)})

    finished = list(tune(replace(request_, maps=(blurred,), options=FakeSegmentOptions(threshold=0.4))))[-1]

    assert finished.score == finished.default_score == 1.0
    assert finished.options.threshold > 0.48


def test_found_cells_and_outlines_count_alike_and_every_step_has_to_be_worth_it():
    start = Trial(None, 0.80, 0.70, distance=0)

    assert Trial(None, 0.80, 0.74, distance=3).worth > start.worth
    assert Trial(None, 0.80, 0.74, distance=5).worth < start.worth
    assert Trial(None, 0.85, 0.70, distance=4).worth > start.worth
    assert Trial(None, 0.82, 0.70, distance=20).worth < start.worth  # one cell of many, for changes everywhere


def test_of_trials_with_the_same_result_the_one_nearest_to_the_start_is_listed():
    near, far = Trial("near", 0.8, 0.7, distance=1), Trial("far", 0.8, 0.7, distance=9)
    best, worst = Trial("best", 0.9, 0.8, distance=4), Trial("worst", 0.1, 0.1, distance=2)

    assert best_trials([far, worst, near, best], 5) == [best, near, worst]
    assert best_trials([far, worst, near, best], 1) == [best]


def test_frames_on_which_nothing_is_painted_are_not_segmented(request_, monkeypatch):
    (maps,), (note,) = request_.maps, request_.annotations
    frames = np.concatenate([np.zeros_like(maps.arrays["foreground"]), maps.arrays["foreground"]])
    blank = np.zeros_like(note.cells)
    movie = Annotation(cells=np.concatenate([blank, note.cells]), known=np.concatenate([blank > 0, note.known]))
    seen = []
    segment = FakeMethod.segment
    monkeypatch.setattr(FakeMethod, "segment", lambda *a: seen.append(len(a[1].arrays["foreground"])) or segment(*a))

    finished = list(tune(replace(request_, maps=(replace(maps, arrays={"foreground": frames}),), annotations=(movie,))))

    assert set(seen) == {1}
    assert finished[-1].score == 1.0


def test_among_equals_the_default_wins(request_):
    good = replace(request_, options=FakeSegmentOptions(threshold=0.5))

    assert list(tune(good))[-1].options == good.options


def test_the_same_seed_tries_the_same(request_):
    assert list(tune(request_)) == list(tune(request_))


def test_a_stop_keeps_the_best_so_far(request_):
    control = Control()
    events = []
    for event in tune(request_, control):
        events.append(event)
        control.stop()

    assert isinstance(events[-1], TuneFinished)
    assert len(events[-1].trials) == 1


def test_a_stop_does_not_wait_for_the_other_images_of_a_trial(request_, monkeypatch):
    control, segmented = Control(), []
    segment = FakeMethod.segment
    two = replace(request_, maps=request_.maps * 2, annotations=request_.annotations * 2)

    def segment_and_stop(*arguments):
        segmented.append(len(segmented))
        if len(segmented) == 3:
            control.stop()
        return segment(*arguments)

    monkeypatch.setattr(FakeMethod, "segment", segment_and_stop)
    events = list(tune(two, control))

    assert len(segmented) == 3
    assert len(events[-1].trials) == 1


def test_a_stop_before_anything_was_tried_finds_nothing(request_):
    control = Control()
    control.stop()

    assert list(tune(request_, control)) == []


def test_without_painted_cells_there_is_nothing_to_tune_for(request_):
    blank = Annotation.from_painting(np.zeros((64, 64), np.uint8))

    with pytest.raises(WrongAnnotation, match=saying(tasks_messages.nothing_to_tune_for)):
        list(tune(replace(request_, annotations=(blank,))))


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_inside_the_search_reach_the_caller(request_, failure):
    broken = replace(request_, options=FakeSegmentOptions(fail=failure))

    with pytest.raises(OutOfMemory if "memory" in failure else type(FAILURES[failure])):
        list(tune(broken))


def test_complete_labels_are_scored_like_ordinary_ones(request_):
    dense = Annotation.from_dense(disks())

    assert list(tune(replace(request_, annotations=(dense,))))[-1].score == 1.0
