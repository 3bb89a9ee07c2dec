"""Training: what it says, what it leaves behind, and how it ends."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from drawings import painting
from fakes import FakeMethod, FakeOptions
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.maps import MapSpec
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongAnnotation, WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.methods.events import Note, Snapshot, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.tasks import Control, Preview, PreviewWindow, TrainRequest, preview, train
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

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


def test_what_another_method_learns_on_the_way_is_previewed_as_its_own(request_, monkeypatch, fake_method):
    learn, other = fake_method.train, FakeMethod()
    other.info = replace(fake_method.info, id="other", maps=(MapSpec("foreground", "embedding", 1),))
    monkeypatch.setattr(preview, "get_method", {"other": other}.__getitem__)

    def learn_on_the_way(*arguments):
        for event in learn(*arguments):
            yield replace(event, method_id="other") if isinstance(event, Snapshot) else event

    monkeypatch.setattr(fake_method, "train", learn_on_the_way, raising=False)
    window = PreviewWindow(0, 0, (slice(0, 32), slice(0, 32)), options="those of the method that is trained")

    shown = last_of(train(replace(request_, preview=lambda: window)), Preview)

    assert shown.maps.specs["foreground"].kind == "embedding"
    assert shown.labels.any()


def test_a_preview_that_cannot_be_made_is_a_note(request_, monkeypatch, fake_method):
    def refuse(maps, options):
        raise WrongOption("No.")

    monkeypatch.setattr(fake_method, "segment", refuse, raising=False)
    window = PreviewWindow(0, 0, (slice(0, 32), slice(0, 32)))

    events = list(train(replace(request_, preview=lambda: window)))

    assert any("No preview: No." in event.text for event in events if isinstance(event, Note))
    assert isinstance(events[-1], TrainFinished)


def test_a_time_budget_ends_the_training(request_, clock):
    bundle = finished(replace(with_options(request_, wait=1.0), time_budget=30.0)).bundle

    assert 29 < bundle.provenance.seconds < 32
    assert bundle.provenance.steps == 30


def test_a_paused_training_waits_and_its_clock_stands_still(request_, clock):
    control = Control()
    request = replace(with_options(request_, wait=1.0), time_budget=30.0)
    control.pause()
    threading.Timer(0.1, lambda: (clock.advance(500), control.resume())).start()

    bundle = finished(request, control).bundle

    assert bundle.provenance.seconds < 60
    assert bundle.provenance.steps == 30


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
    with pytest.raises(WrongRun, match=saying(tasks_messages.nothing_to_resume_from)):
        finished(replace(request_, resume=True))
    with pytest.raises(WrongRun, match=saying(tasks_messages.no_interrupted_training)):
        finished(replace(request_, resume=True, out=tmp_path))

    control, request = Control(), with_options(replace(request_, out=tmp_path), steps=50, wait=0.01)
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()
    other = replace(stack, frames=stack.frames + 1)
    with pytest.raises(WrongRun, match=saying(tasks_messages.resumed_on_other_images)):
        finished(replace(request, images=(other,), resume=True))


def test_a_hostile_checkpoint_is_refused(request_, tmp_path):
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"\x80\x04cos\nsystem\n")

    with pytest.raises(WrongRun, match=saying(tasks_messages.folder_unreadable)):
        finished(replace(request_, resume=True, out=tmp_path))


def painted(labels):
    return (Annotation.from_painting(labels),)


@pytest.fixture
def needs_labels(fake_method, monkeypatch):
    monkeypatch.setattr(fake_method, "info", replace(fake_method.info, labels="required"))


@pytest.mark.usefixtures("needs_labels")
def test_what_is_missing_in_a_painting_is_said(request_, cells):
    nothing, background = np.zeros_like(cells), np.ones_like(cells)
    no_background = np.where(cells > 0, cells + 1, 0)

    for labels, words in ((nothing, "none are painted"), (background, "no cell"), (no_background, "no background")):
        with pytest.raises(WrongAnnotation, match=words):
            finished(replace(request_, annotations=painted(labels)))


@pytest.mark.usefixtures("needs_labels")
def test_one_painted_cell_and_some_background_are_enough(request_, cells):
    bundle = finished(replace(request_, annotations=painted(painting(cells, n_cells=1)))).bundle

    assert bundle.method_id == "fake"


@pytest.mark.usefixtures("needs_labels")
def test_labels_of_another_shape_are_refused(request_):
    with pytest.raises(WrongAnnotation, match=r"\(1, 30, 30\)"):
        finished(replace(request_, annotations=painted(np.ones((30, 30), int))))


def test_images_with_other_channels_are_refused(request_, stack):
    rgb = ImageStack.from_array(np.concatenate([stack.frames[0]] * 3), axes="CYX", name="rgb")

    with pytest.raises(WrongImage, match="'rgb' has 3"):
        finished(replace(request_, images=(stack, rgb)))


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2)])
def test_tiny_images_can_be_trained_on(request_, shape):
    tiny = ImageStack.from_array(np.arange(np.prod(shape)).reshape(shape))

    assert finished(replace(request_, images=(tiny,))).reason == "completed"


def test_a_single_pixel_is_refused_as_constant(request_):
    with pytest.raises(WrongImage, match="constant"):
        finished(replace(request_, images=(ImageStack.from_array(np.ones((1, 1))),)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "bool"])
def test_any_type_of_number_is_trained_on(request_, cells, dtype):
    image = ImageStack.from_array((cells > 0).astype(dtype))

    assert finished(replace(request_, images=(image,))).reason == "completed"


def test_a_disk_that_fills_up_is_said_with_what_to_do(request_, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cellseg_ssl.tasks.recorder.save_arrays", full)

    with pytest.raises(WrongRun, match=r"No space left.*Free some space"):
        finished(replace(request_, out=tmp_path))


def test_the_threads_of_torch_are_limited_when_asked(request_, fake_method, monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setattr(fake_method, "info", replace(fake_method.info, uses_torch=True))
    try:
        finished(replace(request_, threads=1, device="cpu"))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_options_of_another_method_are_refused(request_):
    with pytest.raises(WrongOption, match=saying(tasks_messages.not_training_options)):
        finished(replace(request_, options=object()))


def test_an_interrupted_training_of_another_method_is_refused(request_, tmp_path):
    control, request = Control(), with_options(replace(request_, out=tmp_path), steps=50, wait=0.01)
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()

    with pytest.raises(WrongRun, match="of 'fake', not of 'classical'"):
        finished(replace(request, method_id="classical", options=None, resume=True))
