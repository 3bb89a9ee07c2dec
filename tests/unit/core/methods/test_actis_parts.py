import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg_ssl.core.training.augment import (
    interpolate,
    look_up,
    orient,
    orient_back,
    random_intensity,
    random_positions,
)
from napari_cellseg_ssl.core.training.confidence import ClassThresholds, pseudo_classes, shift_background
from napari_cellseg_ssl.core.training.ema import averaged_probabilities, decay_for, follow, make_teacher
from napari_cellseg_ssl.core.training.labelled_crops import ZOOM
from napari_cellseg_ssl.core.training.masked_losses import masked_cross_entropy

UNKNOWN = -1


def certain(winner, score, n_classes=3):
    """Probabilities (1, K, 1, n) whose winning class has the given score."""
    winner, score = torch.as_tensor(winner), torch.as_tensor(score, dtype=torch.float32)
    rest = ((1 - score) / (n_classes - 1))[None].repeat(n_classes, 1)
    rest[winner, torch.arange(len(winner))] = score
    return rest[None, :, None, :]


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.register_buffer("average", torch.tensor([value]))
        self.register_buffer("count", torch.tensor(int(value)))


def test_loss_is_the_weighted_mean_over_known_pixels():
    logits = torch.tensor([[[[0.0, 2.0], [1.0, 5.0]], [[1.0, 0.0], [1.0, -5.0]], [[0.0, 0.0], [3.0, 0.0]]]])
    classes = torch.tensor([[[0, 1], [2, UNKNOWN]]])
    losses = -logits.log_softmax(1)[0]

    loss = masked_cross_entropy(logits, classes, torch.tensor([1.0, 1.0, 4.0]))

    expected = (losses[0, 0, 0] + losses[1, 0, 1] + 4 * losses[2, 1, 0]) / 6
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_batch_without_known_pixels_has_no_loss_and_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)

    loss = masked_cross_entropy(logits, torch.full((1, 4, 4), UNKNOWN), torch.tensor([1.0, 1.0, 4.0]))
    loss.backward()

    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_more_unknown_area_changes_no_loss():
    logits, classes = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    wider = torch.cat([logits, torch.randn(1, 3, 4, 4)], 3)
    unknown = torch.cat([classes, torch.full((1, 4, 4), UNKNOWN)], 2)

    assert masked_cross_entropy(wider, unknown).item() == pytest.approx(masked_cross_entropy(logits, classes).item())


@pytest.mark.parametrize("n", [10, 11])
def test_a_fifth_of_the_least_confident_pixels_is_masked(n):
    scores = np.linspace(0.5, 0.95, n)
    probabilities = certain([1] * n, scores)
    thresholds = ClassThresholds(masked=0.2)

    thresholds.update(probabilities)

    assert thresholds.values[1].item() == pytest.approx(np.quantile(scores, 0.2), rel=1e-6)
    assert int(thresholds.confident(probabilities).sum()) == 8


def test_classes_are_masked_independently():
    rare = certain([2] * 10, np.linspace(0.4, 0.5, 10))
    common = certain([0] * 10, np.linspace(0.9, 0.99, 10))
    probabilities = torch.cat([rare, common], 3)
    thresholds = ClassThresholds(masked=0.2)

    thresholds.update(probabilities)

    assert int(thresholds.confident(probabilities)[..., :10].sum()) == 8
    assert int(thresholds.confident(probabilities)[..., 10:].sum()) == 8


def test_a_class_that_does_not_occur_keeps_its_threshold():
    thresholds = ClassThresholds(values=torch.tensor([0.2, 0.6, 0.7]), momentum=0.99)

    thresholds.update(certain([0, 0], [0.9, 0.9]))

    torch.testing.assert_close(thresholds.values, torch.tensor([0.207, 0.6, 0.7]))


def test_thresholds_start_at_the_first_percentile_and_then_follow_slowly():
    thresholds = ClassThresholds()
    thresholds.update(certain([0], [0.9]))
    assert thresholds.values[0].item() == pytest.approx(0.9)
    thresholds.update(certain([0], [0.8]))
    assert thresholds.values[0].item() == pytest.approx(0.899)


def test_a_pixel_is_judged_by_the_threshold_of_its_own_class():
    thresholds = ClassThresholds(values=torch.tensor([0.9, 0.3, 0.3]))

    assert pseudo_classes(certain([0, 1], [0.8, 0.8]), thresholds).flatten().tolist() == [UNKNOWN, 1]


def test_painted_pixels_do_not_count_in_the_thresholds():
    thresholds = ClassThresholds(masked=0.5)

    thresholds.update(certain([0, 0], [0.6, 0.9]), where=torch.tensor([[[True, False]]]))

    assert thresholds.values[0].item() == pytest.approx(0.6)


def test_shifted_odds_put_a_threshold_at_one_half():
    shifted = shift_background(torch.tensor([[[0.1], [0.6], [0.3]]]), odds=0.9 / 0.1)

    assert shifted[0, 0].item() == pytest.approx(0.5)
    assert shifted.sum().item() == pytest.approx(1)
    assert (shifted[0, 1] / shifted[0, 2]).item() == pytest.approx(2)


def test_the_teacher_really_moves_and_the_student_does_not():
    student, teacher = Constant(1.0), Constant(0.0)

    follow(teacher, student, 0.99)
    assert teacher.weight.item() == pytest.approx(0.01)
    follow(teacher, student, 0.99)

    assert teacher.weight.item() == pytest.approx(0.0199)
    assert teacher.average.item() == pytest.approx(0.0199)
    assert teacher.count.item() == 1
    assert student.weight.item() == 1


def test_the_teacher_forgets_its_start_first_and_then_halves_its_memory_per_half_life():
    assert decay_for(100, 1) == 0.5
    assert decay_for(100, 10**6) ** 100 == pytest.approx(0.5)


def test_a_teacher_takes_no_gradients_and_is_in_prediction_mode():
    teacher = make_teacher(nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3)).train())

    probabilities = averaged_probabilities(teacher, torch.randn(2, 1, 8, 8), 2)

    assert not teacher.training
    assert not probabilities.requires_grad


@pytest.mark.parametrize("views", [1, 2, 8])
def test_views_of_a_network_that_does_not_care_for_orientation_agree(views):
    net = nn.Conv2d(2, 3, 1)
    images = torch.randn(2, 2, 5, 8)

    averaged = averaged_probabilities(net, images, views)

    torch.testing.assert_close(averaged, net(images).softmax(1))
    torch.testing.assert_close(averaged.sum(1), torch.ones(2, 5, 8))


def test_orientations_are_eight_and_can_be_undone():
    image = torch.arange(30.0).reshape(1, 1, 5, 6)
    seen = {tuple(orient(image, view).flatten().tolist()) for view in range(8)}

    assert len(seen) == 8
    assert all(torch.equal(orient_back(orient(image, view), view), image) for view in range(8))


def test_image_and_labels_come_from_the_same_places():
    frame = np.arange(40 * 50, dtype=np.float32).reshape(1, 40, 50)
    rng = np.random.default_rng(0)
    for _ in range(20):
        positions = random_positions(rng, np.array([20.0, 25.0]), 16, affine=0, elastic=0)
        assert np.array_equal(np.rint(interpolate(frame, positions)[0].numpy()), look_up(frame[0], positions))


def test_what_lies_outside_the_image_is_unknown():
    known = np.ones((10, 10), bool)
    positions = random_positions(np.random.default_rng(0), np.array([0.0, 0.0]), 8, affine=0, elastic=0)

    assert 0 < look_up(known, positions, False).mean() < 1


def test_labels_stay_whole_numbers_under_deformation():
    cells = np.kron(np.array([[0, 7], [9, 0]], np.int32), np.ones((30, 30), np.int32))
    rng = np.random.default_rng(1)
    seen = {
        int(value)
        for _ in range(10)
        for value in np.unique(look_up(cells, random_positions(rng, np.array([30.0, 30.0]), 32, zoom=ZOOM, affine=1)))
    }

    assert seen == {0, 7, 9}


def test_zoom_stays_within_its_bounds():
    rng = np.random.default_rng(0)
    for _ in range(50):
        positions = random_positions(rng, np.array([50.0, 50.0]), 32, zoom=ZOOM, affine=1, elastic=0)
        step = float(np.hypot(*(positions[:, 0, 1] - positions[:, 0, 0])))
        assert 1 / 1.4 - 1e-3 <= step <= 1.4 + 1e-3


def test_intensity_changes_each_crop_its_own_way_but_repeats_with_the_seed():
    crops = torch.rand(1, 1, 32, 32).repeat(2, 1, 1, 1)

    first = random_intensity(crops, np.random.default_rng(0))
    second = random_intensity(crops, np.random.default_rng(0))

    assert torch.equal(first, second)
    assert not torch.allclose(first[0], first[1])
    assert torch.equal(crops[0], crops[1])


def test_labels_beyond_the_edge_can_be_mirrored_as_pixels_are():
    cells = np.arange(12).reshape(3, 4)
    positions = np.stack(np.meshgrid(np.arange(-7, 11), np.arange(-9, 13), indexing="ij")).astype(np.float32)

    mirrored = look_up(cells, positions, None)

    assert np.array_equal(mirrored, np.pad(cells, ((7, 8), (9, 9)), mode="symmetric"))
    assert np.array_equal(mirrored, np.rint(interpolate(cells[None].astype(np.float32), positions)[0].numpy()))
