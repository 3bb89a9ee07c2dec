import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet


def small_net(**changes):
    torch.manual_seed(0)
    return CellulusUNet(1, **{"first": 4, "increase": 2, "last": 4, **changes})


@pytest.mark.parametrize(
    ("first", "increase", "last", "parameters"), [(64, 3, 64, 759_810), (24, 3, 64, 184_410), (16, 2, 16, 29_122)]
)
def test_the_network_has_the_published_number_of_parameters(first, increase, last, parameters):
    net = CellulusUNet(1, first=first, increase=increase, last=last)

    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize(
    ("depth", "size", "expected"),
    [(1, 18, 2), (1, 20, 4), (1, 252, 236), (2, 44, 4), (2, 252, 212), (3, 100, 8), (3, 252, 160)],
)
def test_an_axis_shrinks_as_valid_convolutions_say(depth, size, expected):
    net = small_net(depth=depth)

    with torch.no_grad():
        offsets = net(torch.zeros(1, 1, size, net.smallest_input(3)))

    assert net.output_size(size) == expected
    assert offsets.shape[2] == expected
    assert offsets.shape[3] >= 3


@pytest.mark.parametrize(("depth", "context"), [(1, 16), (2, 40), (3, 92)])
def test_the_context_follows_from_the_depth(depth, context):
    assert small_net(depth=depth).context == context


@pytest.mark.parametrize(("depth", "size"), [(1, 19), (1, 16), (2, 46), (2, 40), (3, 96), (3, 92)])
def test_an_axis_that_cannot_be_pooled_is_refused_and_not_cropped(depth, size):
    net = small_net(depth=depth)

    with pytest.raises(ValueError, match=r"pooled evenly|field of view"):
        net(torch.zeros(1, 1, size, size))


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match="depth=4"):
        small_net(depth=4)


def test_an_output_pixel_sees_18_pixels_whatever_its_phase():
    net = small_net(first=16, last=16)
    net.pool = nn.AvgPool2d(2)  # a maximum hides pixels that happen not to be the largest
    image = torch.rand(1, 1, 40, 40, requires_grad=True)
    offsets = net(image)

    for at in (10, 11):
        (gradient,) = torch.autograd.grad(offsets[0, :, at, at].sum(), image, retain_graph=True)
        rows = gradient[0, 0].abs().sum(dim=1).nonzero().ravel()
        assert rows[-1] - rows[0] + 1 == 18
        assert rows[0] <= at <= rows[-1]


def test_a_shift_by_the_pooling_factor_shifts_the_offsets_exactly():
    net = small_net().eval()
    image = torch.rand(1, 1, 60, 60)

    with torch.no_grad():
        whole, shifted = net(image), net(image[..., 2:, 4:])

    torch.testing.assert_close(shifted, whole[..., 2:, 4:], rtol=1e-4, atol=1e-5)


def test_transposing_image_and_kernels_exchanges_the_components():
    net, other = small_net().eval(), small_net().eval()
    for parameter in other.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.transpose(2, 3).contiguous()
    last = other.head[-1]
    last.weight.data, last.bias.data = last.weight.data.flip(0), last.bias.data.flip(0)
    image = torch.rand(1, 1, 30, 44)

    with torch.no_grad():
        offsets, exchanged = net(image), other(image.transpose(2, 3))

    torch.testing.assert_close(exchanged, offsets.flip(1).transpose(2, 3), rtol=1e-4, atol=1e-5)


def test_volumes_give_three_components():
    with torch.no_grad():
        offsets = small_net(ndim=3)(torch.zeros(1, 1, 18, 20, 22))

    assert tuple(offsets.shape) == (1, 3, 2, 4, 6)
    assert np.isfinite(offsets.numpy()).all()
