import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.methods.cellulus.loss import (
    disc_shifts,
    distance_penalty,
    lightness,
    offset_length,
    pair_loss,
    trivial_loss,
)


def perfect_offsets(centre, shape=(14, 17)):
    """Offsets of every pixel to one centre, (1, 2, *shape)."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in shape), indexing="ij")
    return torch.stack([centre[0] - rows, centre[1] - columns])[None]


def brute_force(offsets, radius, tau):
    """Mean penalty over all unordered pairs up to `radius` apart, weighted as shifts weigh them: all alike."""
    _, height, width = offsets.shape
    values = []
    for y in range(height):
        for x in range(width):
            for v in range(height):
                for u in range(width):
                    apart = (v - y) ** 2 + (u - x) ** 2
                    if (v, u) > (y, x) and apart <= radius**2:
                        residual = offsets[:, v, u] - offsets[:, y, x] + np.array([v - y, u - x])
                        values.append(1 - np.exp(-(residual**2).sum() / tau))
    return np.mean(values)


def test_penalties_have_the_published_shape():
    squared = torch.tensor([0.0, 9.0, 1e6], dtype=torch.float64)

    code, paper = distance_penalty(squared, 10.0), distance_penalty(squared, 10.0, "paper")

    assert code.tolist() == pytest.approx([0.0, 0.59343, 1.0], abs=1e-5)
    assert paper.tolist() == pytest.approx([0.5, 0.5 * (1 + np.tanh(0.45)), 1.0])


def test_the_penalty_of_three_pixels_has_the_published_slope():
    length = torch.tensor(3.0, requires_grad=True)

    distance_penalty(length**2, 10.0).backward()

    assert float(length.grad) == pytest.approx(0.24394, abs=1e-5)


@pytest.mark.parametrize(("radius", "ndim", "count"), [(10, 2, 158), (1, 2, 2), (10, 3, 2084)])
def test_shifts_are_one_half_of_the_disc(radius, ndim, count):
    shifts = disc_shifts(radius, ndim)

    assert len(shifts) == count
    assert not set(shifts) & {tuple(-x for x in shift) for shift in shifts}


@pytest.mark.parametrize("centre", [(0.0, 0.0), (5.0, 6.0), (-300.0, 40.5)])
def test_offsets_to_any_common_point_cost_nothing_and_are_left_alone(centre):
    offsets = perfect_offsets(centre).requires_grad_(True)

    loss = pair_loss(offsets, disc_shifts(4, 2))
    loss.backward()

    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-12)
    assert float(offsets.grad.abs().max()) == pytest.approx(0.0, abs=1e-12)


def test_a_constant_offset_changes_neither_loss_nor_gradient():
    torch.manual_seed(0)
    offsets = torch.randn(2, 2, 12, 12, dtype=torch.float64)
    shifted = offsets + torch.tensor([3.0, -8.0], dtype=torch.float64).reshape(1, 2, 1, 1)
    gradients, losses = [], []

    for field in (offsets, shifted):
        field = field.clone().requires_grad_(True)
        loss = pair_loss(field, disc_shifts(3, 2))
        (gradient,) = torch.autograd.grad(loss, field)
        losses.append(float(loss.detach()))
        gradients.append(gradient)

    assert losses[0] == pytest.approx(losses[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_no_prediction_costs_the_trivial_loss():
    shifts = disc_shifts(10, 2)

    loss = pair_loss(torch.zeros(1, 2, 400, 400), shifts)

    assert float(loss) == pytest.approx(trivial_loss(shifts, 10.0), abs=2e-3)
    assert trivial_loss(disc_shifts(9.99, 2), 10.0) == pytest.approx(0.89995, abs=1e-5)


def test_shifted_views_compare_exactly_the_pairs_of_a_brute_force_loop():
    torch.manual_seed(1)
    offsets = torch.randn(1, 2, 8, 9, dtype=torch.float64)

    loss = pair_loss(offsets, disc_shifts(4, 2))

    assert float(loss) == pytest.approx(brute_force(offsets[0].numpy(), 4, 10.0))


def test_the_gradient_is_that_of_the_formula():
    torch.manual_seed(2)
    offsets = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda o: pair_loss(o, disc_shifts(2, 2)), (offsets,))


def test_both_ends_of_a_pair_are_pulled():
    offsets = torch.zeros(1, 2, 1, 2, requires_grad=True)

    pair_loss(offsets, ((0, 1),)).backward()

    left, right = offsets.grad[0, 1, 0]
    assert float(left) == pytest.approx(-float(right))
    assert float(right) > 0


def test_the_loss_does_not_care_which_way_a_field_is_turned():
    torch.manual_seed(3)
    offsets = torch.randn(1, 2, 12, 12, dtype=torch.float64)
    every = (*disc_shifts(3, 2), *(tuple(-x for x in shift) for shift in disc_shifts(3, 2)))

    transposed = offsets.transpose(2, 3).flip(1)
    mirrored = offsets.flip(2) * torch.tensor([-1.0, 1.0], dtype=torch.float64).reshape(1, 2, 1, 1)

    assert float(pair_loss(transposed, every)) == pytest.approx(float(pair_loss(offsets, every)))
    assert float(pair_loss(mirrored, every)) == pytest.approx(float(pair_loss(offsets, every)))


def test_equal_weights_change_nothing_and_pixels_without_weight_do_not_count():
    torch.manual_seed(4)
    offsets, shifts = torch.randn(2, 3, 6, 7, 8, dtype=torch.float64), disc_shifts(2, 3)
    left = torch.zeros(2, 1, 6, 7, 8, dtype=torch.float64)
    left[..., :4] = 1

    alike = pair_loss(offsets, shifts, weights=torch.full_like(left, 0.3))

    assert float(alike) == pytest.approx(float(pair_loss(offsets, shifts)))
    assert float(pair_loss(offsets, shifts, weights=left)) == pytest.approx(float(pair_loss(offsets[..., :4], shifts)))


def test_bright_pixels_weigh_one_and_dark_ones_what_is_said():
    pixels = torch.zeros(1, 2, 10, 10)
    pixels[..., 4:6, 4:6] = 1.5

    weights = lightness(pixels, torch.zeros(1, 2, 4, 4), 0.1)

    assert weights.shape == (1, 1, 4, 4)
    assert float(weights[0, 0, 1, 1]) == 1.0
    assert float(weights[0, 0, 0, 0]) == pytest.approx(0.1)


def test_a_map_without_any_pair_is_refused():
    with pytest.raises(ValueError, match="no pair"):
        pair_loss(torch.zeros(1, 2, 2, 2), ((5, 0),))


def test_the_regulariser_has_a_finite_gradient_at_zero():
    offsets = torch.zeros(1, 2, 4, 4, requires_grad=True)

    offset_length(offsets).backward()

    assert torch.isfinite(offsets.grad).all()
