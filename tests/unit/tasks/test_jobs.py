"""The chains behind the buttons, without a window."""

import gc
import sys

import numpy as np
import pytest

from drawings import disks, painting
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.errors import OutOfMemory
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TrainFinished, last_of
from napari_cellseg_ssl.tasks import Control, LabelsReady, TrainRequest, TuneFinished, pipelines
from napari_cellseg_ssl.tasks.session.advance import Agreement, Began, BundleOpened, Checked
from napari_cellseg_ssl.tasks.warm_up import load_torch, uncollected


@pytest.fixture
def learned(fake_method, stack):
    """All events of learning from the sixteen disks."""
    request = TrainRequest(method_id="fake", images=(), options=fake_method.info.train_options(steps=3))
    return list(pipelines.learn([pipelines.Example(lambda: stack)], request, Control()))


def first(events, kind):
    return next(i for i, event in enumerate(events) if isinstance(event, kind))


def test_the_classical_result_comes_before_training_and_the_comparison_last(learned):
    assert first(learned, pipelines.ReferenceReady) < first(learned, TrainFinished) < first(learned, MapsReady)
    assert first(learned, MapsReady) < first(learned, LabelsReady) < first(learned, Agreement)
    assert last_of(learned, Agreement).n_cells == 16


def test_a_job_says_what_it_is_doing(learned):
    activities = [event.activity for event in learned if isinstance(event, Began)]
    assert activities == ["preparing", "training", "predicting", "segmenting"]


def test_a_stop_while_learning_keeps_the_model_and_goes_no_further(fake_method, stack):
    control = Control()
    request = TrainRequest(method_id="fake", images=(), options=fake_method.info.train_options(steps=1_000_000))
    events = []
    for event in pipelines.learn([pipelines.Example(lambda: stack)], request, control):
        events.append(event)
        if len(events) > 20:
            control.stop()
    assert isinstance(events[-1], TrainFinished)


def test_maps_that_do_not_fit_into_memory_are_not_kept_but_the_cells_are_found(learned, stack, monkeypatch):
    def refuse(*_):
        raise OutOfMemory("The maps would take 900 GB.")
        yield

    monkeypatch.setattr(pipelines, "predict", refuse)
    model = pipelines.Model(last_of(learned, TrainFinished).bundle)
    events = list(pipelines.apply(lambda: stack, model, model.bundle.segment_options, Control()))
    assert not any(isinstance(event, MapsReady) for event in events)
    assert any("900 GB" in event.text for event in events if isinstance(event, Note))
    assert last_of(events, LabelsReady).labels.max() == 16


def test_a_method_that_learns_nothing_gives_a_model_with_the_values_of_the_sliders(stack):
    options = ClassicalSegmentOptions(threshold_factor=0.7)

    events = list(pipelines.apply_reference(lambda: stack, "classical", 10.0, options, Control()))

    assert last_of(events, TrainFinished).bundle.segment_options == options
    assert last_of(events, LabelsReady).options == options


def test_the_search_draws_the_cells_with_what_it_found(learned, stack):
    note = Annotation.from_painting(painting(disks()))
    maps = last_of(learned, MapsReady).maps
    model = pipelines.Model(last_of(learned, TrainFinished).bundle)
    examples = [pipelines.Example(lambda: stack, lambda: note)]
    events = list(pipelines.search(maps, examples, model, model.bundle.segment_options, Control()))
    assert last_of(events, LabelsReady).options == last_of(events, TuneFinished).options


def test_the_search_counts_the_cells_that_are_painted_on_other_images(learned, stack):
    note = Annotation.from_painting(painting(disks()))
    model, maps = pipelines.Model(last_of(learned, TrainFinished).bundle), last_of(learned, MapsReady).maps
    painted, bare = pipelines.Example(lambda: stack, lambda: note), pipelines.Example(lambda: stack)

    def trials(*examples):
        events = list(pipelines.search(maps, examples, model, model.bundle.segment_options, Control()))
        return last_of(events, TuneFinished).trials, [e.text for e in events if isinstance(e, Note)]

    alone, beside, both = trials(painted), trials(bare, painted, bare), trials(painted, painted)

    assert beside == alone, "an image on which nothing is painted changes nothing"
    assert both == (alone[0], ["What is painted on 2 images counts."])


def test_a_model_is_saved_and_opened_again(learned, tmp_path):
    bundle = last_of(learned, TrainFinished).bundle
    list(pipelines.save(bundle, tmp_path / "run", Control()))
    assert last_of(pipelines.reopen(tmp_path / "run", Control()), BundleOpened).bundle.id == bundle.id


def test_equal_instances_agree_completely_and_disjoint_ones_not_at_all():
    labels = disks()[None]
    assert pipelines.agreement(labels, labels) == Agreement(1.0, 16, 16)
    assert pipelines.agreement(np.zeros_like(labels), labels).f1 == 0.0


def test_problems_are_sentences(fake_method, stack):
    assert pipelines.check([pipelines.Example(lambda: stack)], "fake") == Checked()
    flat = type(stack).from_array(np.zeros((8, 8)), name="flat")
    assert "constant" in pipelines.check([pipelines.Example(lambda: flat)], "fake").reasons[0]


def test_the_cells_that_are_painted_are_counted(fake_method, stack):
    painted = pipelines.Example(lambda: stack, lambda: Annotation.from_painting(painting(disks(), n_cells=5)))

    assert pipelines.check([painted, pipelines.Example(lambda: stack)], "fake").n_cells == 5


def test_pytorch_is_loaded_once_and_announced(monkeypatch):
    list(load_torch())
    assert "torch" in sys.modules
    assert list(load_torch()) == []


def test_no_garbage_is_collected_while_much_is_imported_and_none_of_it_counts_as_new():
    with uncollected():
        assert not gc.isenabled()
        kept = [[number] for number in range(5000)]
        assert gc.get_count()[0] >= len(kept)

    assert gc.isenabled()
    assert gc.get_count()[0] < len(kept)
