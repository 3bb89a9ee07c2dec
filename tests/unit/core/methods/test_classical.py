import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_cellseg_ssl
from balls import labelled_balls, noisy_balls
from benchmarks._lib.datasets import median_diameter
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.diameter import estimate_diameter
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.base import Run, get_method
from napari_cellseg_ssl.core.methods.checks import problems
from napari_cellseg_ssl.core.methods.classical import METHOD
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.classical.segment import segment_frame
from napari_cellseg_ssl.core.methods.events import MapsReady, TrainFinished
from napari_cellseg_ssl.core.metrics.scores import image_scores

OPTIONS = ClassicalSegmentOptions()
SAMPLES = Path(napari_cellseg_ssl.__file__).parent / "samples"


def pair_of_touching_cells():
    truth = labelled_balls((60, 80), ((30, 24), 14), ((30, 50), 14))
    rng = np.random.default_rng(0)
    return truth, ((truth > 0) + 0.05 * rng.standard_normal(truth.shape)).astype(np.float32)


def n_objects(labels):
    return len(np.unique(labels)) - 1


def bundle_of(image, **run):
    data = TrainingSet((TrainingItem(image=image, diameter=20.0),))
    *_, last = METHOD.train(data, METHOD.info.preset(), Run(**run))
    return last


def maps_of(image, diameter=20.0):
    predictor = METHOD.predictor(bundle_of(image).bundle, "cpu")
    specs = {spec.name: spec for spec in METHOD.info.maps}
    bundle = bundle_of(image).bundle
    *_, last = predict_tiled(image, predictor, diameter=diameter, specs=specs, intensity=bundle.intensity, tile=64)
    assert isinstance(last, MapsReady)
    return last.maps


@pytest.mark.parametrize("threshold", ["otsu", "sqrt", "local"])
@pytest.mark.parametrize("sign", [1, -1], ids=["bright", "dark"])
def test_touching_cells_are_found_and_split_whatever_their_polarity(threshold, sign):
    truth, image = pair_of_touching_cells()

    labels = segment_frame(sign * image, 28.0, dataclasses.replace(OPTIONS, threshold=threshold))

    assert image_scores(truth, labels).f1_50 == 1.0
    assert labels.dtype == np.int32


def test_without_declumping_touching_cells_stay_together():
    _, image = pair_of_touching_cells()

    assert n_objects(segment_frame(image, 28.0, dataclasses.replace(OPTIONS, declump=False))) == 1


def test_a_dim_cell_beside_bright_ones_is_found_by_default_and_missed_by_plain_otsu():
    truth = labelled_balls((240, 320), ((60, 60), 14), ((60, 160), 14), ((160, 240), 14))
    brightness = np.array([0.05, 1.0, 0.9, 0.35], dtype=np.float32)

    assert n_objects(segment_frame(brightness[truth], 28.0, OPTIONS)) == 3
    assert n_objects(segment_frame(brightness[truth], 28.0, dataclasses.replace(OPTIONS, threshold="otsu"))) == 2


def test_a_bright_corner_does_not_hide_cells_from_the_local_threshold():
    image = noisy_balls(16, shape=(240, 240), noise=0.02)
    ramp = np.linspace(0, 3, 240)[None, :].astype(np.float32)
    n_flat = n_objects(segment_frame(image, 16.0, OPTIONS))

    assert n_objects(segment_frame(image + ramp, 16.0, OPTIONS)) > 0.7 * n_flat
    assert n_objects(segment_frame(image + ramp, 16.0, dataclasses.replace(OPTIONS, threshold="otsu"))) < 0.7 * n_flat


def test_cells_that_fill_most_of_the_image_are_not_thinned_by_their_own_mean():
    truth = np.kron(np.arange(1, 50).reshape(7, 7), np.pad(np.ones((18, 18), dtype=int), 2))
    rng = np.random.default_rng(0)
    uneven = 1 + 0.1 * rng.standard_normal(50).astype(np.float32)
    image = np.where(truth > 0, uneven[truth], 0) + 0.02 * rng.standard_normal(truth.shape).astype(np.float32)

    labels = segment_frame(image.astype(np.float32), 20.0, OPTIONS)

    assert image_scores(truth, labels).f1_50 > 0.95


def test_cells_both_brighter_and_darker_than_noise_are_found_by_their_contrast():
    truth = labelled_balls((300, 300), *(((y, x), 8) for y in range(40, 280, 70) for x in range(40, 280, 70)))
    rng = np.random.default_rng(0)
    stripes = np.where(np.indices(truth.shape).sum(axis=0) // 2 % 2, 1.0, -1.0) * (truth > 0)
    image = (stripes + 0.1 * rng.standard_normal(truth.shape)).astype(np.float32)

    labels = segment_frame(image, 16.0, dataclasses.replace(OPTIONS, polarity="contrast"))
    automatic = segment_frame(image, 16.0, OPTIONS)

    assert image_scores(truth, labels).f1_50 > 0.9
    assert np.array_equal(automatic, labels)
    assert image_scores(truth, segment_frame(image, 16.0, dataclasses.replace(OPTIONS, polarity="bright"))).f1_50 < 0.5


def test_polarity_of_a_large_image_is_found_where_the_objects_are():
    image = np.zeros((1300, 1300), dtype=np.float32)
    image[1040:1296, 1040:1296] = -noisy_balls(20)

    assert n_objects(segment_frame(image, 20.0, OPTIONS)) > 20


def test_a_large_image_follows_a_slider():
    image = np.tile(noisy_balls(28), (4, 4))
    times = []
    for factor in (0.9, 1.0, 1.1):
        start = time.process_time()
        segment_frame(image, 28.0, dataclasses.replace(OPTIONS, threshold_factor=factor))
        times.append(time.process_time() - start)

    assert min(times) < 0.4  # about 0.12 s on a free core


def test_objects_below_the_smallest_size_are_dropped():
    truth = labelled_balls((80, 80), ((30, 30), 12), ((65, 65), 4))
    image = (truth > 0).astype(np.float32)

    assert n_objects(segment_frame(image, 24.0, dataclasses.replace(OPTIONS, smoothing=0.0, min_size=0.05))) == 2
    assert n_objects(segment_frame(image, 24.0, dataclasses.replace(OPTIONS, smoothing=0.0, min_size=0.2))) == 1


def test_a_higher_threshold_factor_never_adds_foreground():
    image = noisy_balls(20)
    areas = [
        np.count_nonzero(segment_frame(image, 20.0, dataclasses.replace(OPTIONS, threshold_factor=f)))
        for f in (0.5, 1.0, 2.0)
    ]

    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


@pytest.mark.parametrize("shape", [(40, 40), (1, 1), (1, 30), (8, 9, 10)])
def test_constant_frames_have_no_objects(shape):
    assert not segment_frame(np.full(shape, 3.0, dtype=np.float32), 12.0, OPTIONS).any()


def test_balls_in_a_volume_are_found():
    truth = labelled_balls((30, 50, 70), ((15, 25, 22), 9), ((15, 25, 38), 9), ((15, 25, 60), 7))

    labels = segment_frame((truth > 0).astype(np.float32), 18.0, OPTIONS)

    assert image_scores(truth, labels).f1_50 == 1.0


def test_real_nuclei_are_segmented_with_an_estimated_diameter():
    for name in ("nuclei_1", "nuclei_3"):
        image, truth = (tifffile.imread(SAMPLES / kind / f"{name}.tif") for kind in ("images", "labels"))
        estimate = estimate_diameter(image)

        assert estimate.diameter == pytest.approx(median_diameter(truth.astype(int)), rel=0.35)
        labels = segment_frame(image.astype(np.float32), estimate.diameter, OPTIONS)
        assert image_scores(truth, labels).f1_50 > 0.75, name


def test_the_method_trains_at_once_without_weights_and_survives_its_run_folder(tmp_path):
    image = ImageStack.from_array(noisy_balls(20), name="discs")
    finished = bundle_of(image, seed=3)
    assert isinstance(finished, TrainFinished)
    assert (finished.reason, finished.bundle.weights) == ("completed", {})

    finished.bundle.save(tmp_path / "run")

    assert type(finished.bundle).load(tmp_path / "run") == finished.bundle
    assert bundle_of(image, should_stop=lambda: True).reason == "stopped"


def test_instances_come_from_maps_alone_without_torch(monkeypatch):
    image = ImageStack.from_array(np.stack([noisy_balls(20), noisy_balls(20, seed=1)]), "TYX")
    maps = maps_of(image)
    before = maps.arrays["intensity"].copy()
    monkeypatch.setitem(sys.modules, "torch", None)

    labels = METHOD.segment(maps, OPTIONS)

    assert labels.shape == (2, 256, 256)
    assert all(n_objects(frame) > 20 for frame in labels)
    assert np.array_equal(maps.arrays["intensity"], before)
    assert np.array_equal(labels, METHOD.segment(maps, OPTIONS))


def test_colours_give_the_same_objects_as_their_mean():
    grey = noisy_balls(20)
    rgb = ImageStack.from_array(np.stack([grey] * 3, axis=-1), "YXC")

    assert np.array_equal(
        METHOD.segment(maps_of(rgb), OPTIONS), METHOD.segment(maps_of(ImageStack.from_array(grey)), OPTIONS)
    )


def test_labels_are_not_needed_and_not_refused():
    image = ImageStack.from_array(noisy_balls(20))
    note = Annotation.from_painting(np.zeros((256, 256), dtype=int))
    data = TrainingSet((TrainingItem(image=image, annotation=note, diameter=20.0),))

    assert get_method("classical") is METHOD
    assert problems(data, METHOD.info) == ()
