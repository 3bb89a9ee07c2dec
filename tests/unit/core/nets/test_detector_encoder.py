"""What a detector has learned about images serves methods that say of each pixel what it is."""

from dataclasses import replace

import numpy as np
import pytest

from drawings import disks, painting, picture
from napari_cellseg_ssl.core.data.annotations import Annotation
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods import actis, maunet
from napari_cellseg_ssl.core.methods.actis import messages as actis_messages
from napari_cellseg_ssl.core.methods.actis.options import ActisOptions
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cupre import INFO
from napari_cellseg_ssl.core.methods.cupre.network import architecture, build
from napari_cellseg_ssl.core.methods.events import Checkpoint, Note, Step, TrainFinished, last_of
from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
from napari_cellseg_ssl.core.training.weights import weights_of
from saying import saying

MAUNET = MaunetOptions(steps=3, width=4, depth=2, crop=32, batch=2, working_diameter=11.0, encoder_rate=0.0)
ACTIS = ActisOptions(
    steps=3, width=4, depth=2, crop=32, batch=2, refine_batch=1, unlabelled_batch=1, working_diameter=11.0,
    encoder="resnet18", encoder_rate=0.0, weight_decay=0.0,
)  # fmt: skip
CASES = [(maunet, replace(MAUNET, weight_decay=0.0), "net.0.encoder."), (actis, ACTIS, "net.encoder.")]


def detector_bundle(**config):
    config = replace(PRESETS["fast"], **{"in_channels": 1, "channels": 16, "box_width": 16, **config})
    described = architecture(config, 24.0)
    detector = build(described)
    detector.expect([0.3] * config.in_channels, [0.2] * config.in_channels)
    return ModelBundle(
        name="found",
        method_id="cupre",
        train_options=INFO.preset(),
        segment_options=INFO.segment_options(),
        architecture=described,
        weights=weights_of(detector),
    )


@pytest.fixture(scope="module")
def detector():
    return detector_bundle()


def train(method, options, **run):
    cells = disks()
    note = Annotation.from_painting(painting(cells, 8))
    item = TrainingItem(image=ImageStack.from_array(picture(cells), name="0"), annotation=note, diameter=11.0)
    return list(method.METHOD.train(TrainingSet((item,)), options, Run(**run)))


def bundle_of(events):
    return last_of(events, TrainFinished).bundle


def notes_of(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("depth", [2, 4])
def test_the_file_of_a_detector_holds_an_encoder_of_any_depth(detector, tmp_path, depth):
    detector.save(tmp_path)
    encoder = ResNetEncoder("resnet18", 1, depth=depth)

    report = load_encoder(encoder, "resnet18", str(tmp_path / "weights.safetensors"))

    assert not report.not_loaded
    assert report.inputs is not None
    assert np.allclose(report.inputs, [[0.3], [0.2]])
    for name, tensor in encoder.state_dict().items():
        assert np.array_equal(tensor.numpy(), detector.weights[f"net.backbone.body.{name}"]), name


@pytest.mark.parametrize(("method", "options", "prefix"), CASES)
def test_a_training_begins_with_the_backbone_of_a_detector(detector, method, options, prefix):
    events = train(method, options, start_from=detector)

    child = bundle_of(events)
    assert method.INFO.accepts(detector)
    assert "tensors loaded from model 'found'" in notes_of(events)
    assert child.provenance.parent == detector.id
    encoder = {name: array for name, array in child.weights.items() if name.startswith(prefix)}
    assert len(encoder) > 20
    for name, array in encoder.items():
        before = detector.weights[name.replace(prefix, "net.backbone.body.")]
        np.testing.assert_allclose(array, before, atol=1e-6, err_msg=name)  # its rate is 0 here
    assert child.weights[prefix.replace("encoder.", "input_mean")].item() == pytest.approx(0.3)


@pytest.mark.parametrize(("method", "options", "prefix"), CASES)
def test_what_is_new_learns_at_the_full_rate(detector, method, options, prefix):
    fresh, begun = (
        [event.rate for event in train(method, options, **run) if isinstance(event, Step)]
        for run in ({}, {"start_from": detector})
    )

    assert begun == fresh


@pytest.mark.parametrize(("method", "options", "prefix"), CASES)
def test_an_interrupted_run_goes_on_without_the_detector(detector, method, options, prefix):
    asked = iter([False, False])
    stopped = train(method, options, start_from=detector, should_stop=lambda: next(asked, True))

    resumed = bundle_of(train(method, options, resume=last_of(stopped, Checkpoint)))

    straight = bundle_of(train(method, options, start_from=detector))
    for name, array in straight.weights.items():
        assert np.allclose(resumed.weights[name], array, atol=1e-6, equal_nan=True), name


@pytest.mark.parametrize(("method", "options", "prefix"), CASES)
def test_a_detector_on_another_encoder_is_refused_with_a_way_out(detector, method, options, prefix):
    with pytest.raises(WrongRun, match="on resnet18, this encoder is a resnet34") as problem:
        train(method, replace(options, encoder="resnet34"), start_from=detector)
    assert problem.value.hint == "Set encoder=resnet18."
    with pytest.raises(WrongRun, match="normalised by group"):
        train(method, options, start_from=detector_bundle(norm="group"))


def test_a_small_network_has_no_place_for_a_backbone(detector):
    with pytest.raises(WrongRun, match=saying(actis_messages.detector_does_not_fit)) as problem:
        train(actis, replace(ACTIS, encoder="small"), start_from=detector)
    assert "encoder=resnet18" in problem.value.hint


def test_a_second_encoder_of_another_kind_begins_at_random(detector):
    child = bundle_of(train(maunet, replace(MAUNET, second_encoder="resnet34"), start_from=detector))

    first = child.weights["net.0.encoder.layer1.0.conv1.weight"]
    assert np.allclose(first, detector.weights["net.backbone.body.layer1.0.conv1.weight"], atol=1e-3)
    assert not np.allclose(child.weights["net.1.encoder.layer1.0.conv1.weight"], first, atol=1e-3)


def test_colours_are_summed_where_the_detector_saw_other_channels():
    colour = detector_bundle(in_channels=3)

    child = bundle_of(train(maunet, replace(MAUNET, weight_decay=0.0), start_from=colour))

    stem = colour.weights["net.backbone.body.conv1.weight"].sum(1, keepdims=True)
    np.testing.assert_allclose(child.weights["net.0.encoder.conv1.weight"], stem, atol=1e-5)
