"""Maps are read-only and come back to the image's own grid."""

from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_labels, resize_linear, working_shape
from napari_cellseg_ssl.core.errors import WrongRun


def maps_of(array, source_shape, *, kind="embedding", in_pixels=True):
    spec = MapSpec("m", kind, array.shape[1], in_pixels=in_pixels)
    return PredictionMaps(
        arrays={"m": array},
        specs={"m": spec},
        scale=array.shape[-1] / source_shape[-1],
        source_shape=source_shape,
        diameter=10.0,
        bundle_id="b",
        image_name="i",
    )


def test_nobody_can_change_a_map():
    maps = maps_of(np.zeros((1, 2, 4, 4), np.float32), (4, 4))

    with pytest.raises(ValueError, match="read-only"):
        maps.arrays["m"][0] = 1


def test_a_map_that_was_not_announced_is_refused():
    with pytest.raises(WrongRun, match="'x'"):
        PredictionMaps(
            arrays={"x": np.zeros((1, 1, 2, 2))},
            specs={},
            scale=1.0,
            source_shape=(2, 2),
            diameter=1.0,
            bundle_id="",
            image_name="",
        )


def test_lengths_come_back_in_source_pixels():
    maps = maps_of(np.full((1, 2, 4, 6), 3.0, np.float32), (8, 12))

    assert maps.scale == 0.5
    assert maps.to_source("m").shape == (1, 2, 8, 12)
    assert np.allclose(maps.to_source("m"), 6.0)


def with_boxes(maps, *frames):
    boxes = [np.array(each, np.float32).reshape(-1, 4) for each in frames]
    found = (
        Detections(
            boxes=each,
            scores=np.linspace(0.9, 0.5, len(each), dtype=np.float32),
            classes=np.zeros(len(each), np.int64),
            masks=np.ones((len(each), 28, 28), np.float32),
        )
        for each in boxes
    )
    return replace(maps, detections=tuple(found))


def test_boxes_come_back_in_source_pixels_by_the_true_size_of_both_grids():
    maps = with_boxes(maps_of(np.zeros((1, 1, 5, 6), np.float32), (8, 12)), [(0, 0, 6, 5), (1, 2, 3, 4)])

    (found,) = maps.detections_to_source()

    np.testing.assert_allclose(found.boxes, [(0, 0, 12, 8), (2, 3.2, 6, 6.4)], atol=1e-5)
    assert len(found.scores) == 2
    assert maps_of(np.zeros((1, 1, 5, 6), np.float32), (8, 12)).detections_to_source() == ()


def test_boxes_follow_the_maps_of_a_magnified_image_to_its_own_grid():
    maps = with_boxes(maps_of(np.zeros((1, 1, 20, 20), np.float32), (10, 10)), [(4, 6, 14, 16)])

    on_own_grid = maps.on_own_grid()

    assert on_own_grid.detections[0].boxes.tolist() == [[2, 3, 7, 8]]
    assert on_own_grid.detections_to_source()[0].boxes.tolist() == [[2, 3, 7, 8]]


def test_frames_and_windows_of_maps_keep_their_boxes():
    maps = with_boxes(maps_of(np.zeros((2, 1, 20, 20), np.float32), (20, 20)), [(0, 0, 4, 4)], [(4, 6, 14, 16)])

    part = maps.of_frames(np.array([1])).within((slice(10, 20), slice(5, 15)), (10, 10))

    assert part.arrays["m"].shape == (1, 1, 10, 10)
    assert [found.boxes.tolist() for found in part.detections] == [[[-1, -4, 9, 6]]]
    assert not len(maps.within((slice(0, 3), slice(5, 9)), (3, 4)).detections[0])


def test_labels_come_back_by_nearest_neighbour():
    labels = np.array([[[0, 7]]], np.int32)
    maps = maps_of(np.zeros((1, 1, 1, 2), np.float32), (2, 4))

    assert maps.labels_to_source(labels).tolist() == [[[0, 0, 7, 7], [0, 0, 7, 7]]]


def test_labels_survive_going_up_and_down():
    labels = np.arange(30, dtype=np.int32).reshape(5, 6)

    assert np.array_equal(resize_labels(resize_labels(labels, (15, 18)), (5, 6)), labels)


def test_resizing_linearly_keeps_the_mean_and_the_dtype():
    image = np.random.default_rng(0).random((40, 60))

    small = resize_linear(image, (20, 30))

    assert small.dtype == np.float32
    assert abs(small.mean() - image.mean()) < 0.01


def test_no_image_shrinks_to_nothing():
    assert working_shape((1, 300), 0.01) == (1, 3)


def test_the_percentiles_become_zero_and_one_per_channel():
    frame = np.stack([np.arange(10_000.0).reshape(100, 100), 5 * np.arange(10_000.0).reshape(100, 100) - 3])

    out = Intensity().normalise(frame)

    assert out.dtype == np.float32
    assert np.allclose(np.percentile(out, (1, 99.8), axis=(1, 2)), [[0, 0], [1, 1]], atol=1e-3)
    assert out.max() > 1


def test_normalisation_ignores_gain_and_offset():
    frame = np.random.default_rng(0).random((1, 50, 50))

    assert np.allclose(Intensity().normalise(frame), Intensity().normalise(30 * frame + 7), atol=1e-4)


@pytest.mark.parametrize("value", [0, 7, -3, 65535])
def test_a_constant_channel_becomes_zeros(value):
    assert not Intensity().normalise(np.full((1, 9, 9), value)).any()


def test_the_limits_of_a_huge_frame_come_from_a_sample(monkeypatch):
    monkeypatch.setattr("napari_cellseg_ssl.core.data.intensity.MAX_PIXELS", 1000)
    frame = np.random.default_rng(0).random((1, 300, 300))

    assert np.allclose(Intensity().limits(frame), [[0.01, 0.998]], atol=0.02)


def test_maps_of_a_magnified_image_come_back_once_to_its_own_grid_with_their_lengths():
    maps = maps_of(np.full((1, 2, 12, 18), 3.0, np.float32), (8, 12))

    back = maps.on_own_grid()

    assert back.arrays["m"].shape == (1, 2, 8, 12)
    assert np.allclose(back.arrays["m"], 2.0)
    assert (back.scale, back.spacing, back.working_diameter) == (1.0, 1.5, 10.0)
    assert np.allclose(back.to_source("m"), maps.to_source("m"))
    assert back.on_own_grid() is back
