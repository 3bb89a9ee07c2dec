"""What a training may replace, and what it keeps."""

from dataclasses import replace

import numpy as np
import pytest

import napari_cellseg_ssl as cs
from fakes import FakeOptions
from napari_cellseg_ssl.core.errors import WouldOverwrite, WrongRun
from napari_cellseg_ssl.core.methods.events import Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.model import messages as model_messages
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.tasks import Control, TrainRequest, pipelines, train
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method", "scoring_method")


@pytest.fixture
def request_(stack, tmp_path):
    return TrainRequest(method_id="fake", images=(stack,), object_diameter=10.0, out=tmp_path / "run")


@pytest.fixture
def finished_run(request_):
    last_of(train(request_), TrainFinished)
    return request_.out


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stopped(request):
    control = Control()
    for event in train(request, control):
        if isinstance(event, Step):
            control.stop()
        if isinstance(event, TrainFinished):
            return event
    raise AssertionError("it did not end")


def test_the_run_of_another_method_is_refused_before_any_work(finished_run, stack):
    before = contents(finished_run)
    request = TrainRequest(method_id="scoring", images=(stack,), object_diameter=10.0, out=finished_run)

    with pytest.raises(WouldOverwrite, match="a finished run of 'fake'"):
        next(train(request))

    assert contents(finished_run) == before
    last_of(train(replace(request, overwrite=True, seed=3)), TrainFinished)
    assert ModelBundle.load(finished_run).provenance.seed == 3


def test_a_run_of_the_same_method_is_replaced_and_that_is_said(finished_run, request_):
    notes = [event.text for event in train(replace(request_, seed=3)) if isinstance(event, Note)]

    assert any("finished run of 'fake'" in note for note in notes)
    assert ModelBundle.load(finished_run).provenance.seed == 3


def test_a_stopped_training_does_not_replace_a_finished_run_and_can_go_on(finished_run, request_):
    ended = stopped(replace(request_, seed=3, options=FakeOptions(steps=50)))

    assert ended.kept_former
    assert ModelBundle.load(finished_run).provenance.seed == request_.seed
    last_of(train(replace(request_, resume=True)), TrainFinished)
    assert ModelBundle.load(finished_run).provenance.seed == 3
    assert ModelBundle.load(finished_run).provenance.steps == 50


def test_an_interrupted_training_that_is_begun_anew_is_named(request_):
    stopped(request_)
    assert (request_.out / CHECKPOINT_FILE).exists()

    notes = " ".join(event.text for event in train(request_) if isinstance(event, Note))

    assert "--resume" in notes


def test_two_trainings_do_not_share_a_folder(request_):
    first = train(request_)
    next(event for event in first if isinstance(event, Step))

    with pytest.raises(WrongRun, match=saying(model_messages.folder_is_in_use)):
        list(train(replace(request_, seed=3)))

    assert last_of(first, TrainFinished).bundle.provenance.seed == request_.seed
    last_of(train(replace(request_, seed=3)), TrainFinished)


def test_a_finished_training_leaves_only_its_run(finished_run):
    assert sorted(contents(finished_run)) == ["history.csv", "run.json", "weights.safetensors"]


def test_a_training_by_one_call_refuses_the_same(finished_run, cells, monkeypatch):
    monkeypatch.setattr("napari_cellseg_ssl.api.train.collect", lambda *_, **__: pytest.fail("read images first"))

    with pytest.raises(WouldOverwrite, match="a finished run of 'fake'"):
        cs.train("scoring", images=np.zeros((8, 8)), out=finished_run)


def test_a_model_that_is_saved_from_the_window_replaces_no_other(finished_run):
    other = replace(ModelBundle.load(finished_run), method_id="scoring")

    with pytest.raises(WouldOverwrite):
        list(pipelines.save(other, finished_run, Control()))


def test_coco_from_a_notebook_replaces_own_files_only(tmp_path, cells):
    file = tmp_path / "a.json"
    file.write_text("{}")

    with pytest.raises(WouldOverwrite, match=r"a\.json"):
        cs.write_coco(file, cells)

    cs.write_coco(file, cells, overwrite=True)
    cs.write_coco(file, cells)
