import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongOption, WrongRun
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods import messages as methods_messages
from napari_cellseg_ssl.core.methods.actis import INFO, METHOD
from napari_cellseg_ssl.core.methods.actis import messages as actis_messages
from napari_cellseg_ssl.core.methods.actis import train as training
from napari_cellseg_ssl.core.methods.actis.losses import Losses
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.events import (
    Checkpoint,
    MapsReady,
    Note,
    Snapshot,
    Step,
    TrainFinished,
    Validated,
    last_of,
)
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.options import options_from_json, options_to_json
from napari_cellseg_ssl.core.training.base import Training
from saying import saying

TINY = ActisOptions(steps=6, width=4, depth=2, crop=32, batch=2, refine_batch=1, unlabelled_batch=1, refine_share=0.5)
DIAMETER = 24.0


def blobs(seed, side=128, n=14):
    """Bright noisy ellipses on a dark ground, some touching, and their labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    image = np.zeros((side, side))
    for k in range(1, n + 1):
        cy, cx = rng.uniform(5, side - 5, 2)
        inside = ((y - cy) / rng.uniform(9, 14)) ** 2 + ((x - cx) / rng.uniform(9, 14)) ** 2 < 1
        if (labels[inside] > 0).mean() < 0.1:
            image[inside & (labels == 0)] = rng.uniform(0.5, 1)
            labels[inside & (labels == 0)] = k
    return (image + rng.normal(0, 0.08, image.shape)).astype(np.float32), labels


def painted(labels, n_cells, background=True):
    """Paint the first cells and rings of background around them."""
    from scipy.ndimage import distance_transform_edt

    ids = np.unique(labels[labels > 0])[:n_cells]
    painting = np.where(np.isin(labels, ids), labels + 1, 0)
    ring = (distance_transform_edt(painting == 0) < 5) & (labels == 0)
    return Annotation.from_painting(np.where(ring, 1, painting) if background else painting)


def item(seed, n_cells=None, background=True, **shape):
    image, labels = blobs(seed, **shape)
    note = None if n_cells is None else painted(labels, n_cells, background)
    return TrainingItem(image=ImageStack.from_array(image, name=f"blobs {seed}"), annotation=note, diameter=DIAMETER)


def train(*items, options=TINY, **run):
    return list(METHOD.train(TrainingSet(items), options, Run(**run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


@cache
def usual(options=TINY):
    """Events of the training that most tests only look at: made once."""
    return tuple(train(item(0, 5), options=options))


@cache
def with_unpainted():
    """Events of a training on a painted image and one that is not, with every checkpoint: made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "seconds_between_checkpoints", 0.0)
        patch.setattr(Training, "seconds_between_snapshots", 0.0)
        return tuple(train(item(0, 5), item(1)))


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def segmented(bundle, image, diameter=DIAMETER):
    stack = ImageStack.from_array(image)
    predictor = METHOD.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in INFO.maps}
    events = predict_tiled(stack, predictor, diameter=diameter, specs=specs, intensity=bundle.intensity)
    maps = last_of(events, MapsReady).maps
    return maps, METHOD.segment(maps, bundle.segment_options)


def same_weights(a, b):
    return all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    again, other = (bundle_of(train(item(0, 5), item(1), seed=seed)) for seed in (0, 4))

    assert same_weights(bundle_of(with_unpainted()), again)
    assert not same_weights(again, other)


def test_exactly_the_steps_asked_for_are_made_in_two_phases():
    steps = [event for event in with_unpainted() if isinstance(event, Step)]

    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event.phase for event in steps] == ["baseline"] * 3 + ["refinement"] * 3
    assert "pseudo" in steps[-1].losses


def test_unpainted_pixels_do_not_pull_on_the_weights():
    clean = item(0, 5)
    note = clean.annotation
    scribbled = replace(clean, annotation=replace(note, cells=np.where(note.known, note.cells, 7)))

    assert same_weights(bundle_of(usual()), bundle_of(train(scribbled)))


def test_a_run_without_refinement_returns_the_baseline():
    events = train(item(0, 5), options=replace(TINY, refine_share=0.0))

    assert bundle_of(events).architecture["returned"] == "baseline"
    assert all(event.phase == "baseline" for event in events if isinstance(event, Step))


def test_one_image_with_three_cells_trains_and_keeps_the_default_thresholds():
    events = train(item(0, 3))
    bundle = bundle_of(events)

    assert bundle.segment_options == replace(INFO.segment_options(), widest_neck=0.95)  # none of the three has a neck
    assert "defaults" in notes_of(events)
    assert not any(isinstance(event, Validated) for event in events)
    assert segmented(bundle, blobs(0)[0])[1].shape == (1, 128, 128)


def test_cells_that_nobody_painted_are_cut_only_where_the_network_sees_a_boundary():
    one = item(0, 5)
    found = replace(one, annotation=replace(one.annotation, pseudo=one.annotation.known))

    events = train(found)

    assert bundle_of(events).segment_options.widest_neck == 0.0
    assert "No whole cell is painted, so cells come apart only where the network sees a boundary." in notes_of(events)
    assert bundle_of(train(one)).segment_options.widest_neck == 0.95


def test_a_painting_without_background_or_with_one_cell_trains_and_says_what_is_missing():
    assert "No background" in notes_of(train(item(0, 5, background=False)))
    assert "Only 1 annotated" in notes_of(train(item(0, 1)))


def test_images_of_different_sizes_and_without_cells_are_welcome():
    empty = TrainingItem(
        image=ImageStack.from_array(np.random.default_rng(0).normal(0, 1, (40, 70)).astype(np.float32)),
        annotation=Annotation.from_dense(np.zeros((40, 70), np.int32)),
        diameter=DIAMETER,
    )

    bundle = bundle_of(train(item(0, 5), empty, item(2, side=20, n=1)))

    assert all(np.isfinite(array).all() for array in bundle.weights.values())


def test_a_set_without_cells_is_refused():
    with pytest.raises(WrongAnnotation, match=saying(methods_messages.no_cell_painted)):
        train(item(0))


def test_two_channels_are_learned_together():
    image, labels = blobs(0)
    stack = ImageStack.from_array(np.stack([image, 1 - image]), "CYX")
    events = train(TrainingItem(image=stack, annotation=painted(labels, 5), diameter=DIAMETER))

    assert bundle_of(events).architecture["in_channels"] == 2


def test_a_stop_is_obeyed_at_once_and_gives_the_best_so_far():
    events = METHOD.train(TrainingSet((item(0, 5),)), TINY, Run(should_stop=lambda: True))
    finished = last_of(events, TrainFinished)

    assert finished.reason == "stopped"
    assert finished.bundle.provenance.steps == 0


def test_a_time_budget_ends_the_training():
    clock = iter(np.arange(0, 100, 0.5))
    events = train(item(0, 5), options=replace(TINY, steps=10**6), time_budget=10.0, elapsed=lambda: next(clock))

    steps = [event for event in events if isinstance(event, Step)]
    assert {event.phase for event in steps} == {"baseline", "refinement"}
    assert last_of(events, TrainFinished).reason == "completed"


def test_few_cells_are_not_repeated_until_the_time_is_up(monkeypatch):
    monkeypatch.setattr(training, "FEWEST_STEPS", 4)
    options = replace(TINY, steps=10**6, steps_per_cell=0.01)

    events = train(item(0, 5), options=options, time_budget=1e6, elapsed=lambda: 0.0)

    finished = last_of(events, TrainFinished)
    assert (finished.reason, finished.bundle.provenance.steps) == ("plateau", 4)
    assert re.search(saying(actis_messages.enough), finished.bundle.provenance.notes[-1])
    assert {event.phase for event in events if isinstance(event, Step)} == {"baseline", "refinement"}


@pytest.mark.parametrize("at", [2, 5])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(at, monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_checkpoints", 0.0)
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    whole = with_unpainted()
    saved = next(event for event in whole if isinstance(event, Checkpoint) and event.step == at)

    resumed = train(item(0, 5), item(1), resume=saved)

    assert next(event for event in resumed if isinstance(event, Step)).step == at + 1
    ends = [last_of(events, Checkpoint).arrays for events in (whole, resumed)]
    assert all(np.array_equal(ends[0][name], ends[1][name], equal_nan=True) for name in ends[0])
    assert same_weights(bundle_of(whole), bundle_of(resumed))


def test_training_goes_on_from_an_earlier_model():
    parent = bundle_of(usual())
    child = bundle_of(train(item(0, 5), start_from=parent, options=replace(TINY, steps=1, rate=1e-6)))

    assert child.provenance.parent == parent.id
    for name, array in parent.weights.items():
        if name.endswith("weight"):
            np.testing.assert_allclose(child.weights[name], array, atol=1e-4)


def test_a_training_takes_over_the_size_of_the_network_that_it_starts_from():
    parent = bundle_of(usual())

    events = train(item(0, 5), start_from=parent, options=replace(TINY, width=8, steps=1))

    child = bundle_of(events)
    assert child.architecture["width"] == child.train_options.width == TINY.width
    assert any("width 4 instead of 8" in note for note in child.provenance.notes)


def test_a_model_of_other_channels_is_no_start():
    parent = bundle_of(usual())
    other = replace(parent, architecture={**parent.architecture, "in_channels": 3})

    with pytest.raises(WrongRun, match="in_channels"):
        train(item(0, 5), start_from=other)


def test_wrong_pseudo_labels_cannot_spoil_what_is_returned(monkeypatch):
    """The teacher calls everything boundary: the baseline must come back, and be named."""
    import torch

    def everything_is_boundary(self, batch):
        return torch.full_like(batch.classes, 2)

    options = replace(TINY, steps=160, width=8, crop=64, batch=4, refine_share=0.5, pseudo_weight=10.0)
    monkeypatch.setattr(Losses, "pseudo_labels", everything_is_boundary)
    events = train(item(0, 12), item(1, 12), options=options)

    bundle = bundle_of(events)
    assert bundle.architecture["returned"] == "baseline"
    assert "did not find clearly more" in notes_of(events)
    assert bundle.provenance.scores["baseline_f1"] > bundle.provenance.scores["student_f1"]


def test_snapshots_predict_and_leave_training_as_it_was(monkeypatch):
    unwatched = bundle_of(usual())
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    events = METHOD.train(TrainingSet((item(0, 5),)), TINY, Run())
    for event in events:
        if isinstance(event, Snapshot):
            maps = event.predictor(np.zeros((1, 1, 16, 16), np.float32), np.zeros((1, 2), int))
            assert maps["probability"].shape == (1, 3, 16, 16)
        if isinstance(event, TrainFinished):
            watched = event.bundle

    assert same_weights(watched, unwatched)


def test_a_model_survives_its_folder(tmp_path):
    bundle = bundle_of(usual())
    bundle.save(tmp_path / "run")
    loaded = ModelBundle.load(tmp_path / "run")

    assert loaded.id == bundle.id
    image = blobs(3)[0]
    assert np.array_equal(segmented(loaded, image)[1], segmented(bundle, image)[1])


def test_maps_are_as_announced():
    maps, labels = segmented(bundle_of(usual()), blobs(0)[0])

    np.testing.assert_allclose(maps.arrays["probability"].sum(1), 1, atol=1e-5)
    assert set(np.unique(maps.arrays["confidence"])) <= {0.0, 1.0}
    assert set(np.unique(maps.arrays["pseudo_labels"])) <= {0.0, 1.0, 2.0}
    assert labels.dtype == np.int32


@pytest.mark.parametrize("depth", [1, 3])
def test_tiles_leave_no_seams(depth):
    bundle = bundle_of(usual(replace(TINY, depth=depth, crop=64)))
    predictor = METHOD.predictor(bundle, "cpu")
    specs = {spec.name: spec for spec in INFO.maps}
    stack = ImageStack.from_array(blobs(1, side=150)[0])
    whole, tiled = (
        last_of(
            predict_tiled(stack, predictor, diameter=DIAMETER, specs=specs, intensity=bundle.intensity, tile=tile),
            MapsReady,
        ).maps.arrays["probability"]
        for tile in (512, 64)
    )

    np.testing.assert_allclose(whole, tiled, atol=1e-4)


RESNET = replace(TINY, encoder="resnet18", depth=1)


def test_a_unet_on_a_resnet_learns_and_says_that_it_begins_at_random(tmp_path):
    events = train(item(0, 5), item(1), options=RESNET)
    bundle = bundle_of(events)
    bundle.save(tmp_path / "run")

    assert "begins at random" in notes_of(events)
    image = blobs(3)[0]
    assert np.array_equal(segmented(ModelBundle.load(tmp_path / "run"), image)[1], segmented(bundle, image)[1])


@pytest.mark.parametrize(
    ("depth", "side", "size", "gap"), [(1, 150, 64, 1e-5), (2, 150, 64, 1e-5), (3, 300, 128, 1e-3)]
)  # the halo of the last is bounded
def test_tiles_of_a_unet_on_a_resnet_leave_no_seams(depth, side, size, gap):
    bundle = bundle_of(usual(replace(RESNET, depth=depth)))
    image = ImageStack.from_array(blobs(1, side=side)[0])
    specs, predictor = {spec.name: spec for spec in INFO.maps}, METHOD.predictor(bundle, "cpu")
    whole, tiled = (
        last_of(
            predict_tiled(image, predictor, diameter=DIAMETER, specs=specs, intensity=bundle.intensity, tile=tile),
            MapsReady,
        ).maps.arrays["probability"]
        for tile in (512, size)
    )

    np.testing.assert_allclose(whole, tiled, atol=gap)


def test_an_encoder_begins_with_the_weights_of_a_run_and_hardly_moves(tmp_path):
    from napari_cellseg_ssl.core.methods.maunet import METHOD as MAUNET
    from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions

    options = MaunetOptions(steps=2, width=4, depth=1, crop=32, batch=2)
    parent = bundle_of(MAUNET.train(TrainingSet((item(0, 5),)), options, Run()))
    parent.save(tmp_path / "run")
    weights = str(tmp_path / "run" / "weights.safetensors")
    options = replace(RESNET, encoder_weights=weights, encoder_rate=0.0, weight_decay=0.0)

    events = train(item(2, 5), options=options, seed=5)

    assert "30 of 30 tensors loaded from" in notes_of(events)
    bundle = bundle_of(events)
    for name, array in parent.weights.items():
        if name.startswith("net.0.encoder."):
            np.testing.assert_allclose(bundle.weights[name.replace("net.0", "net")], array, atol=1e-6, err_msg=name)
    assert not same_weights(bundle, bundle_of(train(item(2, 5), options=replace(options, steps=2), seed=5)))


def test_a_given_encoder_learns_at_its_own_rate(tmp_path):
    parent = bundle_of(usual(RESNET))
    parent.save(tmp_path / "run")
    weights = str(tmp_path / "run" / "weights.safetensors")

    def moved(encoder_rate):
        options = replace(RESNET, encoder_weights=weights, encoder_rate=encoder_rate, steps=2, refine_share=0.0)
        child = bundle_of(train(item(0, 5), options=options))
        name = "net.encoder.layer1.0.conv1.weight"
        return float(np.abs(child.weights[name] - parent.weights[name]).mean())

    assert 0 < moved(0.1) < 0.3 * moved(1.0)


def test_with_many_crops_a_step_the_statistics_of_a_given_encoder_follow(tmp_path):
    parent = bundle_of(usual(RESNET))
    parent.save(tmp_path / "run")
    options = replace(
        RESNET, encoder_weights=str(tmp_path / "run" / "weights.safetensors"), batch=8, steps=2, refine_share=0.0
    )

    child = bundle_of(train(item(2, 5), options=options))

    name = "net.encoder.bn1.running_mean"
    assert not np.allclose(child.weights[name], parent.weights[name], atol=1e-3)


def test_an_interrupted_run_on_a_given_encoder_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    bundle_of(usual(RESNET)).save(tmp_path / "run")
    options = replace(RESNET, encoder_weights=str(tmp_path / "run" / "weights.safetensors"))
    monkeypatch.setattr(Training, "seconds_between_checkpoints", 0.0)
    whole = train(item(0, 5), item(1), options=options)
    saved = next(event for event in whole if isinstance(event, Checkpoint) and event.step == 4)
    (tmp_path / "run" / "weights.safetensors").unlink()  # a resumed run does not need it

    resumed = train(item(0, 5), item(1), options=options, resume=saved)

    assert same_weights(bundle_of(whole), bundle_of(resumed))


def test_weights_of_another_encoder_are_refused(tmp_path):
    bundle_of(usual(RESNET)).save(tmp_path / "run")
    weights = str(tmp_path / "run" / "weights.safetensors")

    with pytest.raises(WrongOption, match=r"does not hold weights of resnet50.*tensors loaded"):
        train(item(0, 5), options=replace(RESNET, encoder="resnet50", encoder_weights=weights))
    with pytest.raises(WrongOption, match=saying(actis_messages.small_network_takes_no_weights)) as problem:
        train(item(0, 5), options=replace(TINY, encoder_weights=weights))
    assert "encoder=resnet18" in problem.value.hint


@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_presets_are_valid_and_survive_json(preset):
    options = INFO.preset(preset)
    assert options_from_json(ActisOptions, options_to_json(options)) == options


def test_the_papers_schedule_runs_on_a_small_network():
    paper = replace(
        INFO.preset("paper"), encoder="small", encoder_weights="none", steps=6, width=4, crop=32, teacher_every=2
    )
    events = train(item(0, 5), item(1), options=paper)

    assert last_of(events, TrainFinished).reason == "completed"


def test_an_option_out_of_range_is_refused():
    with pytest.raises(WrongOption):
        options_from_json(ActisOptions, {"masked": 2.0})
