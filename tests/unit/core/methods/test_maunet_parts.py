import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg_ssl.core.methods.maunet.options import MaunetOptions
from napari_cellseg_ssl.core.methods.maunet.sampling import Sampler
from napari_cellseg_ssl.core.methods.maunet.targets import targets
from napari_cellseg_ssl.core.nets.ambiguity_unet import Prediction
from napari_cellseg_ssl.core.training.ambiguity_losses import disagreement, distance_loss, masked_dice, masked_focal
from napari_cellseg_ssl.core.training.frames import Frame

BACKGROUND, INTERIOR, BOUNDARY, UNKNOWN = 0, 1, 2, -1
AMBIGUOUS, WRONG, SURE = [0.0, 0.1, 0.0, 0.5], [3.0, 0.0, 0.0, 0.5], [-4.0, 6.0, -4.0, -1.0]
"""Logits of one pixel whose class is interior; the last one is the proxy's."""


def disk(radius, side=64):
    y, x = np.mgrid[:side, :side] - side // 2
    return (y**2 + x**2 <= radius**2).astype(np.int32)


def test_a_cells_border_lies_on_both_sides_of_its_edge_and_grows_with_its_size():
    for radius, reach in ((15, 1), (30, 2)):  # areas 709 and 2821: sqrt / 40 = 0.7 and 1.3
        row = targets(disk(radius, 128)).classes[64, 64:]

        edge = radius  # the cell's last pixel, counted from its middle
        assert (row[: edge - reach] == INTERIOR).all()
        assert (row[edge - reach : edge + reach + 1] == BOUNDARY).all()
        assert (row[edge + reach + 1 :] == BACKGROUND).all()


def test_closeness_is_one_in_the_core_and_that_of_the_formula_at_the_rim():
    cells = disk(20)

    closeness = targets(cells).closeness

    assert closeness.max() == 1.0
    assert closeness[32, 32] == 1.0
    assert (closeness[cells == 0] == 0).all()
    deepest = 18.0  # from the middle to where interior ends, 2 px before the rim
    assert closeness[32, 52] == pytest.approx(1 / (1 + deepest / np.sqrt(cells.sum())), abs=2e-3)
    assert 0.62 < closeness[32, 52] < 0.67  # 1 / (1 + 1 / sqrt(pi)) for a disk without a border


def test_closeness_does_not_depend_on_magnification():
    small, large = (targets(disk(radius, 256)).closeness for radius in (30, 90))

    for share in (0.0, 0.3, 0.6):
        assert small[128, 128 + round(share * 30)] == pytest.approx(large[128, 128 + round(share * 90)], abs=0.02)


def test_the_core_of_a_ring_runs_around_in_it():
    ring = disk(25) - disk(12)

    closeness = targets(ring).closeness

    for along in (closeness[32, 32:], closeness[32:, 32], closeness[32, 32::-1]):
        assert along[18:20].max() > 0.95
        assert along[0] == 0
        assert along[14] < along[16] < along[18]


def test_touching_cells_have_a_border_between_them_whatever_their_order():
    cells = np.zeros((40, 60), np.int32)
    cells[10:30, 10:30], cells[10:30, 30:50] = 1, 2

    one, other = (targets(each) for each in (cells, np.where(cells, 3 - cells, 0)))

    assert (one.classes[15:25, 28:32] == BOUNDARY).all()
    assert np.array_equal(one.classes, other.classes)
    assert np.array_equal(one.closeness, other.closeness)


def test_small_cells_keep_their_interior_and_their_core():
    cells = np.zeros((30, 40), np.int32)
    cells[5, 5], cells[15:17, 10:15] = 7, 9

    found = targets(cells)

    assert (found.classes[cells > 0] == INTERIOR).all()
    assert found.classes[5, 6] == BOUNDARY
    assert found.closeness[5, 5] == 1.0
    assert found.closeness[cells == 9].max() == 1.0


def test_any_ids_do():
    cells = np.zeros((40, 60), np.int64)
    cells[10:30, 10:30], cells[10:30, 30:50] = 70_000, 2**31 - 5
    simple = np.where(cells > 70_000, 2, np.where(cells > 0, 1, 0))

    assert np.array_equal(targets(cells).classes, targets(simple).classes)


def test_what_is_unknown_stays_so_and_an_unknown_side_leaves_the_outermost_pixels_open():
    cells = disk(15)
    known = np.ones_like(cells, bool)
    known[:, :20] = False  # cuts through the left of the cell and what is beside it

    found = targets(cells, known)

    assert (found.classes[:, :20] == UNKNOWN).all()
    assert (found.closeness[:, :20] == UNKNOWN).all()
    assert (found.classes[28:36, 20] == UNKNOWN).all()
    assert (found.classes[28:36, 21] == BOUNDARY).all()


def test_of_cells_that_the_edge_cuts_no_border_is_drawn_there_and_the_core_is_not_guessed():
    cells = disk(15)[:, 30:]

    found = targets(cells)

    assert found.classes[32, 0] == INTERIOR
    assert (found.closeness[cells > 0] == UNKNOWN).all()
    assert (found.closeness[cells == 0] == 0).all()


def test_crops_have_the_targets_of_the_whole_image():
    cells = np.zeros((96, 96), np.int32)
    cells[20:50, 20:50], cells[60:90, 3:40] = 1, 2
    frame = Frame(pixels=(cells > 0)[None].astype(np.float32), cells=cells, known=np.ones_like(cells, bool))
    options = MaunetOptions(crop=32, rescaled=0.0, pasted=0.0, working_diameter=40.0)
    whole = targets(cells)
    seen = {(c, round(float(d), 4)) for c, d in zip(whole.classes.flat, whole.closeness.flat, strict=True)}

    batch = Sampler([frame], options).labelled(np.random.default_rng(3), 16)

    assert batch.images.shape == (16, 1, 32, 32)
    rigid = (batch.images == 0) | (batch.images == 1)  # neither bent nor interpolated
    plain = [i for i in range(16) if rigid[i].all()]
    assert plain
    for i in plain:
        known = batch.closeness[i] >= 0
        pairs = zip(batch.classes[i][known].tolist(), batch.closeness[i][known].tolist(), strict=True)
        assert np.mean([(c, round(d, 4)) in seen for c, d in pairs]) > 0.95


def slope_of_proxy(loss, logits):
    """Derivative of a loss by the proxy's logit at a pixel whose class is interior."""
    values = torch.tensor(logits).reshape(1, 4, 1, 1).requires_grad_()
    loss(values, torch.ones(1, 1, 1, dtype=torch.long)).backward()
    return float(values.grad[0, 3])


@pytest.mark.parametrize("logits", [SURE, AMBIGUOUS, WRONG])
def test_losses_of_the_true_class_alone_empty_the_proxy_everywhere(logits):
    assert slope_of_proxy(lambda x, y: nn.functional.cross_entropy(x, y), logits) > 0
    assert slope_of_proxy(lambda x, y: masked_focal(x, y, as_published=False), logits) > 0


def test_the_published_focal_loss_fills_the_proxy_where_classes_are_in_doubt_or_wrong():
    assert slope_of_proxy(masked_focal, AMBIGUOUS) < 0
    assert slope_of_proxy(masked_focal, WRONG) < 0
    assert 0 < slope_of_proxy(masked_focal, SURE) < 0.01


def contradicted(as_published, steps=400):
    """Proxy of pixels whose labels contradict each other, and of clean ones, after training a small classifier."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    centres = np.array([[-4, 0], [4, 0], [0, 4], [0, -4]])
    group = np.repeat(np.arange(4), 200)
    features = torch.from_numpy((centres[group] + rng.normal(0, 0.3, (800, 2))).astype(np.float32))
    labels = torch.from_numpy(np.where(group < 3, group, rng.integers(0, 3, 800)))
    net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 4))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(steps):
        logits = net(features).T.reshape(1, 4, 20, 40)
        classes = labels.reshape(1, 20, 40)
        loss = masked_dice(logits, classes) + masked_focal(logits, classes, as_published=as_published)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    proxy = net(features).softmax(1)[:, 3].detach().numpy()
    return proxy[group == 3].mean(), proxy[group < 3].max()


def test_the_proxy_takes_up_contradictory_labels_with_the_published_focal_loss_only():
    contradictory, clean = contradicted(as_published=True)
    assert contradictory > 0.9
    assert clean < 0.01

    assert max(contradicted(as_published=False)) < 0.01


@pytest.mark.parametrize("loss", [masked_dice, masked_focal, lambda x, y: masked_focal(x, y, as_published=False)])
def test_unknown_pixels_do_not_count(loss):
    torch.manual_seed(0)
    logits, classes = torch.randn(2, 4, 8, 8), torch.randint(0, 3, (2, 8, 8))
    classes[:, :, 4:] = UNKNOWN
    classes[1] = UNKNOWN
    other = torch.where((classes == UNKNOWN)[:, None], torch.randn(2, 4, 8, 8), logits)

    torch.testing.assert_close(loss(logits, classes), loss(other, classes))
    torch.testing.assert_close(loss(logits, classes), loss(logits[:1, ..., :4], classes[:1, :, :4]))
    assert loss(logits, torch.full_like(classes, UNKNOWN)) == 0


def test_cells_and_background_count_equally_in_the_distance_loss():
    wanted = torch.zeros(1, 10, 10)
    wanted[0, 0, 0] = 1.0

    only_cell = distance_loss(torch.zeros(1, 1, 10, 10), wanted)
    only_background = distance_loss(torch.where(wanted > 0, 1.0, 0.5)[:, None], wanted)

    assert only_cell == pytest.approx(1.0)
    assert only_background == pytest.approx(0.5)
    assert distance_loss(torch.zeros(1, 1, 10, 10), wanted, balanced=False) == pytest.approx(2 * 0.01)


def test_images_without_cells_or_knowledge_have_a_distance_loss_too():
    wanted = torch.stack([torch.zeros(4, 4), torch.full((4, 4), -1.0)])

    assert distance_loss(torch.full((2, 1, 4, 4), 0.25), wanted) == pytest.approx(0.25)
    assert distance_loss(torch.ones(2, 1, 4, 4), torch.full((2, 4, 4), -1.0)) == 0


def test_networks_that_agree_have_little_to_learn_from_each_other():
    logits = torch.tensor([0.0, 9.0, 0.0, 0.0]).reshape(1, 4, 1, 1).expand(1, 4, 3, 3)
    sure = Prediction(logits, torch.ones(1, 1, 3, 3))
    other = Prediction(logits.roll(1, 1), torch.zeros(1, 1, 3, 3))
    where = torch.ones(1, 3, 3, dtype=torch.bool)

    assert disagreement(sure, sure, where) < 0.01
    assert disagreement(sure, other, where) > 5
    assert disagreement(sure, other, ~where) == 0
