import pytest
import torch

from napari_cellseg_ssl.core.nets.encoder_weights import begin_with
from napari_cellseg_ssl.core.nets.names import RESNETS
from napari_cellseg_ssl.core.nets.resnet_encoder import DESIGNS, ResNetEncoder
from napari_cellseg_ssl.core.nets.resnet_unet import ResNetUNet


def network(name="resnet18", depth=2, channels=1, width=4):
    torch.manual_seed(0)
    return ResNetUNet(ResNetEncoder(name, channels, depth=depth), channels, width=width)


def test_options_offer_all_encoders():
    assert tuple(DESIGNS) == RESNETS


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 1), ("resnet34", 4), ("wide_resnet50_2", 3)])
def test_logits_are_as_large_as_the_image(name, depth):
    net = network(name, depth, channels=2).eval()

    assert net(torch.zeros(2, 2, net.multiple_of, 3 * net.multiple_of)).shape == (
        2,
        3,
        net.multiple_of,
        3 * net.multiple_of,
    )


def test_all_weights_learn():
    net = network()
    net(torch.randn(2, 1, 32, 32)).square().mean().backward()

    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 1), ("resnet18", 2), ("resnet50", 2)])
def test_pixels_beyond_the_reach_do_not_matter_and_the_halo_holds_it(name, depth):
    net = network(name, depth).eval()
    image = torch.randn(1, 1, 256, 256)
    other = image.clone()
    other[..., : 128 - net.reach] += 5
    with torch.inference_mode():
        one, two = (net(each)[..., 128:] for each in (image, other))

    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
    assert net.reach <= net.halo < net.reach + net.multiple_of


def test_the_halo_is_bounded():
    net = network("resnet50", 4)

    assert net.reach > net.halo == 128
    assert net.halo % net.multiple_of == 0


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_are_scaled_as_those_the_encoder_was_trained_on(channels, tmp_path):
    torch.save(ResNetEncoder("resnet18").state_dict(), tmp_path / "released.pth")
    net = network(channels=channels)

    report = begin_with(net, "resnet18", str(tmp_path / "released.pth"))

    assert "60 of 60 tensors" in str(report)
    expected = torch.tensor([0.485, 0.456, 0.406]) if channels == 3 else torch.full((channels,), 0.449)
    torch.testing.assert_close(net.input_mean.flatten(), expected)
