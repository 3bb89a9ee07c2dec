"""The questions of volumes, to every method that says it works in three dimensions."""

import numpy as np
import pytest

from balls import ball_volume
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from small_methods import maps_of, small_options, trained

IN_SPACE = [name for name in METHODS if 3 in get_method(name).info.spatial_ndims]
DIAMETER = 14.0


def data_for(shape=None):
    """A volume of balls with slices 3 px apart, or noise of another shape."""
    image = ball_volume()[1]
    if shape is not None:
        noise = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
        image = ImageStack.from_array(noise, "ZYX", name="noise", spacing=(1.5, 0.5, 0.5))
    return TrainingSet((TrainingItem(image=image, diameter=DIAMETER),))


def options_for(method, **values):
    return small_options(method, ndim=3, **({"crop": 36, "batch": 1} | values))


@pytest.fixture(scope="module", params=IN_SPACE)
def method(request):
    return get_method(request.param)


@pytest.fixture(scope="module")
def bundle(method):
    return trained(method, data_for(), options=options_for(method))


@pytest.fixture(scope="module")
def maps(method, bundle):
    return maps_of(method, bundle, data_for().items[0].image, diameter=DIAMETER)


def test_some_methods_work_on_volumes():
    assert {"classical", "cellulus"} <= set(IN_SPACE)


def test_a_model_of_volumes_survives_its_folder_and_predicts_the_same(method, bundle, maps, tmp_path):
    bundle.save(tmp_path)
    again = maps_of(method, ModelBundle.load(tmp_path), data_for().items[0].image, diameter=DIAMETER)

    for name, array in maps.arrays.items():
        assert np.array_equal(again.arrays[name], array), name


def test_the_same_seed_gives_the_same_weights(method, bundle):
    assert trained(method, data_for(), options=options_for(method)).id == bundle.id


def test_maps_are_isotropic_and_come_back_to_the_grid_of_the_image(method, maps):
    shape = maps.arrays[method.info.maps[0].name].shape[2:]

    assert np.allclose(np.array(shape) / (36, 45, 45), maps.scale, atol=0.05)
    for spec in method.info.maps:
        assert maps.arrays[spec.name].shape == (1, spec.channels_in(3), *shape)
        assert np.isfinite(maps.arrays[spec.name]).all()
        assert maps.to_source(spec.name).shape == (1, spec.channels_in(3), 12, 45, 45)


def test_tiles_do_not_show(method, bundle, maps):
    tiled = maps_of(method, bundle, data_for().items[0].image, diameter=DIAMETER, tile=16)

    for spec in method.info.maps:
        assert np.allclose(tiled.arrays[spec.name], maps.arrays[spec.name], atol=1e-4), spec.name


def test_instances_are_volumes_on_the_grid_of_the_image(method, bundle, maps):
    labels = method.segment(maps, bundle.segment_options)

    assert labels.dtype == np.int32
    assert labels.shape == (1, 12, 45, 45)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 30, 40), (5, 9, 70)])
def test_volumes_of_any_size_are_segmented(method, bundle, shape):
    image = data_for(shape).items[0].image

    labels = method.segment(maps_of(method, bundle, image, diameter=DIAMETER), bundle.segment_options)

    assert labels.shape == (1, *shape)


def test_volumes_smaller_than_a_crop_are_learned_from(method):
    data = data_for((5, 20, 18))

    assert trained(method, data, options=options_for(method)).method_id == method.info.id


def test_a_time_lapse_of_volumes_is_segmented_frame_by_frame(method, bundle):
    frames = np.repeat(data_for().items[0].image.frames[:, 0], 2, axis=0)
    movie = ImageStack.from_array(frames, "TZYX", spacing=(1.5, 0.5, 0.5))

    labels = method.segment(maps_of(method, bundle, movie, diameter=DIAMETER), bundle.segment_options)

    assert labels.shape == (2, 12, 45, 45)
    assert np.array_equal(labels[0], labels[1])
