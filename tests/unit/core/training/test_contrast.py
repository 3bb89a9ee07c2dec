"""Momentum contrast, its views, and the penalty that keeps weights where they were."""

from math import log

import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg_ssl.core.training.anchored import Anchor, anchored_weights
from napari_cellseg_ssl.core.training.batch_statistics import recalibrate
from napari_cellseg_ssl.core.training.contrast import (
    ContrastNet,
    KeyQueue,
    chance_loss,
    contrast_accuracy,
    contrast_logits,
    contrast_loss,
    momentum_copy,
    queue_size,
    trail,
)
from napari_cellseg_ssl.core.training.contrast_views import random_appearance, random_view


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def unit(*shape):
    return nn.functional.normalize(torch.randn(*shape), dim=-1)


def small_encoder():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU())


def test_keys_follow_the_formula_and_take_no_gradients():
    query = ContrastNet(small_encoder(), 8, 4)
    key = momentum_copy(query)
    before = [weight.clone() for weight in key.parameters()]
    with torch.no_grad():
        for weight in query.parameters():
            weight.add_(1.0)

    trail(key, query, 0.9)

    assert not any(weight.requires_grad for weight in key.parameters())
    for now, old, fast in zip(key.parameters(), before, query.parameters(), strict=True):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * fast)


def test_the_key_network_keeps_batch_statistics_of_its_own():
    query = ContrastNet(small_encoder(), 8, 4)
    key = momentum_copy(query)
    query(torch.randn(4, 1, 8, 8) + 5)
    statistics = key.encoder[1].running_mean.clone()

    trail(key, query, 0.5)

    assert torch.equal(key.encoder[1].running_mean, statistics)


def test_any_encoder_will_do_whose_last_features_can_be_averaged():
    class Taps(nn.Module):
        def forward(self, images):
            return [images, images.repeat(1, 2, 1, 1)[..., ::2]]

    class Vector(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :2]

    images = torch.randn(3, 1, 8, 8)
    pooled = ContrastNet(Taps(), 2, 4).pooled(images)

    torch.testing.assert_close(pooled[:, 0], images[..., ::2].mean((1, 2, 3)))
    assert ContrastNet(Vector(), 2, 4)(images).norm(dim=1).allclose(torch.ones(3))


def test_the_oldest_keys_are_replaced_and_the_pointer_wraps():
    queue = KeyQueue(5, 2)
    keys = unit(8, 2)
    queue.push(keys[:4], torch.arange(4))
    queue.push(keys[4:7], torch.arange(4, 7))

    assert queue.tiles.tolist() == [5, 6, 2, 3, 4]
    assert int(queue.place) == 2
    torch.testing.assert_close(queue.keys, keys[[5, 6, 2, 3, 4]])
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(5))


def test_more_keys_than_there_is_room_for_leave_the_last():
    queue = KeyQueue(4, 2)

    queue.push(unit(7, 2), torch.arange(7))

    assert sorted(queue.tiles.tolist()) == [3, 4, 5, 6]


def test_random_features_have_the_loss_of_chance():
    queue = KeyQueue(512, 128)

    logits = contrast_logits(unit(256, 128), unit(256, 128), torch.arange(256), queue, 1.0)

    assert logits.shape == (256, 1 + 256 + 512)
    assert float(contrast_loss(logits)) == pytest.approx(log(768), abs=0.02)
    assert chance_loss(queue, 256) == pytest.approx(log(768))
    assert contrast_accuracy(logits) < 0.05


def test_the_own_key_is_in_the_denominator():
    queue = KeyQueue(1, 2)
    queue.push(torch.tensor([[0.0, 1.0]]), torch.tensor([7]))
    query = torch.tensor([[1.0, 0.0]])

    logits = contrast_logits(query, query, torch.tensor([3]), queue, 0.5)

    e = np.e**2
    assert float(contrast_loss(logits)) == pytest.approx(-np.log(e / (e + 1)))  # 0 and below without it
    assert contrast_accuracy(logits) == 1.0


def test_keys_of_the_same_tile_are_no_negatives():
    queue = KeyQueue(2, 2)
    queue.push(unit(2, 2), torch.tensor([3, 4]))

    logits = contrast_logits(unit(3, 2), unit(3, 2), torch.tensor([4, 5, 4]), queue, 0.1)

    assert torch.isinf(logits[0, 1:]).tolist() == [True, False, True, False, True]
    assert torch.isinf(logits[1, 1:]).tolist() == [False, True, False, False, False]
    assert torch.isfinite(contrast_loss(logits))


def test_a_network_that_only_keeps_changing_recognises_nothing():
    """All keys of one moment are alike, unlike the older ones of the queue: the loss is that of chance."""
    queue, now = KeyQueue(64, 8), unit(1, 8).repeat(16, 1)
    queue.push(-now.repeat(4, 1), torch.arange(100, 164))

    logits = contrast_logits(now, now, torch.arange(16), queue, 0.1)

    assert float(contrast_loss(logits)) == pytest.approx(log(16), abs=1e-3)


def test_batch_statistics_do_not_tell_which_key_is_whose():
    """Views that have nothing in common are found as often as by chance, however unlike the batches are."""
    net, queue = nn.Sequential(nn.BatchNorm2d(1, affine=False), nn.Flatten()).train(), KeyQueue(64, 36)
    found = []
    for step in range(50):
        queries, keys = (
            nn.functional.normalize(net(torch.randn(16, 1, 6, 6).abs() ** (1 + step % 3))) for _ in range(2)
        )
        tiles = torch.arange(16) + 16 * step
        found.append(contrast_accuracy(contrast_logits(queries, keys, tiles, queue, 0.1)))
        queue.push(keys, tiles)

    assert np.mean(found) < 2 / 80


@pytest.mark.parametrize(
    ("n_tiles", "batch", "wanted", "expected"),
    [(2000, 32, 512, 512), (500, 32, 512, 224), (100, 32, 512, 64), (10, 32, 512, 64), (500, 33, 4096, 231)],
)
def test_the_queue_is_as_long_as_the_data_allow(n_tiles, batch, wanted, expected):
    assert queue_size(n_tiles, batch, wanted) == expected


def test_a_view_shows_its_tile_at_least_two_objects_wide():
    rows, columns = np.mgrid[:300, :300].astype(np.float32)
    rng = np.random.default_rng(0)
    for _ in range(50):
        view = random_view(np.stack([rows, columns]), np.array([100, 50]), 96, 64, rng, narrowest=48)
        middle = view[:, 31:33, 31:33].mean((1, 2))
        step = np.hypot(*(view[:, 32, 33] - view[:, 32, 32]))
        assert view.shape == (2, 64, 64)
        assert 48 / 64 - 1e-3 <= step <= 96 / 64 + 1e-3
        assert np.all(np.abs(middle - (148, 98)) <= 96 / 2 - 48 / 2 + 1)


def test_appearance_changes_each_view_by_its_own_and_keeps_the_content():
    rng = np.random.default_rng(0)
    tile = rng.random((1, 48, 48)).astype(np.float32)
    tile[:, 10:30, 10:30] += 2

    views = random_appearance([tile] * 40, rng)

    assert views.shape == (40, 1, 48, 48)
    assert views.dtype == torch.float32
    assert torch.isfinite(views).all()
    flat = views.flatten(1).numpy()
    assert len(np.unique(flat.mean(1).round(4))) > 35
    assert min(np.corrcoef(row, tile.ravel())[0, 1] for row in flat) > 0.7


def test_channels_vary_against_each_other_where_there_are_several():
    tile = np.ones((3, 32, 32), np.float32) * np.float32([0.2, 0.5, 0.8]).reshape(3, 1, 1)

    means = random_appearance([tile] * 60, np.random.default_rng(0)).mean((2, 3))
    ratios = means[:, 0] / means[:, 1]

    assert float(ratios.std()) > 0.02
    assert 0.05 < float((ratios > 0.95).float().mean()) < 0.5  # those that became grey


def penalised():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))


def test_the_penalty_has_the_value_and_gradient_of_the_formula():
    net = penalised()
    anchor = Anchor(net, alpha=0.8, strength=0.1)
    weight = net[0].weight
    start = weight.detach().clone()
    with torch.no_grad():
        weight.add_(torch.randn_like(weight))

    loss = anchor.penalty()
    loss.backward()

    both = [net[0].weight, net[3].weight]
    starts = [start, net[3].weight]
    expected = sum(0.8 * (w - s).square().sum() + 0.2 * w.square().sum() for w, s in zip(both, starts, strict=True))
    torch.testing.assert_close(loss, 0.1 * expected)
    torch.testing.assert_close(weight.grad, 2 * 0.1 * (weight - 0.8 * start).detach())


def test_at_the_anchor_only_the_decay_pulls():
    net = penalised()
    Anchor(net, alpha=0.9, strength=0.5).penalty().backward()

    torch.testing.assert_close(net[0].weight.grad, 2 * 0.5 * (1 - 0.9) * net[0].weight.detach())


def test_normalisation_and_biases_are_free():
    net = penalised()
    Anchor(net).penalty().backward()

    assert set(anchored_weights(net)) == {"0.weight", "3.weight"}
    assert [name for name, p in net.named_parameters() if p.grad is None] == ["0.bias", "1.weight", "1.bias", "3.bias"]


@pytest.mark.parametrize("way", ["penalty", "pull"])
def test_left_alone_the_weights_end_at_alpha_times_the_anchor(way):
    net = penalised()
    start = net[0].weight.detach().clone()
    anchor = Anchor(net, alpha=0.7, strength=1.0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    with torch.no_grad():
        net[0].weight.mul_(3.0)

    for _ in range(60):
        if way == "pull":
            anchor.pull(0.1)
            continue
        optimiser.zero_grad()
        anchor.penalty().backward()
        optimiser.step()

    torch.testing.assert_close(net[0].weight.detach(), 0.7 * start, atol=1e-4, rtol=1e-4)
    assert anchor.drift() == pytest.approx(0.3, abs=1e-3)


def test_without_an_anchor_weights_drift_further():
    drifts = []
    for strength in (0.0, 1.0):
        torch.manual_seed(1)
        net = penalised()
        anchor = Anchor(net, alpha=1.0, strength=strength)
        assert anchor.drift() == 0.0
        optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
        images = torch.randn(8, 1, 3, 3)
        for _ in range(20):
            optimiser.zero_grad()
            (net(images) - 3).square().mean().backward()
            optimiser.step()
            anchor.pull(0.05)
        drifts.append(anchor.drift())

    assert drifts[1] < drifts[0] / 1.5


def test_statistics_are_plain_averages_over_the_batches():
    net = nn.Sequential(nn.BatchNorm2d(1)).eval()
    batches = [torch.full((2, 1, 4, 4), value) for value in (1.0, 2.0, 6.0)]

    recalibrate(net, batches)

    assert float(net[0].running_mean) == pytest.approx(3.0)
    assert net[0].momentum == 0.1
    assert not net.training
