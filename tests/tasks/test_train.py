"""Training: what it says, what it leaves behind, and how it ends."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from fakes import FakeOptions
from napari_cellseg_ssl.core.bundle import CHECKPOINT_FILE, ModelBundle
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.events import Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.tasks import Control, Preview, PreviewWindow, TrainRequest, train

pytestmark = pytest.mark.usefixtures("fake_method")


@pytest.fixture
def request_(stack):
    return TrainRequest(method_id="fake", images=(stack,), object_diameter=10.0)


def with_options(request, **values):
    return replace(request, options=FakeOptions(**values))


def finished(request, control=None):
    return last_of(train(request, control), TrainFinished)


def test_a_training_says_device_and_diameter_and_ends_with_a_model(request_):
    events = list(train(request_))

    notes = " ".join(event.text for event in events if isinstance(event, Note))
    assert "Device: CPU" in notes
    assert "10.0 px, as given" in notes
    assert isinstance(events[-1], TrainFinished)
    assert events[-1].reason == "completed"


def test_the_model_knows_where_it_comes_from(request_, stack):
    bundle = finished(replace(request_, seed=5, name="mine")).bundle

    assert bundle.name == "mine"
    assert bundle.object_diameter == 10.0
    assert bundle.provenance.seed == 5
    assert bundle.provenance.preset == "fast"
    assert list(bundle.provenance.images) == ["disks"]
    assert "numpy" in bundle.provenance.versions
    assert bundle.history[0]["loss"] == 1.0


def test_the_last_step_is_told_even_when_steps_are_thinned(request_):
    steps = [event.step for event in train(with_options(request_, steps=500)) if isinstance(event, Step)]

    assert len(steps) < 100
    assert steps[-1] == 500


def test_a_run_folder_is_written_and_its_checkpoint_goes(request_, tmp_path):
    finished(replace(request_, out=tmp_path / "run"))

    assert ModelBundle.load(tmp_path / "run").method_id == "fake"
    assert not (tmp_path / "run" / CHECKPOINT_FILE).exists()


def test_a_stopped_training_keeps_its_model_and_can_go_on(request_, tmp_path):
    request, control = with_options(replace(request_, out=tmp_path), steps=30, wait=0.01), Control()
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()
    stopped = ModelBundle.load(tmp_path)
    assert stopped.provenance.reason == "stopped"

    resumed = finished(replace(request, resume=True)).bundle
    straight = finished(replace(request, out=None)).bundle

    assert np.array_equal(resumed.weights["total"], straight.weights["total"])
    assert resumed.provenance.steps == 30


def test_a_resumed_training_counts_its_time_and_keeps_its_history(request_, tmp_path):
    request, control = with_options(replace(request_, out=tmp_path), steps=40, wait=0.02), Control()
    for event in train(request, control):
        if isinstance(event, Step) and event.step >= 10:
            control.stop()

    bundle = finished(replace(request, resume=True)).bundle

    assert bundle.provenance.seconds >= 40 * 0.02
    assert next(row["step"] for row in bundle.history if "loss" in row) == 1


@pytest.mark.parametrize("failure", ["RuntimeError", "KeyError"])
def test_an_error_in_the_method_reaches_the_caller(request_, failure):
    with pytest.raises(Exception, match=r"multiplied|offset"):
        finished(with_options(request_, fail=failure))


@pytest.mark.parametrize("failure", ["memory", "torch memory"])
def test_running_out_of_memory_is_said_with_a_way_out(request_, failure):
    with pytest.raises(OutOfMemory, match="smaller batch"):
        finished(with_options(request_, fail=failure))


def test_running_out_of_memory_halves_the_batch(request_):
    events = list(train(with_options(request_, batch_size=16, fits=5)))

    assert events[-1].bundle.train_options.batch_size == 4
    assert any("batch of 4" in event.text for event in events if isinstance(event, Note))


def test_previews_show_the_watched_window(request_, cells):
    window = PreviewWindow(0, 0, (slice(0, 32), slice(16, 64)))

    preview = last_of(train(replace(request_, preview=lambda: window)), Preview)

    assert preview.labels.shape == (1, 32, 48)
    assert preview.labels.max() == len(np.unique(cells[:32, 16:])) - 1


def test_a_preview_that_cannot_be_made_is_a_note(request_, monkeypatch, fake_method):
    def refuse(maps, options):
        raise WrongOption("No.")

    monkeypatch.setattr(fake_method, "segment", refuse, raising=False)
    window = PreviewWindow(0, 0, (slice(0, 32), slice(0, 32)))

    events = list(train(replace(request_, preview=lambda: window)))

    assert any("No preview: No." in event.text for event in events if isinstance(event, Note))
    assert isinstance(events[-1], TrainFinished)


def test_a_time_budget_ends_the_training(request_):
    bundle = finished(replace(with_options(request_, wait=0.01), time_budget=0.3)).bundle

    assert 0.25 < bundle.provenance.seconds < 1.0


def test_a_paused_training_waits_and_its_clock_stands_still(request_):
    control = Control()
    request = replace(with_options(request_, wait=0.01), time_budget=0.3)
    control.pause()
    threading.Timer(0.5, control.resume).start()

    bundle = finished(request, control).bundle

    assert bundle.provenance.seconds < 0.6


def test_a_folder_that_cannot_be_written_is_refused_before_training(request_, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WrongRun, match="cannot be written"):
        finished(replace(request_, out=tmp_path / "file" / "run"))


def test_constant_images_are_refused(request_, stack):
    flat = replace(stack, frames=np.zeros_like(stack.frames))

    with pytest.raises(WrongImage, match="constant"):
        finished(replace(request_, images=(flat,)))


@pytest.mark.parametrize("change", [{"time_budget": 0.0}, {"object_diameter": -3.0}, {"annotations": (None, None)}])
def test_impossible_settings_are_refused(request_, change):
    with pytest.raises(WrongOption):
        finished(replace(request_, **change))


def test_resuming_needs_an_interrupted_training_of_the_same_images(request_, tmp_path, stack):
    with pytest.raises(WrongRun, match="no run folder"):
        finished(replace(request_, resume=True))
    with pytest.raises(WrongRun, match="no interrupted training"):
        finished(replace(request_, resume=True, out=tmp_path))

    control, request = Control(), with_options(replace(request_, out=tmp_path), steps=50, wait=0.01)
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()
    other = replace(stack, frames=stack.frames + 1)
    with pytest.raises(WrongRun, match="other images"):
        finished(replace(request, images=(other,), resume=True))


def test_a_hostile_checkpoint_is_refused(request_, tmp_path):
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"\x80\x04cos\nsystem\n")

    with pytest.raises(WrongRun, match="cannot be read"):
        finished(replace(request_, resume=True, out=tmp_path))
