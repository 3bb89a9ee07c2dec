from dataclasses import replace

import pytest
import torch
from torch import nn

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.nets import messages as nets_messages
from napari_cellseg_ssl.core.nets import resnet_encoder
from napari_cellseg_ssl.core.nets.detector import coco_weights
from napari_cellseg_ssl.core.nets.detector.coco_weights import fitted_config, load_detector, read_weights, renamed
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.nets.detector.detector import Detector
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
from napari_cellseg_ssl.core.nets.resnet_encoder import Design, ResNetEncoder
from saying import saying

SMALL = Design((1, 1, 1, 1), expansion=4, width=8)
CHANNELS, WIDTH, IDS = 16, 24, 91
ANCHORS, LEVELS = 3, 4


def released(version):
    """The tensors of torchvision's model of a version, by its names, narrow and shallow."""
    torch.manual_seed(version)
    body = ResNetEncoder(SMALL).state_dict()
    if version == 1:
        body = {name: value for name, value in body.items() if not name.endswith("num_batches_tracked")}
    tensors = {f"backbone.body.{name}": torch.rand_like(value.float()) for name, value in body.items()}

    def layer(name, *shape, bias=True):
        tensors[f"{name}.weight"] = torch.randn(shape)
        if bias:
            tensors[f"{name}.bias"] = torch.randn(shape[0])

    def block(name, outgoing, incoming, side):
        """A convolution with normalisation, as in the second version."""
        layer(f"{name}.0", outgoing, incoming, side, side, bias=False)
        for key, value in nn.BatchNorm2d(outgoing).state_dict().items():
            tensors[f"{name}.1.{key}"] = torch.rand_like(value.float())

    for index in range(LEVELS):
        for name, incoming, side in (("inner", 32 * 2**index, 1), ("layer", CHANNELS, 3)):
            place = f"backbone.fpn.{name}_blocks.{index}"
            if version == 1:
                layer(place, CHANNELS, incoming, side, side)
            else:
                block(place, CHANNELS, incoming, side)
    for index in range(version):
        layer("rpn.head.conv" if version == 1 else f"rpn.head.conv.{index}.0", CHANNELS, CHANNELS, 3, 3)
    layer("rpn.head.cls_logits", ANCHORS, CHANNELS, 1, 1)
    layer("rpn.head.bbox_pred", 4 * ANCHORS, CHANNELS, 1, 1)
    if version == 1:
        layer("roi_heads.box_head.fc6", WIDTH, CHANNELS * 49)
        layer("roi_heads.box_head.fc7", WIDTH, WIDTH)
    else:
        for index in range(4):
            block(f"roi_heads.box_head.{index}", CHANNELS, CHANNELS, 3)
        layer("roi_heads.box_head.5", WIDTH, CHANNELS * 49)
    layer("roi_heads.box_predictor.cls_score", IDS, WIDTH)
    layer("roi_heads.box_predictor.bbox_pred", 4 * IDS, WIDTH)
    for index in range(4):
        if version == 1:
            layer(f"roi_heads.mask_head.mask_fcn{index + 1}", CHANNELS, CHANNELS, 3, 3)
        else:
            block(f"roi_heads.mask_head.{index}", CHANNELS, CHANNELS, 3)
    tensors["roi_heads.mask_predictor.conv5_mask.weight"] = torch.randn(CHANNELS, CHANNELS, 2, 2)
    tensors["roi_heads.mask_predictor.conv5_mask.bias"] = torch.randn(CHANNELS)
    layer("roi_heads.mask_predictor.mask_fcn_logits", IDS, CHANNELS, 1, 1)
    return tensors


@pytest.fixture
def small_body(monkeypatch):
    monkeypatch.setitem(resnet_encoder.DESIGNS, "resnet50", SMALL)


def loaded(version, **changes):
    tensors = renamed(released(version))
    detector = Detector(fitted_config(replace(PRESETS["balanced"], **changes), tensors))
    return detector, load_detector(detector, tensors, "coco.pth"), released(version)


@pytest.mark.usefixtures("small_body")
@pytest.mark.parametrize("version", [1, 2])
def test_every_tensor_of_torchvision_finds_its_place(version):
    detector, report, _ = loaded(version)

    assert report.left_out == ()
    fates = set(report.fate.values())
    assert fates == {
        "loaded",
        "copied from stage 1",
        "averaged over classes",
        "averaged over classes, copied from stage 1, times 2",
        "averaged over classes, copied from stage 1, times 3",
        "shape (91, 24) instead of (2, 24)",
        "shape (91,) instead of (2,)",
    }
    assert {name.rpartition(".")[0] for name in report.not_loaded} == {
        f"roi_heads.stages.{stage}.box_predictor.cls_score" for stage in range(3)
    }
    assert detector.config.aligned is False
    assert detector.config.norm == "frozen"
    assert detector.input_mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


@pytest.mark.usefixtures("small_body")
def test_tensors_are_those_of_the_file():
    detector, _, file = loaded(2)
    own = detector.state_dict()

    for ours, theirs in (
        ("backbone.body.layer2.0.conv3.weight", "backbone.body.layer2.0.conv3.weight"),
        ("backbone.fpn.layer_blocks.3.1.running_mean", "backbone.fpn.layer_blocks.3.1.running_mean"),
        ("rpn.head.conv.1.0.bias", "rpn.head.conv.1.0.bias"),
        ("roi_heads.stages.2.box_head.convs.3.1.weight", "roi_heads.box_head.3.1.weight"),
        ("roi_heads.stages.1.box_head.layers.0.weight", "roi_heads.box_head.5.weight"),
        ("roi_heads.mask_head.2.0.weight", "roi_heads.mask_head.2.0.weight"),
        ("roi_heads.mask_predictor.conv5_mask.weight", "roi_heads.mask_predictor.conv5_mask.weight"),
    ):
        assert torch.equal(own[ours], file[theirs]), ours


@pytest.mark.usefixtures("small_body")
def test_deltas_and_masks_are_averaged_over_the_classes_that_coco_has():
    detector, _, file = loaded(1)
    used = [index for index in range(IDS) if index not in coco_weights.UNUSED_CLASSES]
    deltas = file["roi_heads.box_predictor.bbox_pred.weight"].reshape(IDS, 4, WIDTH)[used].mean(0)

    assert len(used) == 80
    for stage, times in enumerate((1, 2, 3)):
        own = detector.roi_heads.stages[stage].box_predictor["bbox_pred"].weight
        torch.testing.assert_close(own.detach(), times * deltas)
    torch.testing.assert_close(
        detector.roi_heads.mask_predictor.mask_fcn_logits.bias.detach(),
        file["roi_heads.mask_predictor.mask_fcn_logits.bias"][used].mean(0, keepdim=True),
    )


@pytest.mark.usefixtures("small_body")
def test_the_first_version_normalises_without_an_epsilon():
    detector, _, file = loaded(1)
    variance, mean = (file[f"backbone.body.bn1.running_{name}"] for name in ("var", "mean"))
    images = torch.randn(1, 8, 5, 5)

    expected = (images - mean[:, None, None]) / variance[:, None, None].sqrt()
    expected = (
        expected * file["backbone.body.bn1.weight"][:, None, None] + file["backbone.body.bn1.bias"][:, None, None]
    )

    torch.testing.assert_close(detector.backbone.body.bn1(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("small_body")
def test_all_classes_of_the_file_may_be_kept():
    detector, report, file = loaded(2, n_classes=90)

    assert not report.not_loaded
    assert report.fate["roi_heads.mask_predictor.mask_fcn_logits.weight"] == "loaded"
    assert torch.equal(
        detector.roi_heads.mask_predictor.mask_fcn_logits.bias,
        file["roi_heads.mask_predictor.mask_fcn_logits.bias"][1:],
    )


@pytest.mark.usefixtures("small_body")
def test_grey_images_and_other_ratios_are_minded():
    detector, report, _ = loaded(2, in_channels=1, aspect_ratios=(0.25, 0.5, 1.0, 2.0, 4.0))

    assert detector.config.aspect_ratios == (0.5, 1.0, 2.0)
    assert report.fate["backbone.body.conv1.weight"] == "colours summed"


@pytest.mark.usefixtures("small_body")
def test_weights_are_read_from_a_file(tmp_path):
    torch.save(released(1), tmp_path / "coco.pth")

    tensors, source = read_weights(str(tmp_path / "coco.pth"))

    assert source.endswith("coco.pth")
    assert "roi_heads.stages.0.box_head.layers.1.weight" in tensors
    assert "roi_heads.mask_head.3.0.weight" in tensors


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    tensors, _ = read_weights(str(tmp_path / "other.pth"))

    with pytest.raises(WrongOption, match=saying(nets_messages.weights_lack)):
        fitted_config(PRESETS["balanced"], tensors)
    with pytest.raises(WrongOption, match=saying(nets_messages.weights_do_not_fit_detector)):
        load_detector(Detector(PRESETS["tiny"]), tensors, "other.pth")


def test_a_detector_of_other_classes_gives_all_but_its_classifiers():
    torch.manual_seed(0)
    many, one = Detector(replace(PRESETS["tiny"], n_classes=5)), Detector(PRESETS["tiny"])

    report = load_detector(one, many.state_dict(), "many")

    assert len(report.not_loaded) == 6
    assert torch.equal(one.state_dict()["backbone.body.bn1.weight"], many.state_dict()["backbone.body.bn1.weight"])


def test_the_backbone_can_be_had_by_other_methods(tmp_path):
    torch.manual_seed(0)
    detector = Detector(replace(PRESETS["fast"], in_channels=1))
    detector.expect([0.2], [0.3])
    torch.save({f"net.{name}": value for name, value in detector.state_dict().items()}, tmp_path / "run.pth")
    encoder = ResNetEncoder("resnet18", 1)

    report = load_encoder(encoder, "resnet18", str(tmp_path / "run.pth"))

    assert not report.not_loaded
    assert torch.equal(encoder.layer4[1].conv2.weight, detector.backbone.body.layer4[1].conv2.weight)
    assert report.inputs == (pytest.approx([0.2]), pytest.approx([0.3]))
