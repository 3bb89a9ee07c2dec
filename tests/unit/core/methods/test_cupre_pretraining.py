"""The pre-training of CUPre: what it learns from, what it says, and that it goes on where it stopped."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongImage, WrongRun
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cupre import METHOD, alternating, messages
from napari_cellseg_ssl.core.methods.cupre import messages as cupre_messages
from napari_cellseg_ssl.core.methods.cupre.contrast_learner import ContrastLearner
from napari_cellseg_ssl.core.methods.cupre.contrast_options import ContrastOptions
from napari_cellseg_ssl.core.methods.cupre.options import PRESETS, CupreOptions
from napari_cellseg_ssl.core.methods.cupre.phases import place_in, plan_phases, source_parts
from napari_cellseg_ssl.core.methods.cupre.tiles import TileSampler
from napari_cellseg_ssl.core.methods.events import Checkpoint, Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
from napari_cellseg_ssl.core.options import options_from_json
from napari_cellseg_ssl.core.training import loop
from napari_cellseg_ssl.core.training.frames import load_frames
from napari_cellseg_ssl.core.training.rates import learning_rate
from saying import saying

DIAMETER = 11.0
ALONE = CupreOptions(
    stage="pre-train", detector="tiny", steps=4, working_diameter=DIAMETER, crop=64, tile=32, view=32, tiles=4, queue=64
)
BOTH = replace(ALONE, source="shapes", steps=10, warm_up=0.2, iterations=2, working_diameter=16.0)
"""Two steps of the source, then twice two without labels and two of the source."""
TINY = ContrastOptions(working_diameter=DIAMETER, tile=32, view=32, batch=4, queue=64)
PHASES = ["source"] * 2 + (["contrast"] * 2 + ["source"] * 2) * 2


def item(seed=0, channels=1, annotation=None):
    frame = np.stack([picture(disks(), seed=10 * seed + c) for c in range(channels)])
    return TrainingItem(
        image=ImageStack.from_array(frame, "CYX", name=f"{seed}"), annotation=annotation, diameter=DIAMETER
    )


def item_of(frame):
    return TrainingItem(image=ImageStack.from_array(frame), diameter=DIAMETER)


def images(count=6, channels=1):
    return TrainingSet(tuple(item(seed, channels) for seed in range(count)))


def sampler_of(*sets, options=TINY):
    return TileSampler([load_frames(one, Intensity(), DIAMETER, 0) for one in sets], options)


def pretrain(data, options, run):
    return loop.train(alternating.Pretraining, data, options, run)


def train(data=None, options=ALONE, **run):
    return list(pretrain(data or images(), options, Run(**run)))


def events_of(work):
    """What a training that has been prepared says."""
    return loop.train(lambda *_: work, None, work.options, work.run)


@cache
def usual(options=ALONE):
    """Events of the training that most tests only look at: made once."""
    return tuple(train(options=options))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def steps_of(events):
    return [event for event in events if isinstance(event, Step)]


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def same_weights(a, b):
    return a.weights.keys() == b.weights.keys() and all(np.array_equal(a.weights[n], b.weights[n]) for n in a.weights)


def backbone(bundle):
    return {
        name: array
        for name, array in bundle.weights.items()
        if name.startswith("net.backbone.body.") and array.ndim > 1
    }


def holds_tiles(learner):
    return bool((learner.queue.tiles >= 0).all())


def test_without_a_source_it_is_contrast_alone_and_says_so():
    events = usual()

    assert [event.step for event in steps_of(events)] == [1, 2, 3, 4]
    for event in steps_of(events):
        assert event.phase == "contrast"
        assert set(event.losses) == {"contrast", "chance", "accuracy"}
        assert event.losses["chance"] == pytest.approx(np.log(4 + 64))
        assert np.isfinite(event.losses["contrast"])
        assert 0 <= event.losses["accuracy"] <= 1
    assert set(bundle_of(events).provenance.scores) == {"contrast", "chance", "accuracy"}
    assert "Without a source" in notes_of(events)


def test_the_source_comes_first_and_then_in_turn_with_the_images():
    events = usual(BOTH)

    assert [event.phase for event in steps_of(events)] == PHASES
    held = [event for event in steps_of(events)[2:] if event.phase == "source"]
    assert all("drift" in event.losses for event in held)
    first = steps_of(events)[0].losses
    assert "drift" not in first
    assert first["loss"] == pytest.approx(sum(loss for name, loss in first.items() if name != "loss"), rel=1e-4)
    assert "The source moved the backbone by" in notes_of(events)
    assert "shapes" in notes_of(events)


def test_without_a_share_for_the_images_only_the_source_is_learned():
    events = train(options=replace(BOTH, contrast_share=0.0))

    assert {event.phase for event in steps_of(events)} == {"source"}
    assert "tiles" not in notes_of(events)


def test_a_frozen_backbone_does_not_learn_from_the_source():
    changed = {}
    for how in ("frozen", "l2-sp"):
        options = replace(BOTH, backbone=how, warm_up=0.0, iterations=1, steps=8, contrast_share=0.25)
        seen, before = [], None
        work = alternating.Pretraining(images(), options, Run())
        for event in events_of(work):
            if not isinstance(event, Step):
                continue
            weight = work.beginning.detector.backbone.body.conv1.weight.detach().clone()
            if event.phase == "source" and before is not None:
                seen.append(not torch.equal(weight, before))
            before = weight
        changed[how] = any(seen)

    assert changed == {"frozen": False, "l2-sp": True}


def test_a_strong_pull_leaves_the_backbone_nearer_to_where_it_was():
    drifts = []
    for strength in (0.0, 1000.0):
        work = alternating.Pretraining(images(), replace(BOTH, strength=strength, alpha=1.0), Run())
        list(events_of(work))
        drifts.append(max(work.drifts))

    assert drifts[1] < 0.95 * drifts[0]


def test_a_model_that_knows_objects_goes_on_without_the_source_alone():
    first = bundle_of(train(options=replace(BOTH, contrast_share=0.0, steps=2)))

    events = train(options=replace(BOTH, steps=8), start_from=first)

    assert steps_of(events)[0].phase == "contrast"
    assert bundle_of(events).provenance.parent == first.id


def test_tiles_that_differ_are_soon_told_apart():
    y, x = np.mgrid[:32, :32]
    periods = (1, 1.5, 2.2, 3.3, 5, 8, 12, 18)
    waves = [np.sin(x / p) * np.sin(y / q) for p in periods for q in periods if p <= q]
    data = TrainingSet(tuple(TrainingItem(image=ImageStack.from_array(wave), diameter=DIAMETER) for wave in waves))

    torch.manual_seed(0)
    options, encoder = replace(TINY, batch=16), ResNetEncoder("resnet18", 1, depth=1)
    sampler = sampler_of(data, options=options)
    learner = ContrastLearner(encoder, 64, options, inputs=([0.5], [0.3]), n_tiles=36, device="cpu", seed=0)

    late = [learner.learn(sampler, learning_rate(3e-3, step, step / 60)) for step in range(60)][-20:]

    assert np.mean([losses["contrast"] for losses in late]) < late[0]["chance"] - 0.6
    assert np.mean([losses["accuracy"] for losses in late]) > 10 / 80


@pytest.mark.parametrize("options", [ALONE, BOTH])
def test_the_same_seed_gives_the_same_weights_and_another_one_others(options):
    again, other = (bundle_of(train(options=options, seed=seed)) for seed in (0, 4))

    assert same_weights(bundle_of(usual(options)), again)
    assert not same_weights(again, other)


def test_what_is_painted_is_not_looked_at():
    painted = TrainingSet(tuple(item(s, annotation=Annotation.from_painting(painting(disks(), 4))) for s in range(6)))

    assert same_weights(bundle_of(train(painted)), bundle_of(usual()))


STOPS = [2, 5, 9, *(pytest.param(stop, marks=pytest.mark.learns) for stop in (1, 3, 4, 6))]
"""Within every phase, and where one ends; the others once a week."""


@pytest.mark.parametrize("stop", STOPS)
def test_a_resumed_run_equals_an_uninterrupted_one(stop):
    asked = iter([False] * stop)
    stopped = list(pretrain(images(), BOTH, Run(should_stop=lambda: next(asked, True))))

    resumed = train(options=BOTH, resume=last_of(stopped, Checkpoint))

    assert last_of(stopped, TrainFinished).reason == "stopped"
    assert [event.step for event in steps_of(resumed)] == list(range(stop + 1, 11))
    assert same_weights(bundle_of(usual(BOTH)), bundle_of(resumed))


def test_a_stop_before_the_first_step_can_be_resumed():
    stopped = list(pretrain(images(), ALONE, Run(should_stop=lambda: True)))

    resumed = train(resume=last_of(stopped, Checkpoint))

    assert same_weights(bundle_of(usual()), bundle_of(resumed))


def test_cells_painted_meanwhile_do_not_turn_it_into_a_fine_tuning():
    options, asked = replace(ALONE, stage="auto"), iter([False, False])
    stopped = list(METHOD.train(images(), options, Run(should_stop=lambda: next(asked, True))))
    note = Annotation.from_painting(painting(disks(), 4))
    painted = TrainingSet(tuple(item(seed, annotation=note) for seed in range(6)))

    resumed = list(METHOD.train(painted, options, Run(resume=last_of(stopped, Checkpoint))))

    assert {event.phase for event in steps_of(resumed)} == {"contrast"}
    assert same_weights(bundle_of(usual()), bundle_of(resumed))


def test_an_incomplete_checkpoint_is_refused():
    stopped = list(pretrain(images(), ALONE, Run(should_stop=lambda: True)))

    with pytest.raises(WrongRun, match=saying(cupre_messages.checkpoint_without_detector)):
        train(resume=replace(last_of(stopped, Checkpoint), meta={}))


def test_a_loss_that_stays_at_chance_and_one_that_falls_at_once_are_remarked_upon(monkeypatch):
    monkeypatch.setattr(alternating, "STEPS_TO_JUDGE", 2)
    monkeypatch.setattr(messages, "NOT_LEARNING", 0.0)
    monkeypatch.setattr(messages, "TOO_EASY", -1.0)

    told = notes_of(train())

    assert "still that of chance, 4.22" in told
    assert "they are too easy" in told


def test_phases_cover_the_work():
    phases = plan_phases(BOTH, has_source=True, has_learned=False)

    assert phases[-1].end == pytest.approx(1.0)
    assert [phases[place_in(phases, done / 10)].kind for done in range(10)] == PHASES
    assert place_in(phases, 1.0) == len(phases) - 1


def test_few_tiles_are_warned_of():
    assert "Fewer than 64 distinct tiles" in notes_of(usual())
    many = TrainingSet(tuple(item(seed) for seed in range(20)))
    assert "Fewer" not in notes_of(train(many, options=replace(ALONE, steps=1)))


def test_one_thing_alone_cannot_be_told_apart():
    small = replace(ALONE, tile=64)

    with pytest.raises(WrongImage, match="one thing only"):
        train(images(1), options=small)


def test_sets_of_images_count_alike():
    sampler = sampler_of(images(8), images(1))
    rng = np.random.default_rng(0)

    drawn = [int(t) for _ in range(20) for t in sampler.views(rng, 32).tiles]

    n_large = 8 * 4
    assert len(sampler.tiles) == 9 * 4
    assert np.mean(np.array(drawn) >= n_large) == pytest.approx(0.5, abs=0.06)


def test_tiles_are_disjoint_and_empty_ones_are_left_out():
    half_empty = np.zeros((64, 128))
    half_empty[:, :64] = picture(disks())
    half_empty[:, 64:71] = half_empty.max()  # at a border, which most views miss
    wide = TrainingItem(image=ImageStack.from_array(half_empty), diameter=DIAMETER)

    sampler = sampler_of(TrainingSet((wide,)))

    assert [tile.corner for tile in sampler.tiles] == [(0, 0), (0, 32), (32, 0), (32, 32)]


def test_tiles_of_a_dim_image_count():
    bright, dim = picture(disks()), picture(disks(), seed=1)
    dim = 0.1 * dim
    dim[:8] = 213.0  # dirt, by which the rest is dim

    sampler = sampler_of(TrainingSet((item_of(bright), item_of(bright), item_of(dim))))

    assert len(sampler.tiles) == 3 * 4


def test_an_image_smaller_than_a_tile_is_one():
    options = replace(TINY, tile=96)
    sampler = sampler_of(images(3), options=options)

    assert len(sampler.tiles) == 3
    assert torch.isfinite(sampler.views(np.random.default_rng(0), 4).first).all()


def test_keys_are_renewed_before_the_next_iteration():
    sampler = sampler_of(images())
    encoder = ResNetEncoder("resnet18", 1, depth=1)
    learner = ContrastLearner(encoder, 64, TINY, inputs=([0.0], [1.0]), n_tiles=24, device="cpu", seed=0)
    learner.learn(sampler, 1e-3)
    assert holds_tiles(learner)
    with torch.no_grad():
        encoder.conv1.weight.add_(1.0)  # what the source step does

    learner.renew()

    assert torch.equal(learner.key.encoder.conv1.weight, encoder.conv1.weight)
    assert not holds_tiles(learner)
    learner.learn(sampler, 1e-3)
    assert holds_tiles(learner)


def test_the_parts_of_the_source_are_disjoint_and_cover_it():
    parts = source_parts(103, 10, seed=1)

    assert sorted(np.concatenate(parts).tolist()) == list(range(103))
    assert {len(part) for part in parts} == {10, 11}
    assert [part.tolist() for part in parts] == [part.tolist() for part in source_parts(103, 10, seed=1)]


def test_a_source_of_few_images_gives_each_iteration_one():
    assert [len(part) for part in source_parts(2, 5, seed=0)] == [1] * 5


def test_presets_are_valid():
    for values in PRESETS.values():
        options_from_json(CupreOptions, values)
