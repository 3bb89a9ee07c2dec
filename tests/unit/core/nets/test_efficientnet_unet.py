import hashlib
import re
import urllib.request
from urllib.error import URLError

import pytest
import torch

from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.nets import efficientnet_unet
from napari_cellseg_ssl.core.nets import messages as nets_messages
from napari_cellseg_ssl.core.nets.efficientnet_unet import STEM, EfficientNetUNet, imagenet_file
from saying import saying


@pytest.fixture(scope="module")
def net():
    return EfficientNetUNet(1)


@pytest.fixture(scope="module")
def released(net):
    """Weights as the original release names them, for colour images."""
    pattern = re.compile(r"(.+)\.\d+(\.\d+\..+)")
    weights = {
        pattern.sub(r"\1\2", name): torch.full_like(value, 0.01) for name, value in net.net.encoder.state_dict().items()
    }
    return {**weights, STEM: torch.randn(48, 3, 3, 3)}


def test_logits_are_as_large_as_the_image(net):
    assert net.eval()(torch.zeros(1, 1, 64, 96)).shape == (1, 3, 64, 96)


def test_released_weights_are_taken_from_a_file_and_colours_summed(released, tmp_path):
    file = tmp_path / "b5.pth"
    torch.save(released, file)

    encoder = EfficientNetUNet(1, weights=str(file)).net.encoder.state_dict()

    torch.testing.assert_close(encoder[STEM], released[STEM].sum(1, keepdim=True))
    assert encoder["_conv_head.weight"].flatten()[0].item() == pytest.approx(0.01)


def test_a_file_of_another_network_is_refused(tmp_path):
    file = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(1)}, file)

    with pytest.raises(WrongOption, match="EfficientNet-B5"):
        EfficientNetUNet(1, weights=str(file))


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    file = tmp_path / "damaged.pth"
    file.write_bytes(b"not weights")
    with pytest.raises(WrongOption, match="cannot be read"):
        EfficientNetUNet(1, weights=str(file))
    with pytest.raises(WrongOption, match=saying(nets_messages.no_such_weight_file)):
        EfficientNetUNet(1, weights=str(tmp_path / "absent.pth"))


def test_without_a_network_the_offline_choice_is_named(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)

    with pytest.raises(WrongOption) as problem:
        imagenet_file()

    assert "encoder=small" in problem.value.hint
    assert efficientnet_unet.WEIGHTS_URL in problem.value.hint


def test_a_download_is_checked_by_its_hash(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    content = b"weights"
    address = (tmp_path / "source.bin").as_uri()
    (tmp_path / "source.bin").write_bytes(content)
    name = efficientnet_unet.WEIGHTS_URL.rpartition("/")[2]
    real = urllib.request.urlopen
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: real(address))

    with pytest.raises(WrongOption, match="hash"):
        imagenet_file()
    monkeypatch.setattr(efficientnet_unet, "WEIGHTS_SHA256", hashlib.sha256(content).hexdigest()[:8])

    assert imagenet_file() == tmp_path / "checkpoints" / name
