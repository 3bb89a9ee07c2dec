import hashlib
import urllib.request
from urllib.error import URLError

import pytest
import torch

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.nets import encoder_weights
from napari_cellseg_ssl.core.nets.encoder_weights import load_encoder
from napari_cellseg_ssl.core.nets.resnet_encoder import DESIGNS, ResNetEncoder, freeze_statistics

N_PARAMETERS = {
    "resnet18": 11_176_512,
    "resnet34": 21_284_672,
    "resnet50": 23_508_032,
    "wide_resnet50_2": 66_834_240,
}
"""Of torchvision's networks of these names, their classifiers of 1000 classes left out."""


@pytest.fixture(scope="module")
def released():
    """A whole network as it is released: encoder and classifier."""
    return {**ResNetEncoder("resnet18").state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def written(folder, content):
    file = folder / "weights.pth"
    torch.save(content, file)
    return str(file)


def same(encoder, tensors):
    return all(torch.equal(value, tensors[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("name", DESIGNS)
def test_networks_are_as_large_as_the_released_ones(name):
    assert sum(p.numel() for p in ResNetEncoder(name).parameters()) == N_PARAMETERS[name]


def test_tensors_have_the_released_names():
    names = set(ResNetEncoder("resnet50").state_dict())

    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= names
    assert len(names) == 318


def test_features_are_as_announced():
    encoder = ResNetEncoder("resnet34", 2, depth=3)

    taps = encoder(torch.zeros(1, 2, 64, 96))

    assert [tuple(tap.shape[1:]) for tap in taps] == [(64, 32, 48), (64, 16, 24), (128, 8, 12), (256, 4, 6)]
    assert encoder.widths == (64, 64, 128, 256)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_reach_is_that_of_the_gradient(name):
    encoder = ResNetEncoder(name, 1, depth=2).eval()
    image = torch.randn(1, 1, 256, 256, requires_grad=True)

    for tap, reach in zip(encoder(image), encoder.reaches, strict=True):
        middle = tap.shape[-1] // 2
        (gradient,) = torch.autograd.grad(tap[..., middle, middle].sum(), image, retain_graph=True)
        touched = gradient[0, 0].abs().sum(0).nonzero()
        assert (touched - middle * (256 // tap.shape[-1])).abs().max() <= reach


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w, "epoch": 3}])
def test_a_file_with_released_names_is_loaded_whole(released, tmp_path, wrap):
    encoder = ResNetEncoder("resnet18")

    report = load_encoder(encoder, "resnet18", written(tmp_path, wrap(released)))

    assert same(encoder, released)
    assert "120 of 120 tensors" in str(report)
    assert report.left_out == ("fc.weight", "fc.bias")


def test_of_a_momentum_contrast_checkpoint_the_query_encoder_is_taken(released, tmp_path):
    other = ResNetEncoder("resnet18").state_dict()
    content = {f"module.encoder_k.{name}": value for name, value in other.items()}
    content |= {f"module.encoder_q.{name}": value for name, value in released.items()}
    encoder = ResNetEncoder("resnet18")

    report = load_encoder(
        encoder, "resnet18", written(tmp_path, {"state_dict": {**content, "module.queue": other["conv1.weight"]}})
    )

    assert same(encoder, released)
    assert not report.not_loaded


def test_safetensors_and_networks_around_the_encoder_are_read(released, tmp_path):
    from safetensors.torch import save_file

    file = tmp_path / "weights.safetensors"
    save_file({f"net.0.encoder.{name}": value.clone() for name, value in released.items()}, file)
    encoder = ResNetEncoder("resnet18", depth=3)

    report = load_encoder(encoder, "resnet18", str(file))

    assert same(encoder, released)
    assert any(name.startswith("layer4.") for name in report.left_out)


def test_colours_are_summed_for_grey_images(released, tmp_path):
    encoder = ResNetEncoder("resnet18", 1)

    report = load_encoder(encoder, "resnet18", written(tmp_path, released))

    torch.testing.assert_close(encoder.conv1.weight.detach(), released["conv1.weight"].sum(1, keepdim=True))
    assert report.fate["conv1.weight"] == "colours summed"


def test_what_was_not_loaded_is_said_tensor_by_tensor(released, tmp_path):
    fewer = {name: value for name, value in released.items() if name != "layer2.0.conv1.weight"}
    fewer["layer3.0.conv2.weight"] = torch.zeros(2, 2, 3, 3)

    report = load_encoder(ResNetEncoder("resnet18"), "resnet18", written(tmp_path, fewer))

    assert report.not_loaded == ("layer2.0.conv1.weight", "layer3.0.conv2.weight")
    assert "layer2.0.conv1.weight (missing)" in str(report)
    assert "shape (2, 2, 3, 3) instead of (256, 256, 3, 3)" in str(report)


def test_a_file_of_another_network_is_refused(released, tmp_path):
    with pytest.raises(WrongOption, match="does not hold weights of resnet50"):
        load_encoder(ResNetEncoder("resnet50"), "resnet50", written(tmp_path, released))
    with pytest.raises(WrongOption, match="0 of 100 tensors"):
        load_encoder(ResNetEncoder("resnet18"), "resnet18", written(tmp_path, {"weight": torch.zeros(1)}))


def test_a_file_that_could_run_code_is_refused(tmp_path):
    class Anything:
        def __reduce__(self):
            return (print, ("code",))

    with pytest.raises(WrongOption, match="cannot be read"):
        load_encoder(ResNetEncoder("resnet18"), "resnet18", written(tmp_path, {"conv1.weight": Anything()}))


def test_without_a_network_the_offline_choice_is_named(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)

    with pytest.raises(WrongOption, match="cannot be downloaded") as problem:
        load_encoder(ResNetEncoder("resnet18"), "resnet18", "imagenet")

    assert "encoder_weights=none" in problem.value.hint
    assert "https://download.pytorch.org/models/resnet18-" in problem.value.hint


def test_downloaded_weights_are_checked_by_their_hash(monkeypatch, tmp_path, released):
    source = tmp_path / "source.pth"
    torch.save(released, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
    real = urllib.request.urlopen
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: real(source.as_uri()))

    with pytest.raises(WrongOption, match="hash"):
        load_encoder(ResNetEncoder("resnet18"), "resnet18", "imagenet")
    monkeypatch.setitem(encoder_weights.RELEASED, "resnet18", f"resnet18-{digest}.pth")
    encoder = ResNetEncoder("resnet18")
    load_encoder(encoder, "resnet18", "imagenet")

    assert same(encoder, released)


def test_frozen_statistics_do_not_move():
    encoder = ResNetEncoder("resnet18", depth=1).train()
    freeze_statistics(encoder)
    before = encoder.bn1.running_mean.clone()

    encoder(torch.randn(2, 3, 32, 32) + 5)

    assert torch.equal(encoder.bn1.running_mean, before)
