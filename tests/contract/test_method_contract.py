"""The same questions to every registered method. A new method passes them, or says in its module why it cannot."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.inference.predictor import Detects
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.checks import problems
from napari_cellseg_ssl.core.methods.events import Checkpoint, Started, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import option_specs, options_from_json, options_to_json
from small_methods import DIAMETER, data_for, maps_of, small_options, trained

STEPS = 4
"""Of the training that most questions are about; others only have to go through."""

LEARNING = [name for name in METHODS if get_method(name).info.uses_torch]
"""Methods with a training that can be interrupted; the classical one has nothing to go on with."""


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    return get_method(request.param)


@pytest.fixture(scope="module")
def events(method):
    """Events of the one training that most questions are about; it may not write into its images."""
    data = data_for()
    before = data.items[0].image.frames.copy()
    data.items[0].image.frames.flags.writeable = False
    events = list(method.train(data, small_options(method, steps=STEPS), Run()))
    assert np.array_equal(data.items[0].image.frames, before), "images are changed by training"
    return events


@pytest.fixture(scope="module")
def bundle(events):
    return last_of(events, TrainFinished).bundle


@pytest.fixture(scope="module")
def maps(method, bundle):
    return maps_of(method, bundle, data_for().items[0].image)


def test_describing_them_loads_no_torch():
    code = (
        "import sys; from napari_cellseg_ssl.core.methods.base import get_method\n"
        "from napari_cellseg_ssl.core.methods.registry import METHODS\n"
        f"METHODS.update({METHODS})\n"
        f"for name in {list(METHODS)}:\n"
        "    print(name, get_method(name).info.id, {'torch', 'sklearn', 'monai'} & set(sys.modules))"
    )

    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert answer.stdout.splitlines() == [f"{name} {name} set()" for name in METHODS]


def test_it_describes_itself(method):
    info = method.info

    assert info.id in METHODS
    assert info.title
    assert info.summary.endswith(".")
    assert info.presets
    for spec in (*option_specs(info.train_options), *option_specs(info.segment_options)):
        assert spec.label, spec.name
        assert spec.help, spec.name


def test_options_survive_json(method):
    for preset, ndim in product(method.info.presets, method.info.spatial_ndims):
        options = method.info.preset(preset, ndim=ndim)
        assert options_from_json(method.info.train_options, options_to_json(options)) == options
    options = method.info.segment_options()
    assert options_from_json(method.info.segment_options, options_to_json(options)) == options


def test_training_begins_with_started_and_ends_with_a_model(method, events):
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], TrainFinished)
    assert events[-1].reason == "completed"
    assert events[-1].bundle.method_id == method.info.id
    steps = [event for event in events if isinstance(event, Step)]
    assert all(np.isfinite(list(step.losses.values())).all() for step in steps)
    assert len(steps) == (STEPS if method.info.uses_torch else 1)


def test_the_same_seed_gives_the_same_weights(method, bundle):
    again = trained(method, data_for(), options=small_options(method, steps=STEPS))

    assert again.id == bundle.id
    for name, array in bundle.weights.items():
        assert np.array_equal(again.weights[name], array, equal_nan=True), name


@pytest.mark.parametrize("method", LEARNING, indirect=True)
def test_the_random_numbers_of_whoever_trains_it_stay_as_they_are(method):
    import torch

    before = torch.get_rng_state()

    trained(method, data_for())

    assert torch.equal(torch.get_rng_state(), before)


def stopped_half_way(method, **run):
    calls = iter([False] * (STEPS // 2))
    options = small_options(method, steps=STEPS)
    return list(method.train(data_for(), options, Run(should_stop=lambda: next(calls, True), **run)))


@pytest.fixture(scope="module")
def stopped(method):
    """Events of a training that is stopped half-way."""
    return stopped_half_way(method)


def test_another_seed_gives_other_weights(method, stopped):
    one = last_of(stopped, TrainFinished).bundle
    if one.weights:
        assert last_of(stopped_half_way(method, seed=1), TrainFinished).bundle.id != one.id


def test_a_stop_is_obeyed_within_a_step_and_still_gives_a_model(method, stopped):
    assert sum(isinstance(event, Step) for event in stopped) <= STEPS // 2
    assert isinstance(stopped[-1], TrainFinished)
    if method.info.uses_torch:
        assert stopped[-1].reason == "stopped"


@pytest.mark.parametrize("method", LEARNING, indirect=True)
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(method, bundle, stopped):
    checkpoint = last_of(stopped, Checkpoint)

    resumed = trained(method, data_for(), options=small_options(method, steps=STEPS), resume=checkpoint)

    assert checkpoint.step == STEPS // 2
    assert resumed.provenance.steps == bundle.provenance.steps == STEPS
    for name, array in bundle.weights.items():
        assert np.allclose(resumed.weights[name], array, atol=1e-6, equal_nan=True), name


def test_a_model_survives_its_folder_bit_by_bit(bundle, tmp_path):
    bundle.save(tmp_path)
    back = ModelBundle.load(tmp_path)

    assert back.id == bundle.id
    assert back.train_options == bundle.train_options
    assert back.segment_options == bundle.segment_options
    assert dict(back.architecture) == dict(bundle.architecture)
    for name, array in bundle.weights.items():
        assert back.weights[name].dtype == array.dtype
        assert np.array_equal(back.weights[name], array, equal_nan=True)


def test_a_reopened_model_predicts_the_same(method, bundle, maps, tmp_path):
    bundle.save(tmp_path)
    again = maps_of(method, ModelBundle.load(tmp_path), data_for().items[0].image)

    for name, array in maps.arrays.items():
        assert np.array_equal(again.arrays[name], array), name


def test_prediction_gives_exactly_the_announced_maps(method, maps):
    assert set(maps.arrays) == {spec.name for spec in method.info.maps}
    for spec in method.info.maps:
        array = maps.arrays[spec.name]
        assert array.shape[:2] == (1, spec.channels_in(2))
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert maps.to_source(spec.name).shape == (1, spec.channels, 64, 64)


def test_tiles_do_not_show(method, bundle):
    image = data_for(shapes=((150, 131),)).items[0].image
    predictor = method.predictor(bundle, "cpu")
    diameter = predictor.working_diameter or DIAMETER
    atol = 0.02 if isinstance(predictor, Detects) else 1e-4  # what a detector sees is wider than its windows

    whole = maps_of(method, bundle, image, diameter=diameter)
    tiled = maps_of(method, bundle, image, diameter=diameter, tile=64)

    for spec in method.info.maps:
        if spec.kind == "pseudo-labels":  # classes: a tie may fall to either side
            assert np.mean(tiled.arrays[spec.name] != whole.arrays[spec.name]) < 0.01
        else:
            assert np.allclose(tiled.arrays[spec.name], whole.arrays[spec.name], atol=atol), spec.name


def test_segmentation_needs_maps_only_and_leaves_them_alone(method, bundle, maps, monkeypatch):
    before = {name: array.copy() for name, array in maps.arrays.items()}
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of torch would now fail

    labels = method.segment(maps, bundle.segment_options)
    again = method.segment(maps, bundle.segment_options)

    assert labels.dtype == np.int32
    assert labels.shape == (1, 64, 64)
    assert labels.min() >= 0
    assert np.array_equal(labels, again)
    for name, array in maps.arrays.items():
        assert np.array_equal(array, before[name]), name


def test_segmentation_of_nothing_is_nothing_or_something_but_no_error(method, bundle, maps):
    empty = replace(maps, arrays={name: np.zeros_like(array) for name, array in maps.arrays.items()})

    assert method.segment(empty, bundle.segment_options).shape == (1, 64, 64)


def test_every_frame_is_segmented(method, bundle):
    frames = np.stack([picture(disks()), picture(disks(n=3)), picture(disks(n=7))])
    movie = ImageStack.from_array(frames)

    labels = method.segment(maps_of(method, bundle, movie), bundle.segment_options)

    assert labels.shape == (3, 64, 64)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 300), (33, 70)])
def test_images_of_any_size_are_predicted_and_segmented(method, bundle, shape):
    image = ImageStack.from_array(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8))

    assert method.segment(maps_of(method, bundle, image), bundle.segment_options).shape == (1, *shape)


def test_colour_images_are_learned_from(method):
    colour = trained(method, data_for(channels=3))

    maps = maps_of(method, colour, data_for(channels=3).items[0].image)
    assert method.segment(maps, colour.segment_options).shape == (1, 64, 64)


def test_images_of_different_sizes_are_learned_from(method):
    data = data_for(shapes=((40, 130), (97, 51)))

    assert trained(method, data).method_id == method.info.id


def test_missing_labels_are_said_clearly(method):
    data = data_for(labelled=False)
    found = problems(data, method.info)

    if method.info.labels == "required":
        assert "paint" in str(found[0]).lower()
        with pytest.raises(CellSegError, match=r"[Pp]aint"):
            trained(method, data)
    else:
        assert not found
        assert trained(method, data).method_id == method.info.id
