"""A model is asked where it is in doubt, image by image, and can be stopped."""

import numpy as np
import pytest

from drawings import disks, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.methods.events import TileDone, TrainFinished, last_of
from napari_cellseg_ssl.tasks import Control, TrainRequest, train
from napari_cellseg_ssl.tasks.pipelines import Example, Model
from napari_cellseg_ssl.tasks.where_next import FieldsRanked, where_next


def image(name, pixels):
    return ImageStack.from_array(pixels, "YX", name=name)


@pytest.fixture
def model(monkeypatch):
    from napari_cellseg_ssl.core.methods import registry

    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes", "classical": registry.METHODS["classical"]})
    request = TrainRequest(method_id="fake", images=(image("disks", picture(disks())),), object_diameter=11.0)
    return Model(last_of(train(request), TrainFinished).bundle)


@pytest.fixture
def examples():
    clear = image("clear", picture(disks()))
    rng = np.random.default_rng(0)
    dim = image("dim", picture(disks()) * 0.5 + rng.random(disks().shape) * 120)
    return [Example(lambda: clear), Example(lambda: dim)]


def test_the_image_in_which_the_model_is_in_doubt_comes_first(model, examples):
    ranked = last_of(where_next(examples, model, Control()), FieldsRanked)
    assert ranked.fields[0].image == 1
    assert {field.image for field in ranked.fields} == {0, 1}


def test_a_painted_image_is_left_out(model, examples):
    (clear, dim) = examples
    done = Annotation.from_dense(disks())
    ranked = last_of(where_next([clear, Example(dim.read, lambda: done)], model, Control()), FieldsRanked)
    assert {field.image for field in ranked.fields} == {0}


def test_progress_runs_over_all_images(model, examples):
    seen = [event.done / event.total for event in where_next(examples, model, Control()) if isinstance(event, TileDone)]
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_a_stop_ends_it_without_a_ranking(model, examples):
    control = Control()
    found = []
    for event in where_next(examples, model, control):
        found.append(event)
        if isinstance(event, TileDone):
            control.stop()
    assert not any(isinstance(event, FieldsRanked) for event in found)
    assert sum(isinstance(event, TileDone) for event in found) < 3
