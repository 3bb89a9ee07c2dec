from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongOption, WrongRun
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.inference.where_next import clues_of
from napari_cellseg_ssl.core.methods import messages as methods_messages
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
from napari_cellseg_ssl.core.methods.maunet import INFO, METHOD
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.nets import messages as nets_messages
from napari_cellseg_ssl.core.options import options_from_json, options_to_json
from napari_cellseg_ssl.core.training.base import Training
from saying import saying

TINY = MaunetOptions(steps=4, width=4, depth=1, crop=32, batch=2, unlabelled_batch=1, working_diameter=11.0)
AGREEING = replace(TINY, consistency=1.5)
DIAMETER = 11.0


def item(seed=0, n_cells=8, channels=1, labelled=True):
    cells = disks()
    frame = np.stack([picture(cells, seed=10 * seed + c) for c in range(channels)])
    note = Annotation.from_painting(painting(cells, n_cells)) if labelled else None
    return TrainingItem(image=ImageStack.from_array(frame, "CYX", name=f"{seed}"), annotation=note, diameter=DIAMETER)


def train(*items, options=TINY, **run):
    return list(METHOD.train(TrainingSet(items), options, Run(**run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


@cache
def usual(options=TINY):
    """Events of the training that most tests only look at: made once."""
    return tuple(train(item(), options=options))


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def segmented(bundle, image, diameter=DIAMETER, **tiling):
    stack = image if isinstance(image, ImageStack) else ImageStack.from_array(image)
    specs = {spec.name: spec for spec in INFO.maps}
    predictor = METHOD.predictor(bundle, "cpu")
    events = predict_tiled(stack, predictor, diameter=diameter, specs=specs, intensity=bundle.intensity, **tiling)
    maps = last_of(events, MapsReady).maps
    return maps, METHOD.segment(maps, bundle.segment_options)


def same_weights(a, b):
    return all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)


def test_unpainted_pixels_do_not_pull_on_the_weights():
    clean = item()
    note = clean.annotation
    scribbled = replace(clean, annotation=replace(note, cells=np.where(note.known, note.cells, 7)))

    assert same_weights(bundle_of(usual()), bundle_of(train(scribbled)))


def test_every_loss_is_reported():
    steps = [event for event in usual() if isinstance(event, Step)]

    assert [event.step for event in steps] == [1, 2, 3, 4]
    assert set(steps[0].losses) == {"dice", "focal", "distance"}


def test_the_ablations_train_and_predict_the_announced_maps():
    for change in ({"proxy": False}, {"distance": False}, {"focal": "softmax"}, {"schedule": "stairs", "average": 0.0}):
        bundle = bundle_of(train(item(), options=replace(TINY, **change)))
        maps, labels = segmented(bundle, item().image)

        assert set(maps.arrays) == {"probability", "distance", "ambiguity"}
        assert labels.shape == (1, 64, 64)
        assert maps.arrays["ambiguity"].any() == (change.get("proxy") is None)
        assert maps.arrays["distance"].any() == (change.get("distance") is None)
        assert bundle.segment_options.watershed == ("one step" if "distance" in change else "four steps")


def test_class_probabilities_and_ambiguity_are_everything_there_is():
    maps, _ = segmented(bundle_of(usual()), item().image)

    total = maps.arrays["probability"].sum(1) + maps.arrays["ambiguity"][:, 0]
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_ambiguity_is_a_clue_for_where_to_paint_next():
    maps, _ = segmented(bundle_of(usual()), item().image)

    clues = {clue.kind: clue for clue in clues_of(maps)}

    assert set(clues) == {"probability", "ambiguity"}
    np.testing.assert_allclose(clues["ambiguity"].doubt, maps.to_source("ambiguity")[:, 0], atol=1e-6)


def test_the_steps_of_a_segmentation_can_be_looked_at_on_the_images_grid():
    bundle = bundle_of(usual())
    maps, labels = segmented(bundle, item().image, diameter=8.0)

    found = METHOD.steps(maps, bundle.segment_options)

    assert list(found.seeds) == ["seeds of step 2", "seeds of step 3"]
    assert list(found.partial) == ["cells after step 2", "cells of step 3", "cells after step 4"]
    assert all(step.shape == labels.shape for step in (*found.seeds.values(), *found.partial.values()))
    assert (found.partial["cells after step 4"][labels > 0] > 0).all()
    assert "of the foreground there is no seed" in found.remark


def test_two_encoders_learn_side_by_side_and_predict_their_mean():
    bundle = bundle_of(train(item(), options=replace(TINY, second_encoder="wide_resnet50_2", scales=3)))
    single = [
        replace(
            bundle,
            architecture={**bundle.architecture, "encoders": [name], "scales": 1},
            weights={
                key.replace(f"net.{n}.", "net.0."): array
                for key, array in bundle.weights.items()
                if key.startswith(f"net.{n}.")
            },
        )
        for n, name in enumerate(bundle.architecture["encoders"])
    ]
    both = replace(bundle, architecture={**bundle.architecture, "scales": 1})

    maps, _ = segmented(both, item().image)
    one, other = (segmented(each, item().image)[0] for each in single)

    mean = (one.arrays["distance"] + other.arrays["distance"]) / 2
    np.testing.assert_allclose(maps.arrays["distance"], mean, atol=1e-5)
    assert not np.allclose(one.arrays["distance"], other.arrays["distance"], atol=1e-3)


def test_several_scales_leave_no_seams_either():
    bundle = bundle_of(train(item(), options=replace(TINY, scales=3)))
    image = picture(disks((150, 131)))

    whole, tiled = (segmented(bundle, image, tile=tile)[0] for tile in (512, 64))

    for name, array in whole.arrays.items():
        np.testing.assert_allclose(tiled.arrays[name], array, atol=1e-4)


def test_deep_networks_leave_seams_too_faint_to_see():
    bundle = bundle_of(train(item(), options=replace(TINY, depth=3), seed=1))
    image = picture(disks((300, 280)))

    whole, tiled = (segmented(bundle, image, tile=tile)[0] for tile in (512, 128))

    for name, array in whole.arrays.items():
        np.testing.assert_allclose(tiled.arrays[name], array, atol=5e-3)


def test_two_networks_can_agree_on_unpainted_pixels_and_the_first_is_returned():
    events = agreeing()

    steps = [event for event in events if isinstance(event, Step)]
    assert all(event.losses["consistency"] > 0 for event in steps)
    bundle = bundle_of(events)
    assert bundle.architecture["encoders"] == ["resnet18"]
    assert not any(name.startswith("net.1.") for name in bundle.weights)
    assert not same_weights(bundle, bundle_of(train(item(), item(1, labelled=False))))


@cache
def agreeing():
    """Events of two networks that agree on unpainted pixels, with every checkpoint and snapshot: made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "seconds_between_checkpoints", 0.0)
        patch.setattr(Training, "seconds_between_snapshots", 0.0)
        return tuple(train(item(), item(1, labelled=False), options=AGREEING))


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(at):
    whole = agreeing()
    saved = next(event for event in whole if isinstance(event, Checkpoint) and event.step == at)

    resumed = train(item(), item(1, labelled=False), options=AGREEING, resume=saved)

    assert next(event for event in resumed if isinstance(event, Step)).step == at + 1
    assert same_weights(bundle_of(whole), bundle_of(resumed))
    assert "begins at random" not in notes_of(resumed)


def test_snapshots_predict_and_leave_training_as_it_was(monkeypatch):
    unwatched = bundle_of(usual())
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    for event in METHOD.train(TrainingSet((item(),)), TINY, Run()):
        if isinstance(event, Snapshot):
            maps = event.predictor(np.zeros((1, 1, 16, 16), np.float32), np.zeros((1, 2), int))
            assert maps["probability"].shape == (1, 3, 16, 16)
        if isinstance(event, TrainFinished):
            watched = event.bundle

    assert same_weights(watched, unwatched)


def test_a_time_budget_ends_the_training():
    clock = iter(np.arange(0, 1000, 0.5))
    events = train(item(), options=replace(TINY, steps=10**6), time_budget=5.0, elapsed=lambda: next(clock))

    assert last_of(events, TrainFinished).reason == "completed"
    assert any(isinstance(event, Validated) for event in events)


def test_training_goes_on_from_an_earlier_model():
    parent = bundle_of(usual())
    child = bundle_of(train(item(), start_from=parent, options=replace(TINY, steps=1, rate=1e-6)))

    assert child.provenance.parent == parent.id
    for name, array in parent.weights.items():
        if name.endswith("weight"):
            np.testing.assert_allclose(child.weights[name], array, atol=1e-4)


def test_a_model_of_another_network_is_no_start():
    parent = bundle_of(usual())

    with pytest.raises(WrongRun, match="proxy"):
        train(item(), start_from=parent, options=replace(TINY, proxy=False))


def test_a_training_takes_over_encoder_and_size_of_the_network_that_it_starts_from():
    parent = bundle_of(usual())
    other = replace(TINY, encoder="resnet34", second_encoder="resnet18", depth=2, width=8, steps=1)

    events = train(item(), start_from=parent, options=other)

    child = bundle_of(events)
    assert {name: child.architecture[name] for name in parent.architecture} == parent.architecture
    assert (child.train_options.encoder, child.train_options.second_encoder) == ("resnet18", "none")
    assert (child.train_options.depth, child.train_options.width) == (TINY.depth, TINY.width)
    told = ("encoder resnet18 instead of resnet34", "depth 1 instead of 2", "width 4 instead of 8")
    assert all(text in notes_of(events) for text in told)


def test_a_starter_is_given_back_with_its_thresholds_unless_what_was_learned_is_clearly_better():
    good = bundle_of(train(item(), options=replace(TINY, steps=120, width=8)))
    own = replace(good.segment_options, core_threshold=0.77)
    starter = replace(good, segment_options=own)

    events = train(item(), start_from=starter, keeps_start=True, options=replace(TINY, rate=1.0))

    kept = bundle_of(events)
    assert kept.architecture["returned"] == "starter"
    assert kept.segment_options == own
    assert same_weights(kept, good)
    assert "the starter as it was" in notes_of(events)
    assert "its own" in notes_of(events)
    assert bundle_of(train(item(), start_from=good)).architecture["returned"] == "learned"  # it is not to be kept


def test_what_was_learned_is_returned_where_it_is_clearly_better_than_the_starter():
    starter = bundle_of(train(item(), options=replace(TINY, steps=1, width=8)))

    events = train(item(), start_from=starter, keeps_start=True, options=replace(TINY, steps=250))

    assert bundle_of(events).architecture["returned"] == "learned"
    assert "Returned: what was learned" in notes_of(events)


@pytest.mark.parametrize("encoders", [{}, {"second_encoder": "resnet34", "distance": False}])
def test_a_model_that_reads_the_mean_of_channels_sees_grey_and_colour_alike(encoders):
    grey = bundle_of(train(item(), options=replace(TINY, **encoders)))
    reads = replace(grey, architecture={**grey.architecture, "reads": "mean of channels"})
    image = item().image.frames[0]
    colours = ImageStack.from_array(np.concatenate([image] * 3), "CYX")

    maps, _ = segmented(METHOD.for_channels(reads, 3), colours)

    np.testing.assert_allclose(
        maps.arrays["probability"], segmented(grey, item().image)[0].arrays["probability"], atol=1e-3
    )
    assert METHOD.for_channels(grey, 3) is grey
    assert METHOD.for_channels(reads, TINY.width) is reads  # a network of so many channels has other weights


def test_an_encoder_begins_with_the_weights_of_a_file_and_says_so(tmp_path):
    parent = bundle_of(usual())
    parent.save(tmp_path / "run")
    options = replace(TINY, encoder_weights=str(tmp_path / "run" / "weights.safetensors"), encoder_rate=0.0, steps=1)
    options = replace(options, weight_decay=0.0)

    events = train(item(seed=3), options=options, seed=5)

    assert "tensors loaded from" in notes_of(events)
    bundle = bundle_of(events)
    for name, array in parent.weights.items():
        if name.startswith("net.0.encoder."):
            np.testing.assert_allclose(bundle.weights[name], array, atol=1e-6, err_msg=name)  # statistics too
    assert bundle.weights["net.0.input_mean"].item() == 0  # as in that run, which is not from ImageNet


def test_images_are_given_to_a_foreign_encoder_as_imagenet_was(tmp_path):
    import torch

    from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder

    torch.save(ResNetEncoder("resnet18").state_dict(), tmp_path / "foreign.pth")
    options = replace(TINY, steps=1, encoder_weights=str(tmp_path / "foreign.pth"))

    bundle = bundle_of(train(item(channels=3), options=options))

    np.testing.assert_allclose(bundle.weights["net.0.input_mean"].ravel(), [0.485, 0.456, 0.406])


def test_an_encoder_without_its_file_is_refused_with_a_way_out():
    with pytest.raises(WrongOption, match=saying(nets_messages.no_such_weight_file)) as problem:
        train(item(), options=replace(TINY, encoder_weights="/nowhere/weights.pth"))

    assert "encoder_weights=none" in problem.value.hint


def test_few_cells_and_missing_background_are_said():
    dense = replace(item(), annotation=Annotation.from_dense(disks()))
    no_background = replace(item(), annotation=Annotation.from_painting(np.where(disks() > 0, disks() + 1, 0)))

    assert "Fewer than 20" in notes_of(usual())
    assert "No background" in notes_of(train(no_background))
    assert "begins at random" in notes_of(usual())
    assert "no unpainted pixels" in notes_of(train(dense, options=replace(TINY, consistency=1.0)))
    assert "thresholds keep their defaults" in notes_of(train(item(n_cells=2)))


def test_a_set_without_cells_is_refused():
    with pytest.raises(WrongAnnotation, match=saying(methods_messages.no_cell_painted)):
        train(item(labelled=False))


def test_colour_images_train_and_survive_their_folder(tmp_path):
    bundle = bundle_of(train(item(channels=3)))
    bundle.save(tmp_path / "run")
    loaded = ModelBundle.load(tmp_path / "run")

    assert bundle.architecture["in_channels"] == 3
    assert np.array_equal(*(segmented(one, item(channels=3).image)[1] for one in (bundle, loaded)))


@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_presets_are_valid_and_survive_json(preset):
    options = INFO.preset(preset)
    assert options_from_json(MaunetOptions, options_to_json(options)) == options


def test_the_papers_preset_runs_on_small_networks():
    options = replace(
        INFO.preset("paper"), second_encoder="resnet18", encoder="resnet34", encoder_weights="none", scales=2,
        steps=2, width=4, depth=1, crop=32, batch=2, working_diameter=11.0,
    )  # fmt: skip

    bundle = bundle_of(train(item(), options=options))

    assert bundle.architecture["encoders"] == ["resnet34", "resnet18"]
    assert segmented(bundle, item().image)[1].shape == (1, 64, 64)
