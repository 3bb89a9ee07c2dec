"""The contrastive step of CUPre: what it learns from, what it says, and what others can do with its encoder."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.annotations import Annotation
from napari_cellseg_ssl.core.errors import WrongImage, WrongRun
from napari_cellseg_ssl.core.events import Checkpoint, Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.images import ImageStack
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.method import Run
from napari_cellseg_ssl.core.methods.cupre import pretraining
from napari_cellseg_ssl.core.methods.cupre.alternation import source_parts
from napari_cellseg_ssl.core.methods.cupre.contrast_options import PRESETS, ContrastOptions
from napari_cellseg_ssl.core.methods.cupre.pretraining import pretrain
from napari_cellseg_ssl.core.methods.cupre.tiles import TileSampler, load_sets
from napari_cellseg_ssl.core.methods.maunet import METHOD as MAUNET
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
from napari_cellseg_ssl.core.options import options_from_json
from napari_cellseg_ssl.core.training_set import TrainingItem, TrainingSet

DIAMETER = 11.0
TINY = ContrastOptions(steps=4, working_diameter=DIAMETER, depth=1, tile=32, view=32, batch=4, queue=64)


def item(seed=0, channels=1, annotation=None):
    frame = np.stack([picture(disks(), seed=10 * seed + c) for c in range(channels)])
    return TrainingItem(
        image=ImageStack.from_array(frame, "CYX", name=f"{seed}"), annotation=annotation, diameter=DIAMETER
    )


def images(count=6, channels=1):
    return TrainingSet(tuple(item(seed, channels) for seed in range(count)))


def train(data=None, options=TINY, domains=None, **run):
    return list(pretrain(data or images(), options, Run(**run), domains))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def same_weights(a, b):
    return a.weights.keys() == b.weights.keys() and all(np.array_equal(a.weights[n], b.weights[n]) for n in a.weights)


def holds_tiles(learner):
    return bool((learner.queue.tiles >= 0).all())


def test_loss_chance_and_accuracy_are_reported_at_each_step():
    events = train()
    steps = [event for event in events if isinstance(event, Step)]

    assert [event.step for event in steps] == [1, 2, 3, 4]
    for event in steps:
        assert set(event.losses) == {"contrast", "chance", "accuracy"}
        assert event.losses["chance"] == pytest.approx(np.log(65))
        assert np.isfinite(event.losses["contrast"])
        assert 0 <= event.losses["accuracy"] <= 1
    assert set(bundle_of(events).provenance.scores) == {"contrast", "chance", "accuracy"}


def test_tiles_that_differ_are_soon_told_apart():
    y, x = np.mgrid[:32, :32]
    periods = (1, 1.5, 2.2, 3.3, 5, 8, 12, 18)
    waves = [np.sin(x / p) * np.sin(y / q) for p in periods for q in periods if p <= q]
    data = TrainingSet(tuple(TrainingItem(image=ImageStack.from_array(wave), diameter=DIAMETER) for wave in waves))

    events = train(data, replace(TINY, steps=40, batch=16, rate=0.1))

    late = [event.losses for event in events if isinstance(event, Step)][-20:]
    assert np.mean([losses["contrast"] for losses in late]) < late[0]["chance"] - 0.6
    assert np.mean([losses["accuracy"] for losses in late]) > 10 / 65


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    first, second, other = (bundle_of(train(seed=seed)) for seed in (3, 3, 4))

    assert same_weights(first, second)
    assert not same_weights(first, other)


def test_what_is_painted_is_not_looked_at():
    painted = TrainingSet(tuple(item(s, annotation=Annotation.from_painting(painting(disks(), 4))) for s in range(6)))
    plain = images()

    assert same_weights(bundle_of(train(painted)), bundle_of(train(plain)))


def test_a_resumed_run_equals_an_uninterrupted_one(monkeypatch):
    monkeypatch.setattr(pretraining, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    events = train()
    checkpoint = next(event for event in events if isinstance(event, Checkpoint) and event.step == 2)

    resumed = train(resume=checkpoint)

    assert [event.step for event in resumed if isinstance(event, Step)] == [3, 4]
    assert same_weights(bundle_of(events), bundle_of(resumed))


def test_a_stop_leaves_a_checkpoint_and_an_encoder():
    asked = iter([False, False, True])

    events = list(pretrain(images(), TINY, Run(should_stop=lambda: next(asked))))

    assert last_of(events, TrainFinished).reason == "stopped"
    assert last_of(events, Checkpoint).step == 2
    assert "encoder.conv1.weight" in bundle_of(events).weights


def test_a_stop_before_the_first_step_can_be_resumed():
    stopped = list(pretrain(images(), TINY, Run(should_stop=lambda: True)))

    resumed = train(resume=last_of(stopped, Checkpoint))

    assert same_weights(bundle_of(train()), bundle_of(resumed))


def test_a_checkpoint_of_other_images_or_networks_is_refused(monkeypatch):
    monkeypatch.setattr(pretraining, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    checkpoint = last_of(train(), Checkpoint)

    with pytest.raises(WrongRun, match="do not fit"):
        train(options=replace(TINY, depth=2), resume=checkpoint)
    with pytest.raises(WrongRun, match="incomplete"):
        train(resume=replace(checkpoint, meta={}))


@pytest.mark.parametrize("channels", [1, 3])
def test_maunet_begins_with_every_tensor_of_the_encoder(tmp_path, channels):
    bundle = bundle_of(train(images(channels=channels)))
    bundle.save(tmp_path)
    encoder = ResNetEncoder("resnet18", channels, depth=1)

    report = load_encoder(encoder, "resnet18", str(tmp_path / "weights.safetensors"))

    assert report.not_loaded == ()
    assert report.left_out == ()
    assert report.inputs == tuple(pytest.approx(bundle.architecture[name]) for name in ("input_mean", "input_std"))
    for name, tensor in encoder.state_dict().items():
        assert np.array_equal(tensor.numpy(), bundle.weights[f"encoder.{name}"])

    painted = item(channels=channels, annotation=Annotation.from_painting(painting(disks(), 8)))
    options = MaunetOptions(
        steps=1, width=4, depth=1, crop=32, batch=2, working_diameter=DIAMETER,
        encoder_weights=str(tmp_path / "weights.safetensors"),
    )  # fmt: skip
    events = list(MAUNET.train(TrainingSet((painted,)), options, Run()))
    n = len(report.fate)
    assert f"{n} of {n} tensors loaded" in notes_of(events)
    begun = bundle_of(events).weights["net.0.input_mean"]
    assert begun.ravel() == pytest.approx(bundle.architecture["input_mean"])


def test_a_shallower_network_takes_what_it_has_of_a_deeper_encoder(tmp_path):
    bundle_of(train(options=replace(TINY, depth=2))).save(tmp_path)

    report = load_encoder(ResNetEncoder("resnet18", 1, depth=1), "resnet18", str(tmp_path / "weights.safetensors"))

    assert report.not_loaded == ()
    assert all(name.startswith("layer2.") for name in report.left_out)


def test_it_goes_on_from_given_weights_and_their_inputs(tmp_path):
    first = bundle_of(train())
    first.save(tmp_path)
    options = replace(TINY, encoder_weights=str(tmp_path / "weights.safetensors"), rate=1e-6)

    events = train(options=options, seed=5)

    second = bundle_of(events)
    assert "tensors loaded" in notes_of(events)
    assert second.architecture["input_mean"] == pytest.approx(first.architecture["input_mean"])
    name = "encoder.layer1.0.conv1.weight"
    np.testing.assert_allclose(second.weights[name], first.weights[name], atol=1e-4)


def test_batch_statistics_are_those_of_images_as_they_are():
    data = images()
    bundle = bundle_of(train(data))
    encoder = ResNetEncoder("resnet18", 1, depth=1)
    encoder.load_state_dict(
        {n.removeprefix("encoder."): torch.from_numpy(a) for n, a in bundle.weights.items() if n.startswith("encoder.")}
    )
    mean, std = bundle.weights["input_mean"], bundle.weights["input_std"]
    sampler = TileSampler(load_sets(data, None, TINY, Intensity(), 0), TINY)
    seen = (sampler.unchanged(np.random.default_rng(9), 64) - torch.from_numpy(mean)) / torch.from_numpy(std)

    measured = encoder.conv1(seen).detach().mean((0, 2, 3))

    spread = encoder.bn1.running_var.sqrt()
    assert float(((measured - encoder.bn1.running_mean) / spread).abs().max()) < 0.2


def test_a_loss_that_stays_at_chance_and_one_that_falls_at_once_are_remarked_upon(monkeypatch):
    monkeypatch.setattr(pretraining, "STEPS_TO_JUDGE", 2)
    monkeypatch.setattr(pretraining, "NOT_LEARNING", 0.0)
    monkeypatch.setattr(pretraining, "TOO_EASY", -1.0)

    told = notes_of(train())

    assert "still that of chance, 4.17" in told
    assert "they are too easy" in told


def test_few_tiles_are_warned_of():
    assert "Fewer than 64 distinct tiles" in notes_of(train())
    many = TrainingSet(tuple(item(seed) for seed in range(20)))
    assert "Fewer" not in notes_of(train(many))


def test_one_thing_alone_cannot_be_told_apart():
    small = replace(TINY, tile=64)

    with pytest.raises(WrongImage, match="one thing only"):
        train(images(1), options=small)


def test_sets_of_images_count_alike():
    data = TrainingSet(tuple(item(seed) for seed in range(9)))
    domains = ["large"] * 8 + ["small"]
    sampler = TileSampler(load_sets(data, domains, TINY, Intensity(), 0), TINY)
    rng = np.random.default_rng(0)

    drawn = [int(t) for _ in range(20) for t in sampler.views(rng, 32).tiles]

    n_large = 8 * 4
    assert len(sampler.tiles) == 9 * 4
    assert np.mean(np.array(drawn) >= n_large) == pytest.approx(0.5, abs=0.06)


def test_tiles_are_disjoint_and_empty_ones_are_left_out():
    half_empty = np.zeros((64, 128))
    half_empty[:, :64] = picture(disks())
    wide = TrainingItem(image=ImageStack.from_array(half_empty), diameter=DIAMETER)

    sampler = TileSampler(load_sets(TrainingSet((wide,)), None, TINY, Intensity(), 0), TINY)

    assert [tile.corner for tile in sampler.tiles] == [(0, 0), (0, 32), (32, 0), (32, 32)]


def test_an_image_smaller_than_a_tile_is_one():
    options = replace(TINY, tile=96)
    sampler = TileSampler(load_sets(images(3), None, options, Intensity(), 0), options)

    assert len(sampler.tiles) == 3
    assert torch.isfinite(sampler.views(np.random.default_rng(0), 4).first).all()


def test_keys_are_renewed_before_the_next_iteration():
    sampler = TileSampler(load_sets(images(), None, TINY, Intensity(), 0), TINY)
    encoder = ResNetEncoder("resnet18", 1, depth=1)
    learner = pretraining.ContrastLearner(encoder, 64, TINY, inputs=([0.0], [1.0]), n_tiles=24, device="cpu", seed=0)
    learner.learn(sampler, 0.1)
    assert holds_tiles(learner)
    with torch.no_grad():
        encoder.conv1.weight.add_(1.0)  # what the source step does

    learner.renew()

    assert torch.equal(learner.key.encoder.conv1.weight, encoder.conv1.weight)
    assert not holds_tiles(learner)
    learner.learn(sampler, 0.1)
    assert holds_tiles(learner)


def test_the_parts_of_the_source_are_disjoint_and_cover_it():
    parts = source_parts(103, 10, seed=1)

    assert sorted(np.concatenate(parts).tolist()) == list(range(103))
    assert {len(part) for part in parts} == {10, 11}
    assert [part.tolist() for part in parts] == [part.tolist() for part in source_parts(103, 10, seed=1)]


def test_presets_are_valid():
    for values in PRESETS.values():
        options_from_json(ContrastOptions, values)


def test_events_come_while_it_learns():
    kinds = [type(event).__name__ for event in islice(pretrain(images(), TINY, Run()), 4)]

    assert kinds == ["Started", "Note", "Note", "Step"]
