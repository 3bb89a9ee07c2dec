"""Cellulus-supported supervision: polygons, targets, loss, pseudo-labels."""

import sys

import numpy as np
import pytest
import torch

from drawings import disks
from napari_cellseg_ssl.core import messages as core_messages
from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.core.methods.cellulus_supported import network
from napari_cellseg_ssl.core.methods.cellulus_supported.crops import Crops, star_targets
from napari_cellseg_ssl.core.methods.cellulus_supported.options import SupportedOptions
from napari_cellseg_ssl.core.methods.cellulus_supported.pseudo_labels import Proposal, scores_on_painted
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.nets.cellulus_unet import CellulusUNet
from napari_cellseg_ssl.core.nets.small_unet import SmallUNet
from napari_cellseg_ssl.core.nets.star_unet import StarUNet
from napari_cellseg_ssl.core.segmentation.star_polygons import (
    draw_polygons,
    find_polygons,
    object_probability,
    reaches_edge,
    star_distances,
)
from napari_cellseg_ssl.core.training.frames import Frame
from napari_cellseg_ssl.core.training.star_loss import StarTargets, star_loss
from saying import saying

RAYS = 32


def frame_of(cells, known=None):
    known = np.ones(cells.shape, bool) if known is None else known
    return Frame(pixels=(cells > 0).astype(np.float32)[None], cells=np.where(known, cells, 0), known=known)


def painted_only(cells, ids, background=None):
    known = np.isin(cells, ids) & (cells > 0)
    if background is not None:
        known |= background
    return frame_of(cells, known)


def polygons_of(labels, **options):
    options = {"threshold": 0.5, "overlap": 0.4} | options
    return find_polygons(object_probability(labels), star_distances(labels, RAYS), **options)


def test_objects_become_polygons_and_objects_again():
    labels = disks((90, 120), radius=9, pitch=30)

    points, _, distances = polygons_of(labels)
    back = draw_polygons(points, distances, labels.shape)

    assert image_scores(labels, back).f1_50 == 1
    assert image_scores(labels, back).seg > 0.9


def test_distances_run_down_and_right_in_image_order():
    labels = np.zeros((40, 60), int)
    labels[10:30, 10:50] = 1

    distances = star_distances(labels, RAYS)[:, 15, 20]

    right, down, left, up = distances[[0, 8, 16, 24]]
    assert np.allclose([right, down, left, up], [29.5, 14.5, 10.5, 5.5], atol=0.51)


def test_two_polygons_of_one_object_become_one():
    labels = disks((60, 60), radius=12, pitch=60)
    probability = object_probability(labels)
    probability[30, 25] = probability[30, 35] = 2.0  # two maxima

    points, _, _ = find_polygons(probability, star_distances(labels, RAYS), threshold=0.5, overlap=0.4)

    assert len(points) == 1


def test_the_polygons_of_a_higher_threshold_are_the_first_ones():
    labels = disks((90, 120), radius=9, pitch=30)
    probability = object_probability(labels) * np.linspace(0.3, 1, 120, dtype=np.float32)
    distances = star_distances(labels, RAYS)

    low = find_polygons(probability, distances, threshold=0.3, overlap=0.4)
    high = find_polygons(probability, distances, threshold=0.7, overlap=0.4)

    assert 0 < len(high[0]) < len(low[0])
    assert {*map(tuple, high[0])} == {*map(tuple, low[0][: len(high[0])])}


def test_an_empty_image_has_no_polygon():
    empty = np.zeros((20, 30), np.float32)

    points, _, distances = find_polygons(empty, np.zeros((RAYS, 20, 30), np.float32), threshold=0.5, overlap=0.4)

    assert draw_polygons(points, distances, (20, 30)).max() == 0


def test_ids_beyond_16_bits_are_objects_like_others():
    labels = disks((60, 60), radius=9, pitch=30) * 70_000

    assert np.array_equal(star_distances(labels, RAYS), star_distances(labels // 70_000, RAYS))


def test_without_stardist_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "stardist.geometry", None)

    with pytest.raises(WrongOption, match=saying(core_messages.stardist_missing)):
        star_distances(disks(), RAYS)


def test_rays_that_the_crop_cuts_are_not_learnt():
    whole = disks((64, 64), radius=20, pitch=64)
    cut = whole[:, 32:]

    true, found = star_distances(whole, RAYS)[:, :, 32:], star_distances(cut, RAYS)
    usable = ~reaches_edge(found, cut.shape) & (cut > 0)

    assert np.abs(found - true)[~usable & (cut > 0)].max() > 5
    assert np.abs(found - true)[usable].max() < 0.6
    assert usable[:, cut > 0].mean() > 0.4


def targets_of(cells, known=None):
    known = np.ones(cells.shape, bool) if known is None else known
    return StarTargets(*(torch.from_numpy(a)[None] for a in star_targets(np.where(known, cells, 0), known)), step=2)


def answers(cells):
    probability = torch.from_numpy(object_probability(cells))[None].clamp(1e-4, 1 - 1e-4)
    return torch.logit(probability), torch.from_numpy(star_distances(cells, RAYS, step=2).copy())[None]


WEIGHTS = {"distance_weight": 0.2, "regularisation": 1e-4}


def test_the_right_answer_has_a_smaller_loss_than_any_other():
    cells = disks()
    logits, distances = answers(cells)
    right = star_loss(logits, distances, targets_of(cells), **WEIGHTS)

    assert right < star_loss(logits + 1, distances, targets_of(cells), **WEIGHTS)
    assert right < star_loss(logits, distances + 1, targets_of(cells), **WEIGHTS)


def test_unknown_pixels_do_not_pull():
    cells = disks()
    known = np.zeros(cells.shape, bool)
    known[:32] = True
    logits, distances = (answer.requires_grad_() for answer in answers(cells))

    star_loss(logits + 0.5, distances + 1, targets_of(cells, known), **WEIGHTS).backward()

    assert logits.grad[0, :32].abs().min() > 0
    assert logits.grad[0, 32:].abs().max() == 0
    assert distances.grad[0, :, :16].abs().max() > 0
    assert distances.grad[0, :, 16:].abs().max() == 0


def test_where_nothing_is_known_the_loss_is_zero():
    cells = disks()
    logits, distances = answers(cells)

    assert star_loss(logits, distances, targets_of(cells, np.zeros(cells.shape, bool)), **WEIGHTS) == 0


def test_half_as_many_known_pixels_weigh_as_much():
    cells = disks()
    left = np.indices(cells.shape)[1] < 32
    logits, distances = answers(cells)
    wrong = (logits + 1, distances + 1)

    whole = star_loss(*wrong, targets_of(cells), **WEIGHTS)
    half = star_loss(*wrong, targets_of(cells, left), **WEIGHTS)

    assert float(half) == pytest.approx(float(whole), rel=0.2)


@pytest.mark.parametrize(
    "body", [SmallUNet(1, 8, width=4, depth=2), CellulusUNet(1, first=4, last=4, depth=2, out_channels=8)]
)
def test_both_networks_have_two_heads_and_say_what_they_lose(body):
    net = StarUNet(body, features=8, rays=RAYS, radius=12.0).eval()
    side = net.fitting_size(70)
    image = torch.rand(2, 1, side, side)

    logits, distances = net(image)

    assert side >= 70
    assert logits.shape == (2, side - 2 * net.margin, side - 2 * net.margin)
    assert distances.shape == (2, RAYS, *logits.shape[1:])
    assert torch.allclose(net(image, step=2)[1], distances[..., ::2, ::2], atol=1e-5)


def test_with_two_views_an_image_upside_down_gives_the_same_objects_upside_down():
    described = network.architecture(SupportedOptions(width=4, depth=2), in_channels=1)
    predict = network.SupportedPredictor(network.build(described).eval(), described, "cpu")
    image, origin = np.random.default_rng(0).random((1, 1, 48, 32), np.float32), np.zeros((1, 2), int)

    upright, turned = predict(image, origin), predict(image[..., ::-1, ::-1], origin)

    assert np.allclose(turned["probability"][..., ::-1, ::-1], upright["probability"], atol=1e-5)
    opposite = np.roll(turned["distance"][..., ::-1, ::-1], RAYS // 2, axis=1)
    assert np.allclose(opposite, upright["distance"], atol=1e-4)


def test_crops_show_cells_with_targets_of_their_size():
    cells = disks((200, 150))
    batch = Crops([frame_of(cells)], 96).draw(np.random.default_rng(0), 3)

    assert batch.images.shape == (3, 1, 96, 96)
    assert batch.targets.probability.shape == (3, 96, 96)
    assert batch.targets.distances.shape == (3, RAYS, 48, 48)
    for image, probability in zip(batch.images, batch.targets.probability, strict=True):
        assert image[0][probability > 0.5].mean() > 0.9


def test_painted_cells_tell_how_good_the_methods_without_labels_are():
    truth = disks()
    proposal = Proposal(frame=frame_of(truth), cellulus=truth, classical=np.where(truth % 2, truth, 0))

    scores = scores_on_painted([proposal])

    assert scores["cellulus"] == 1
    assert scores["classical"] < 0.8
