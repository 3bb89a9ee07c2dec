import pytest
import torch

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder, offline_hint
from napari_cellseg_ssl.core.nets.norms import NORMS
from napari_cellseg_ssl.core.nets.resnest_encoder import SPLIT_DESIGNS, ResNeStEncoder, SplitAttention
from napari_cellseg_ssl.core.nets.resnet_encoder import Design, ResNetEncoder

N_PARAMETERS = {
    "resnest14d": 8.563,
    "resnest26d": 15.020,
    "resnest50d": 25.434,
    "resnest101e": 46.226,
    "resnest200e": 68.153,
}
"""Millions, of the released networks of these names, their classifiers left out."""


@pytest.mark.parametrize("name", SPLIT_DESIGNS)
def test_networks_are_as_large_as_the_released_ones(name):
    with torch.device("meta"):
        encoder = ResNeStEncoder(name)

    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(N_PARAMETERS[name], abs=5e-4)


def test_tensors_have_the_released_names():
    with torch.device("meta"):
        names = set(ResNeStEncoder("resnest50d").state_dict())

    assert {
        "conv1.0.weight",
        "conv1.1.running_mean",
        "conv1.6.weight",
        "bn1.weight",
        "layer1.0.conv2.conv.weight",
        "layer1.0.conv2.bn0.weight",
        "layer1.0.conv2.fc1.bias",
        "layer1.0.conv2.bn1.running_var",
        "layer1.0.conv2.fc2.weight",
        "layer1.0.downsample.1.weight",
        "layer4.2.bn3.bias",
    } <= names
    assert "layer1.0.downsample.0.weight" not in names


def test_features_are_as_announced():
    encoder = ResNeStEncoder("resnest14d", 2, norm=NORMS["group"]).eval()

    taps = encoder(torch.zeros(1, 2, 64, 96))

    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (64, 32, 48),
        (256, 16, 24),
        (512, 8, 12),
        (1024, 4, 6),
        (2048, 2, 3),
    ]
    assert encoder.widths == tuple(tap.shape[1] for tap in taps)


def test_attention_adds_up_to_one():
    attention = SplitAttention(8, NORMS["group"]).attention(torch.randn(2, 2, 8, 5, 5))

    assert attention.shape == (2, 2, 8, 1, 1)
    torch.testing.assert_close(attention.sum(1), torch.ones(2, 8, 1, 1))


def test_one_image_is_enough_without_batch_normalisation():
    encoder = ResNeStEncoder("resnest14d", norm=NORMS["group"]).train()

    encoder(torch.randn(1, 3, 64, 64))[-1].sum().backward()

    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_frozen_normalisation_neither_moves_nor_learns():
    encoder = ResNetEncoder(Design((1, 1, 1, 1), width=8), norm=NORMS["frozen"]).train()
    before = encoder.bn1.running_mean.clone()

    encoder(torch.randn(1, 3, 64, 64) + 5)

    assert torch.equal(encoder.bn1.running_mean, before)
    assert not encoder.bn1.weight.requires_grad
    assert encoder.widths == (8, 8, 16, 32, 64)


def test_released_weights_are_loaded_and_where_there_are_none_that_is_said(tmp_path):
    released = {**ResNeStEncoder("resnest14d").state_dict(), "fc.weight": torch.zeros(1000, 2048)}
    torch.save(released, tmp_path / "weights.pth")
    encoder = ResNeStEncoder("resnest14d", 1)

    report = load_encoder(encoder, "resnest14d", str(tmp_path / "weights.pth"))

    assert not report.not_loaded
    assert report.fate["conv1.0.weight"] == "colours summed"
    assert torch.equal(encoder.layer3[0].conv2.fc2.bias, released["layer3.0.conv2.fc2.bias"])
    with pytest.raises(WrongOption, match="No released weights are known for resnest14d"):
        load_encoder(encoder, "resnest14d", "imagenet")
    assert "weights_step1/resnest50-528c19ca.pth" in offline_hint("resnest50d")
