import dataclasses
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods import messages as methods_messages
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cellulus import INFO, METHOD, train
from napari_cellseg_ssl.core.methods.cellulus.calibration import Calibration, calibrate
from napari_cellseg_ssl.core.methods.cellulus.embeddings import CellulusPredictor, position_noise
from napari_cellseg_ssl.core.methods.cellulus.options import CellulusOptions, CellulusSegmentOptions
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    MapsReady,
    Note,
    Snapshot,
    Started,
    Step,
    TrainFinished,
    last_of,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
from napari_cellseg_ssl.core.training.base import Progress, Training
from napari_cellseg_ssl.core.training.crops import CropFrame, CropSampler, random_brightness
from napari_cellseg_ssl.core.training.rates import learning_rate
from saying import saying

SMALL = CellulusOptions(steps=6, width=4, last_width=4, crop=36, batch=2, shifts=4, passes=2)
SPECS = {spec.name: spec for spec in INFO.maps}


def picture(shape=(90, 70), channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (channels, *shape)).astype(np.uint8)


def training_set(*pictures, diameter=20.0):
    return TrainingSet(
        tuple(
            TrainingItem(image=ImageStack.from_array(one, "CYX", name=f"image {i}"), diameter=diameter)
            for i, one in enumerate(pictures)
        )
    )


def trained(options=SMALL, data=None, **run):
    return list(METHOD.train(data or training_set(picture()), options, Run(**run)))


@cache
def usual(**options):
    """Events of the training that most tests only look at, with every checkpoint: made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "seconds_between_checkpoints", 0.0)
        return tuple(trained(dataclasses.replace(SMALL, **options)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def predicted(bundle, image, **how):
    events = predict_tiled(
        ImageStack.from_array(image, "CYX"),
        METHOD.predictor(bundle, "cpu"),
        specs=SPECS,
        intensity=bundle.intensity,
        **{"diameter": 20.0, **how},
    )
    return last_of(events, MapsReady).maps


def same_weights(first, second):
    return all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_training_takes_the_wanted_steps_and_ends_with_a_model():
    events = usual()

    assert events[0] == Started(6, "cpu")
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2, 3, 4, 5, 6]
    assert events[-1].reason == "completed"
    assert bundle_of(events).provenance.steps == 6


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    again, other = (bundle_of(trained(seed=seed)) for seed in (0, 4))

    assert same_weights(bundle_of(usual()), again)
    assert not same_weights(again, other)


def test_training_leaves_the_random_numbers_of_the_host_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    trained()

    torch.testing.assert_close(torch.rand(3), expected)


def test_a_stop_finishes_with_what_was_learnt():
    asked = iter([False, False, True, True])

    events = trained(should_stop=lambda: next(asked))

    assert events[-1].reason == "stopped"
    assert bundle_of(events).provenance.steps == 2
    assert predicted(bundle_of(events), picture()).arrays["embedding"].shape[1] == 2


def test_a_time_budget_replaces_the_number_of_steps():
    clock = iter(np.arange(0, 100, 0.25))

    events = trained(time_budget=3.0, elapsed=lambda: float(next(clock)))

    rates = [event.rate for event in events if isinstance(event, Step)]
    assert events[0].total_steps is None
    assert 6 < len(rates) < 13
    assert rates[-1] < max(rates)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does():
    whole = usual()
    half = next(event for event in whole if isinstance(event, Checkpoint) and event.step == 3)

    resumed = trained(resume=half)

    assert bundle_of(resumed).provenance.steps == 6
    assert same_weights(bundle_of(resumed), bundle_of(whole))


def test_a_checkpoint_without_its_random_state_is_refused():
    first = next(event for event in usual() if isinstance(event, Checkpoint))

    with pytest.raises(WrongRun, match="random state"):
        trained(resume=dataclasses.replace(first, meta={}))


def test_a_snapshot_predicts_while_training_goes_on(monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)

    for event in METHOD.train(training_set(picture()), SMALL, Run()):
        if isinstance(event, Snapshot):
            maps = event.predictor(np.zeros((1, 1, 48, 48), np.float32), np.zeros((1, 2), int))
            assert {name: array.shape for name, array in maps.items()} == {
                "embedding": (1, 2, 48, 48),
                "embedding-uncertainty": (1, 1, 48, 48),
                "intensity": (1, 1, 48, 48),
            }
            return
    pytest.fail("no snapshot")


def test_training_starts_from_a_model_of_the_same_network_only():
    parent = bundle_of(usual())

    child = bundle_of(trained(dataclasses.replace(SMALL, steps=1, rate=1e-7), start_from=parent))

    assert child.provenance.parent == parent.id
    for name, weights in parent.weights.items():
        np.testing.assert_allclose(child.weights[name], weights, atol=1e-5)
    with pytest.raises(WrongRun, match="width"):
        trained(dataclasses.replace(SMALL, width=5), start_from=parent)


def test_a_model_survives_saving_and_predicts_the_same(tmp_path):
    bundle = bundle_of(usual())
    bundle.save(tmp_path / "run")

    again = ModelBundle.load(tmp_path / "run")

    assert again.id == bundle.id
    for name, array in predicted(bundle, picture()).arrays.items():
        np.testing.assert_array_equal(array, predicted(again, picture()).arrays[name])


def test_a_run_with_foreign_weights_is_refused():
    bundle = bundle_of(usual())
    foreign = {**bundle.weights, "net.head.0.weight": np.zeros((1, 1), np.float32)}

    with pytest.raises(WrongRun, match="do not fit"):
        METHOD.predictor(dataclasses.replace(bundle, weights=foreign), "cpu")
    with pytest.raises(WrongRun, match=saying(methods_messages.model_of_another_method)):
        METHOD.predictor(dataclasses.replace(bundle, architecture={"tag": "other"}), "cpu")
    with pytest.raises(WrongRun, match="incomplete"):
        METHOD.predictor(dataclasses.replace(bundle, architecture={"tag": "cellulus-unet"}), "cpu")


def test_images_of_unequal_sizes_and_tiny_ones_train_together():
    data = training_set(picture((90, 70)), picture((40, 33), seed=1), picture((9, 200), seed=2))

    assert trained(data=data)[-1].reason == "completed"


def test_too_few_objects_are_announced():
    notes = [event.text for event in trained(data=training_set(picture((60, 60)))) if isinstance(event, Note)]

    assert any("only 9 objects" in text for text in notes)


@pytest.mark.parametrize("tile", [64, 66, 128])
@pytest.mark.parametrize("shape", [(131, 97), (90, 150)])
def test_tiles_leave_no_trace(tile, shape):
    bundle = bundle_of(usual(noise=0.05, passes=4))

    whole = predicted(bundle, picture(shape), diameter=24.0, tile=1024)
    tiled = predicted(bundle, picture(shape), diameter=24.0, tile=tile)

    for name, array in whole.arrays.items():
        np.testing.assert_allclose(tiled.arrays[name], array, atol=2e-5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_deeper_networks_tile_without_a_trace_too(depth):
    bundle = bundle_of(trained(dataclasses.replace(SMALL, depth=depth, crop=120, steps=1)))

    whole = predicted(bundle, picture((150, 110)), diameter=24.0, tile=1024)
    tiled = predicted(bundle, picture((150, 110)), diameter=24.0, tile=64)

    for name, array in whole.arrays.items():
        np.testing.assert_allclose(tiled.arrays[name], array, atol=2e-5)


def predictor(passes=6, noise=0.1, channels=2):
    torch.manual_seed(0)
    net = CellulusUNet(channels, first=4, last=4).eval()
    weights = np.full(channels, 1 / channels)
    return CellulusPredictor(
        net, channel_weights=weights, working_diameter=24.0, passes=passes, noise=noise, seed=5, device="cpu"
    )


def test_mean_and_spread_are_those_of_the_passes():
    one = predictor()
    crops, origins = np.random.default_rng(0).random((2, 2, 40, 44), np.float32), np.array([[0, 0], [6, 8]])

    maps = one(crops, origins)

    passes = np.stack([one._offsets(one._perturbed(crops, origins, number)) for number in range(6)])
    np.testing.assert_allclose(maps["embedding"], passes.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(maps["embedding-uncertainty"][:, 0], passes.std(axis=0).sum(axis=1), atol=1e-4)
    np.testing.assert_allclose(maps["intensity"][:, 0], crops.mean(axis=1), atol=1e-6)


def test_without_noise_nothing_is_uncertain():
    maps = predictor(noise=0.0)(np.random.default_rng(0).random((1, 2, 40, 40), np.float32), np.zeros((1, 2), int))

    assert maps["embedding-uncertainty"].max() == 0.0


def test_half_of_the_passes_set_pixels_to_one_half_and_half_to_one():
    one, crops = predictor(), np.zeros((1, 2, 100, 100), np.float32)

    noisy = [one._perturbed(crops, np.zeros((1, 2), int), number) for number in range(4)]

    assert [sorted(np.unique(n)) for n in noisy] == [[0, 0.5], [0, 1], [0, 0.5], [0, 1]]
    assert all(0.08 < np.mean(n > 0) < 0.12 for n in noisy)
    assert not np.array_equal(noisy[0] > 0, noisy[2] > 0)
    assert not np.array_equal(noisy[0][0, 0] > 0, noisy[0][0, 1] > 0)


def test_noise_depends_on_place_and_pass_and_is_uniform():
    whole, part = position_noise(1, 2, (0, 0), (200, 300)), position_noise(1, 2, (30, 50), (20, 60))

    np.testing.assert_array_equal(part, whole[30:50, 50:110])
    assert not np.array_equal(whole, position_noise(1, 3, (0, 0), (200, 300)))
    assert not np.array_equal(whole, position_noise(2, 2, (0, 0), (200, 300)))
    assert whole.mean() == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(whole[:, 1:].ravel(), whole[:, :-1].ravel())[0, 1] == pytest.approx(0, abs=0.02)
    assert whole[:200, :200].T.ravel() != pytest.approx(whole[:200, :200].ravel())


def test_crops_come_at_the_working_scale_from_images_in_proportion_to_their_area():
    large, small = np.full((1, 300, 300), 0.4, np.float32), np.full((1, 60, 60), 0.8, np.float32)
    limits = np.array([[0.0, 1.0]], np.float32)
    frames = [CropFrame(pixels=p, limits=limits, scale=s) for p, s in ((large, 0.5), (small, 2.0))]
    sampler = CropSampler(frames, side=40, intensity=Intensity())

    crops = sampler.draw(np.random.default_rng(0), 200)

    assert crops.shape == (200, 1, 40, 40)
    assert crops.dtype == np.float32
    # 150 x 150 working px of the large one, 120 x 120 of the small one
    assert np.mean(crops.mean(axis=(1, 2, 3)) < 0.6) == pytest.approx(150**2 / (150**2 + 120**2), abs=0.1)


def test_empty_crops_are_drawn_again():
    pixels = np.zeros((1, 200, 200), np.float32)
    pixels[:, :60, :60] = 1.0
    frame = CropFrame(pixels=pixels, limits=np.array([[0.0, 1.0]], np.float32), scale=1.0)

    crops = CropSampler([frame], side=40, intensity=Intensity()).draw(np.random.default_rng(0), 40)

    assert np.mean(crops.max(axis=(1, 2, 3)) > 0) > 0.6  # a quarter without drawing again


def test_of_several_candidates_the_one_with_objects_is_drawn():
    rng = np.random.default_rng(0)
    pixels = rng.normal(0.3, 0.1, (1, 400, 400)).astype(np.float32)
    pixels[:, 150:190, 150:190] += 1.0
    frame = CropFrame(pixels=pixels, limits=np.array([[0.0, 1.0]], np.float32), scale=1.0)

    shares = [
        np.mean(CropSampler([frame], side=60, intensity=Intensity(), candidates=n).draw(rng, 100).max((1, 2, 3)) > 1)
        for n in (1, 8)
    ]

    assert shares[1] > 2 * shares[0]


def test_brightness_changes_but_the_picture_stays():
    crops = np.random.default_rng(0).random((3, 1, 20, 20)).astype(np.float32)

    changed = random_brightness(crops, np.random.default_rng(1))

    for before, after in zip(crops, changed, strict=True):
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] == pytest.approx(1, abs=1e-5)
    assert not np.allclose(crops, changed)


def test_channels_are_mixed_the_way_they_vary_most():
    rng = np.random.default_rng(0)
    crops = rng.normal(0, 1, (4, 3, 30, 30)) * np.array([0.1, 2.0, 0.1]).reshape(1, 3, 1, 1)

    weights = train.main_mixture(crops)

    assert weights.argmax() == 1
    assert np.abs(weights).sum() == pytest.approx(1)
    assert train.main_mixture(crops[:, :1]).tolist() == [1.0]


def test_the_rate_warms_up_and_falls_and_the_papers_falls_in_two_steps():
    cosine = [learning_rate(1.0, step, step / 200) for step in range(201)]
    paper = SimpleNamespace(options=SimpleNamespace(schedule="steps", rate=1.0))

    assert cosine[0] == pytest.approx(0.05, abs=0.01)
    assert max(cosine) > 0.95
    assert cosine[-1] == pytest.approx(0.02, abs=1e-3)
    rates = [train.CellulusTraining.rate(paper, Progress(0, done)) for done in (0.1, 0.5, 0.9)]
    assert rates == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_presets_are_valid_and_the_paper_one_has_the_papers_numbers(preset):
    options = INFO.preset(preset)

    assert isinstance(options, CellulusOptions)
    if preset == "paper":
        assert (options.width, options.growth, options.rate, options.crop, options.batch) == (64, 3, 4e-5, 252, 8)
        assert (options.pair_distance, options.temperature, options.regularisation) == (10, 10, 1e-5)
        assert options.penalty == "paper"


def discs(diameter=20, side=160, seed=0):
    """Bright discs of one size on a dark ground, and the same as labels; (1, Y, X), (Y, X)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    labels = np.zeros((side, side), np.int32)
    pitch = diameter + 12
    for y in range(pitch // 2 + 4, side - pitch // 2, pitch):
        for x in range(pitch // 2 + 4, side - pitch // 2, pitch):
            inside = (rows - y - rng.integers(-4, 5)) ** 2 + (columns - x - rng.integers(-4, 5)) ** 2
            labels[inside <= (diameter / 2) ** 2] = labels.max() + 1
    pixels = 40 + 140 * (labels > 0) + rng.normal(0, 8, labels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)[None], labels


class KnowsTheDiscs:
    """In place of a network: pixels of each half of a disc point at the middle of that half."""

    def __init__(self, labels):
        self._labels = labels
        self.halo, self.multiple_of, self.in_channels, self.working_diameter = 0, 1, 1, 20.0

    def __call__(self, crops, origins):
        sides = np.indices(self._labels.shape)
        offsets = np.zeros((2, *self._labels.shape), np.float32)
        for number in range(1, self._labels.max() + 1):
            place = np.argwhere(self._labels == number)
            for half in (place[:, 1] < place[:, 1].mean(), place[:, 1] >= place[:, 1].mean()):
                at = tuple(place[half].T)
                offsets[(slice(None), *at)] = (place[half].mean(axis=0) - place[half]).T
        uncertainty = np.where(self._labels > 0, 1.0, 9.0) + 0.01 * (sides[0] % 2)
        return {
            "embedding": offsets[None],
            "embedding-uncertainty": uncertainty[None, None].astype(np.float32),
            "intensity": crops.astype(np.float32),
        }


def calibrated(n_painted, predictor=KnowsTheDiscs, **run):
    pixels, labels = discs()
    painting = np.where((labels > 0) & (labels <= n_painted), labels + 1, 0)
    painting[:3] = 1
    item = dataclasses.replace(
        training_set(pixels).items[0],
        annotation=Annotation.from_painting(painting),
    )
    return calibrate(TrainingSet((item,)), predictor(labels), Intensity(), Run(**run))


def test_painted_cells_choose_a_bandwidth_that_does_not_cut_them():
    default = CellulusSegmentOptions()

    found = calibrated(6)

    assert found.options.bandwidth != default.bandwidth
    assert dataclasses.replace(found.options, bandwidth=default.bandwidth) == default
    assert found.scores["painted_f1"] == 1.0
    assert "6 painted cells" in found.notes[0]


def test_two_painted_cells_are_too_few_to_choose_by():
    assert calibrated(2) == Calibration()


def test_a_stop_leaves_the_defaults():
    assert calibrated(6, should_stop=lambda: True) == Calibration()


def test_the_model_carries_what_painted_cells_have_chosen():
    pixels, labels = discs()
    item = dataclasses.replace(training_set(pixels).items[0], annotation=Annotation.from_dense(labels))

    events = trained(data=TrainingSet((item,)))

    bundle = bundle_of(events)
    assert "painted_f1" in bundle.provenance.scores
    assert bundle.provenance.notes[-1] in [event.text for event in events if isinstance(event, Note)]
    assert same_weights(bundle, bundle_of(trained(data=training_set(pixels))))
