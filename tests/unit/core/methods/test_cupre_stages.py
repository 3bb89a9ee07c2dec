"""Which stage a training of CUPre will be, said before it begins."""

from dataclasses import replace

import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import LearnsInStages, Run
from napari_cellseg_ssl.core.methods.cupre import METHOD
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of

OPTIONS = CupreOptions(detector="tiny", steps=2, working_diameter=11.0, crop=64, tile=32, view=32, tiles=4, queue=64)


def data(*, is_painted):
    note = Annotation.from_painting(painting(disks(), n_cells=8)) if is_painted else None
    image = ImageStack.from_array(picture(disks()), name="disks")
    return TrainingSet((TrainingItem(image=image, annotation=note, diameter=11.0),))


def events_of(*, is_painted, options=OPTIONS, **run):
    return list(METHOD.train(data(is_painted=is_painted), options, Run(**run)))


@pytest.fixture(scope="module")
def pretrained():
    return last_of(events_of(is_painted=False), TrainFinished).bundle


@pytest.fixture(scope="module")
def tuned():
    return last_of(events_of(is_painted=True), TrainFinished).bundle


def stage(is_painted=False, start=None, **options):
    return METHOD.stage(replace(OPTIONS, **options), is_painted=is_painted, start=start)


def test_cupre_learns_in_stages():
    assert isinstance(METHOD, LearnsInStages)


def test_with_nothing_painted_it_pretrains_and_names_the_source():
    assert stage(source="shapes").act == "Pre-train"
    assert "drawn shapes" in stage(source="shapes").hint
    assert "'/data/coco'" in stage(source="/data/coco").hint


def test_without_a_source_it_says_that_it_will_find_nothing():
    assert "finds nothing by itself" in stage().hint
    assert "Choose a source" in stage().hint


def test_with_painted_cells_it_fine_tunes_what_was_pretrained(pretrained):
    assert stage(is_painted=True, start=pretrained).act == "Fine-tune"
    assert "pre-trained model" in stage(is_painted=True, start=pretrained).hint
    assert "at random" in stage(is_painted=True).hint


def test_a_model_that_has_seen_painted_cells_is_trained_on(tuned):
    assert stage(is_painted=True, start=tuned).act == "Train on"


def test_a_stage_that_is_asked_for_is_the_one_that_is_named():
    assert stage(is_painted=True, stage="pre-train").act == "Pre-train"
    assert "does not count" in stage(is_painted=True, stage="pre-train").hint
    assert "No cell is painted" in stage(stage="fine-tune").hint


def test_after_a_pretraining_cells_are_to_be_painted_and_after_fine_tuning_nothing(pretrained, tuned):
    assert METHOD.next_act(pretrained) == "Now paint a few cells and click Fine-tune."
    assert METHOD.next_act(tuned) == ""
