import pytest
import torch

from napari_cellseg_ssl.core.nets.ambiguity_unet import AmbiguityUNet
from napari_cellseg_ssl.core.nets.resnet_encoder import ResNetEncoder
from napari_cellseg_ssl.core.training.field_moments import measure, replay


def network(name="resnet18", depth=2, channels=3, **options):
    torch.manual_seed(0)
    return AmbiguityUNet(ResNetEncoder(name, channels, depth=depth), channels, **{"width": 4, **options})


@pytest.mark.parametrize(
    ("name", "depth", "n_parameters"), [("resnet50", 4, 39_403_021), ("wide_resnet50_2", 3, 28_838_157)]
)
def test_the_published_networks_have_their_number_of_parameters(name, depth, n_parameters):
    net = network(name, depth, width=24)

    assert sum(p.numel() for p in net.parameters()) == n_parameters


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 1), ("resnet18", 4), ("wide_resnet50_2", 3)])
def test_predictions_are_as_large_as_the_image(name, depth):
    net = network(name, depth).eval()

    logits, distance = net(torch.zeros(2, 3, net.multiple_of, 3 * net.multiple_of))

    assert logits.shape == (2, 4, net.multiple_of, 3 * net.multiple_of)
    assert distance.shape == (2, 1, net.multiple_of, 3 * net.multiple_of)


def test_the_ablations_lack_the_proxy_or_the_distance():
    net = network(has_proxy=False, has_distance=False)

    logits, distance = net(torch.zeros(1, 3, 16, 16))

    assert logits.shape[1] == 3
    assert distance is None


def test_shared_blocks_learn_from_both_heads_and_each_decoder_from_its_own():
    for head, other in (("logits", "distance_decoder"), ("distance", "class_decoder")):
        net = network()
        getattr(net(torch.randn(2, 3, 32, 32)), head).square().mean().backward()

        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.skips.parameters())
        assert all(p.grad is None for p in getattr(net, other).parameters())


@pytest.mark.parametrize("depth", [1, 2])
def test_pixels_beyond_the_reach_do_not_matter_once_the_statistics_are_given(depth):
    net = network(depth=depth, channels=1).eval()
    image = torch.randn(1, 1, 256, 256)
    found = []
    with torch.inference_mode():
        net(image, measure(found))
        other = image.clone()
        other[..., : 128 - net.reach - net.multiple_of] += 5
        one, two = (net(each, replay(found)).logits[..., 128:] for each in (image, other))

    assert torch.equal(one, two)


def test_given_statistics_of_the_same_image_change_nothing():
    net = network(channels=1).eval()
    image = torch.randn(1, 1, 64, 64)
    found = []
    with torch.inference_mode():
        torch.testing.assert_close(net(image, measure(found)).logits, net(image).logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(net(image, replay(found)).logits, net(image).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_are_scaled_as_those_the_encoder_was_trained_on(channels):
    net = network(channels=channels)
    net.expect()

    expected = torch.tensor([0.485, 0.456, 0.406]) if channels == 3 else torch.full((channels,), 0.449)
    torch.testing.assert_close(net.input_mean.flatten(), expected)
