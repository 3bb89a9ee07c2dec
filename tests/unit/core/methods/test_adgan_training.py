import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_cellseg_ssl.core.data.diameter import diameters_of_cells
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask, objects_to_mask
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongOption, WrongRun
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.adgan import INFO, METHOD
from napari_cellseg_ssl.core.methods.adgan.domains import IMAGE, MASK
from napari_cellseg_ssl.core.methods.adgan.model_selection import Judge
from napari_cellseg_ssl.core.methods.adgan.options import AdganOptions, crop_shape, segment_options
from napari_cellseg_ssl.core.methods.adgan.prior import example_mask
from napari_cellseg_ssl.core.methods.adgan.synthesis import synthetic_pairs
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    MapsReady,
    Note,
    Snapshot,
    Started,
    Step,
    TrainFinished,
    Validated,
    last_of,
)
from napari_cellseg_ssl.core.nets import messages as nets_messages
from napari_cellseg_ssl.core.training.base import Training
from saying import saying

SMALL = AdganOptions(steps=6, width=8, blocks=1, crop=32, batch=2, working_diameter=10.0)
SPECS = {spec.name: spec for spec in INFO.maps}


def photograph(shape=(90, 80), seed=0, channels=1):
    """A noisy picture (C, *S) uint8 of bright objects 10 px wide."""
    rng = np.random.default_rng(seed)
    labels = draw_mask(MaskPrior(diameter=10.0, coverage=(0.2,)), shape, rng).labels
    pixels = 40 + 150 * (labels > 0) + rng.normal(0, 6, (channels, *shape))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def training_set(*pictures, diameter=10.0, axes="CYX"):
    return TrainingSet(
        tuple(
            TrainingItem(image=ImageStack.from_array(one, axes, name=f"image {i}"), diameter=diameter)
            for i, one in enumerate(pictures)
        )
    )


def trained(options=SMALL, data=None, **run):
    return list(METHOD.train(data or training_set(photograph()), options, Run(**run)))


@cache
def usual():
    """Events of the training that most tests only look at, with every checkpoint and snapshot: made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "seconds_between_checkpoints", 0.0)
        patch.setattr(Training, "seconds_between_snapshots", 0.0)
        return tuple(trained())


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def same_weights(first, second):
    return all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


def maps_of(bundle, image, axes="CYX", diameter=10.0):
    events = predict_tiled(
        ImageStack.from_array(image, axes),
        METHOD.predictor(bundle, "cpu"),
        diameter=diameter,
        specs=SPECS,
        intensity=bundle.intensity,
    )
    return last_of(events, MapsReady).maps


def test_training_takes_the_wanted_steps_and_ends_with_a_model():
    events = usual()

    assert events[0] == Started(6, "cpu")
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert set(steps[0].losses) == {"reconstruction", "cycle", "content", "adversarial", "discriminator"}
    assert events[-1].reason == "completed"


def test_training_leaves_the_random_numbers_of_the_host_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    trained()

    torch.testing.assert_close(torch.rand(3), expected)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does():
    whole = usual()
    half = next(event for event in whole if isinstance(event, Checkpoint) and event.step == 3)

    resumed = trained(resume=half)

    assert bundle_of(resumed).provenance.steps == 6
    assert same_weights(bundle_of(resumed), bundle_of(whole))
    assert bundle_of(resumed).provenance.scores == bundle_of(whole).provenance.scores


def test_a_training_stopped_before_its_first_step_can_go_on():
    stopped = trained(should_stop=lambda: True)

    resumed = trained(resume=last_of(stopped, Checkpoint))

    assert stopped[-1].reason == "stopped"
    assert same_weights(bundle_of(resumed), bundle_of(usual()))


def test_a_checkpoint_without_its_random_state_is_refused():
    checkpoint = last_of(trained(should_stop=lambda: True), Checkpoint)

    with pytest.raises(WrongRun, match="random state"):
        trained(resume=dataclasses.replace(checkpoint, meta={}))


def test_the_rate_is_constant_for_half_of_the_work_and_falls_to_nothing():
    rates = [event.rate for event in trained(dataclasses.replace(SMALL, steps=10)) if isinstance(event, Step)]

    assert rates[:6] == [SMALL.rate] * 6
    assert rates[6:] == pytest.approx([SMALL.rate * share for share in (0.8, 0.6, 0.4, 0.2)])


def test_a_time_budget_replaces_the_number_of_steps():
    clock = iter(np.arange(0, 100, 0.25))

    events = trained(time_budget=3.0, elapsed=lambda: float(next(clock)))

    assert events[0].total_steps is None
    assert 3 < sum(isinstance(event, Step) for event in events) < 13


def test_the_best_of_several_moments_is_kept_and_told():
    events = trained(dataclasses.replace(SMALL, steps=12))

    moments = [event for event in events if isinstance(event, Validated)]
    best = [moment for moment in moments if moment.best][-1]
    assert len(moments) == 12
    assert best.scores["quality"] == max(moment.scores["quality"] for moment in moments)
    assert bundle_of(events).provenance.scores["chosen_step"] == best.step
    assert bundle_of(events).provenance.scores["quality"] >= best.scores["quality"]
    assert sum("quality" in row for row in bundle_of(events).history) == 12


def test_the_average_predicts_and_not_the_last_step():
    one = bundle_of(trained(dataclasses.replace(SMALL, steps=1)))

    assert not same_weights(one, bundle_of(usual()))


def test_a_snapshot_translates_both_ways_while_training_goes_on(monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    crops = np.random.default_rng(0).random((1, 1, 48, 40)).astype(np.float32)

    snapshot = next(
        event for event in METHOD.train(training_set(photograph()), SMALL, Run()) if isinstance(event, Snapshot)
    )

    assert snapshot.predictor(crops, np.zeros((1, 2), int))["translated-mask"].shape == (1, 1, 48, 40)
    shown = snapshot.predictor.reconstructing()(crops, np.zeros((1, 2), int))["reconstruction"]
    assert shown.shape == (1, 1, 48, 40)
    assert 0 <= shown.min() < shown.max() <= 1
    assert snapshot.predictor.translate(2 * crops - 1, MASK, IMAGE).shape == (1, 1, 48, 40)


def test_training_starts_from_a_model_of_the_same_network_only():
    parent = bundle_of(usual())

    child = bundle_of(trained(dataclasses.replace(SMALL, steps=1, rate=1e-7), start_from=parent))

    assert child.provenance.parent == parent.id
    with pytest.raises(WrongRun, match="width"):
        trained(dataclasses.replace(SMALL, width=4), start_from=parent)


def test_volumes_are_learnt_from_and_segmented():
    volume = photograph((16, 40, 40))
    options = dataclasses.replace(SMALL, steps=2, width=4, crop=24, batch=1)

    bundle = bundle_of(trained(options, training_set(volume, axes="CZYX")))

    assert crop_shape(options, 3) == (12, 24, 24)
    maps = maps_of(bundle, volume, "CZYX")
    assert METHOD.segment(maps, bundle.segment_options).shape == (1, 16, 40, 40)
    assert "eight minutes or more" in " ".join(bundle.provenance.notes)


def test_images_smaller_than_a_crop_are_learnt_from():
    events = trained(data=training_set(photograph((20, 17))))

    assert events[-1].reason == "completed"


def test_crops_of_any_side_are_learnt_from():
    events = trained(dataclasses.replace(SMALL, steps=1, crop=39))

    assert events[-1].reason == "completed"
    assert crop_shape(dataclasses.replace(SMALL, crop=39), 3) == (16, 36, 36)


def test_empty_and_constant_images_are_learnt_from_and_nothing_is_found_in_them():
    bundle = bundle_of(trained(data=training_set(np.full((1, 60, 60), 7, np.uint8))))

    assert METHOD.segment(maps_of(bundle, np.full((1, 60, 60), 7, np.uint8)), bundle.segment_options).max() == 0


def test_crops_that_the_discriminator_cannot_judge_are_refused():
    with pytest.raises(WrongOption, match=saying(nets_messages.crops_too_small)):
        trained(dataclasses.replace(SMALL, crop=24, crop_depth=4), training_set(photograph((16, 40, 40)), axes="CZYX"))


@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_presets_are_valid_and_the_paper_one_has_the_papers_numbers(preset):
    options = INFO.preset(preset)

    if preset == "paper":
        assert (options.width, options.blocks, options.rate, options.batch, options.steps) == (64, 4, 1e-4, 16, 10_000)
        assert (options.reconstruction, options.cycle, options.content, options.adversarial) == (20, 20, 1, 1)
        assert (options.masks, options.upsampling, options.crop) == ("rim", "transposed", 256)
        in_space = INFO.preset(preset, ndim=3)
        assert (in_space.width, crop_shape(in_space, 3), in_space.batch) == (32, (64, 128, 128), 4)


def test_what_is_assumed_and_what_may_go_wrong_is_said_first():
    events = trained(
        dataclasses.replace(SMALL, steps=1, working_diameter=14.0), training_set(255 - photograph((40, 40)))
    )

    told = " ".join(event.text for event in events if isinstance(event, Note))
    assert "darker than what is around them" in told
    assert "room for only 16 objects" in told
    assert "2.3 diameters wide" in told
    assert bundle_of(events).provenance.notes[0] in told


def test_a_preview_shows_masks_as_large_and_dense_as_the_objects_of_the_image():
    pixels = photograph((200, 200))
    image = ImageStack.from_array(pixels, "CYX")

    sparse = example_mask(image, 10.0, AdganOptions(spread=0.1, coverage=0.05))
    usual = example_mask(image, 10.0, AdganOptions(spread=0.1), seed=1)
    dense = example_mask(image, 10.0, AdganOptions(coverage=0.6), seed=1)

    assert usual.mask.shape == (200, 200)
    assert np.median(diameters_of_cells(ndimage.label(sparse.mask > -1)[0])) == pytest.approx(10.0, abs=1.0)
    assert np.mean(usual.mask > -1) == pytest.approx(np.mean(pixels > 115), abs=0.08)
    assert np.mean(dense.mask > -1) > 2 * np.mean(usual.mask > -1)
    assert "9 to 11 px wide" in usual.description
    assert "cover 60%." in dense.description


def test_masks_for_a_volume_are_round_in_space_and_flat_where_slices_are_far_apart():
    slices = photograph((60, 80, 80), seed=2)[:, ::4]
    image = ImageStack.from_array(slices[0], "ZYX", spacing=(4.0, 1.0, 1.0))

    mask = example_mask(image, 10.0, AdganOptions(spread=0.0, coverage=0.03)).mask

    assert mask.shape == (15, 80, 80)
    extents = [[s.stop - s.start for s in box] for box in ndimage.find_objects(ndimage.label(mask > -1)[0])]
    depth, *sides = np.mean(extents, axis=0)
    assert 4 * depth == pytest.approx(np.mean(sides), rel=0.35)


def test_while_it_learns_it_draws_the_same_objects_again_and_again(monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    events = METHOD.train(training_set(photograph()), dataclasses.replace(SMALL, steps=2), Run())

    pairs = [event.draw((48, 40)) for event in events if isinstance(event, Snapshot)]

    assert len(pairs) > 1
    assert pairs[0].image.shape == pairs[0].mask.shape == (48, 40)
    np.testing.assert_array_equal(pairs[0].labels, pairs[-1].labels)
    np.testing.assert_array_equal(pairs[0].mask > -1, pairs[0].labels > 0)
    assert not np.array_equal(pairs[0].image, pairs[-1].image)


class Painter:
    """In place of a network: finds given objects, and draws objects as bright as they are."""

    def __init__(self, labels):
        self._masks = np.stack([objects_to_mask(one, rim=False) for one in labels])[:, np.newaxis]

    def translate(self, images, source, target):
        return self._masks if source == IMAGE else images


def test_moments_that_find_the_objects_are_judged_better():
    rng, prior = np.random.default_rng(0), MaskPrior(diameter=14.0, coverage=(0.25,), rim=False)
    truth = [draw_mask(prior, (96, 96), rng).labels for _ in range(3)]
    fields = np.stack([objects_to_mask(one, rim=False) for one in truth])[:, np.newaxis]
    judge = Judge(fields=fields, prior=prior, options=segment_options(AdganOptions(masks="plain")))
    half = [np.where(one % 2, one, 0) for one in truth]
    merged = [np.where(np.arange(96) < 48, 1, 0) * np.ones((96, 1), np.int32) for _ in truth]
    elsewhere = [np.roll(one, 30, axis=0) for one in truth]

    right, missing, lump, shifted, none = (
        judge.judge(Painter(labels))["quality"]
        for labels in (truth, half, merged, elsewhere, [0 * one for one in truth])
    )

    assert right > 0.9
    assert missing < 0.9 * right
    assert max(lump, shifted, none) < 0.5 * right


def test_the_threshold_is_the_one_whose_objects_explain_the_images_best():
    prior = MaskPrior(diameter=14.0, coverage=(0.25,), rim=False)
    truth = [draw_mask(prior, (96, 96), np.random.default_rng(seed)).labels for seed in range(3)]
    fields = np.stack([objects_to_mask(one, rim=False) for one in truth])[:, np.newaxis]
    judge = Judge(fields=fields, prior=prior, options=segment_options(AdganOptions()))
    dim, painter = np.stack([np.roll(one > 0, 48, axis=1) for one in truth])[:, np.newaxis], Painter(truth)
    painter._masks = np.where(painter._masks > 0, 0.45, np.where(dim, 0.1, -1.0))  # what is dim is wrong

    options, scores = judge.calibrate(painter)

    assert options.threshold == 0.3
    assert scores["quality"] > 0.85


def test_drawn_pairs_are_images_with_their_objects():
    bundle = bundle_of(usual())

    pairs = list(synthetic_pairs(bundle, (50, 61), count=3, seed=4))
    again = list(synthetic_pairs(bundle, (50, 61), count=3, seed=4))

    assert len(pairs) == 3
    for pair, same in zip(pairs, again, strict=True):
        assert pair.image.shape == pair.labels.shape == (50, 61)
        assert pair.image.min() >= 0
        assert pair.image.max() <= 1
        assert pair.labels.max() > 0
        assert np.array_equal(pair.image, same.image)


def test_a_short_training_learns_to_reconstruct():
    options = dataclasses.replace(SMALL, steps=40, rate=2e-3)

    losses = [event.losses["reconstruction"] for event in trained(options) if isinstance(event, Step)]

    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
