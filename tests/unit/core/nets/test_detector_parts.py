from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.data.synthetic_masks import MaskPrior, draw_mask
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.nets.detector import cascade, proposals
from napari_cellseg_ssl.core.nets.detector.cascade import (
    BACKGROUND,
    IGNORED,
    Cascade,
    first_regions,
    label_regions,
    positives_of,
    scale_gradient,
    stage_losses,
    stage_weights,
)
from napari_cellseg_ssl.core.nets.detector.config import PRESETS, DetectorConfig
from napari_cellseg_ssl.core.nets.detector.detector import Detector
from napari_cellseg_ssl.core.nets.detector.large_images import detect_image
from napari_cellseg_ssl.core.nets.detector.mask_head import RegionHeads
from napari_cellseg_ssl.core.nets.detector.objectness import largest_of_levels
from napari_cellseg_ssl.core.nets.detector.pyramid import STRIDES, FeaturePyramid
from napari_cellseg_ssl.core.nets.detector.targets import Target, boxes_of, mask_targets

TINY = replace(PRESETS["tiny"], in_channels=1)


def labels_with(*rectangles, shape=(64, 64)):
    labels = torch.zeros(shape, dtype=torch.int32)
    for index, (y1, x1, y2, x2) in enumerate(rectangles, start=1):
        labels[y1:y2, x1:x2] = index
    return labels


def example(side=64, seed=0):
    rng = np.random.default_rng(seed)
    labels = draw_mask(MaskPrior(diameter=14, coverage=(0.25,)), (side, side), rng).labels
    image = (labels > 0) * 0.6 + rng.normal(0.2, 0.05, labels.shape)
    return torch.from_numpy(image[None].astype(np.float32)), torch.from_numpy(labels)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return Detector(TINY)


def test_objects_come_from_a_label_image():
    target = Target.from_labels(labels_with((4, 8, 20, 30), (40, 40, 41, 43)))

    assert target.boxes.tolist() == [[8, 4, 30, 20]]
    assert target.masks.sum() == 16 * 22
    assert target.known is not None  # three pixels are no object, but no background either
    assert (~target.known).sum() == 3


def test_of_an_object_that_is_partly_known_the_known_part_counts():
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :20] = True

    target = Target.from_labels(labels_with((4, 8, 20, 30), (4, 40, 20, 60)), known)

    assert target.boxes.tolist() == [[8, 4, 20, 20]]
    assert Target.from_labels(labels_with((4, 8, 20, 30)), torch.ones(64, 64, dtype=torch.bool)).known is None


def test_boxes_lie_around_masks():
    masks = torch.zeros(2, 10, 12, dtype=torch.bool)
    masks[0, 3, 5] = masks[1, 2:9, 0] = masks[1, 4, 11] = True

    assert boxes_of(masks).tolist() == [[5, 3, 6, 4], [0, 2, 12, 9]]
    assert boxes_of(masks[:0]).shape == (0, 4)


def test_a_box_over_what_is_unknown_is_no_background():
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :32] = True
    target = Target.from_labels(labels_with((0, 0, 20, 20)), known)
    boxes = torch.tensor(
        [
            [22.0, 30, 30, 40],  # background
            [40, 30, 60, 40],  # unknown
            [24, 30, 44, 40],  # more unknown than background
            [20, 30, 40, 40],  # less
            [2, 2, 10, 10],  # within an object
            [-10, -10, 5, 5],  # partly outside
        ]
    )

    assert target.judges(boxes).tolist() == [True, False, False, True, True, True]


def test_masks_in_boxes_are_cut_and_enlarged_and_know_what_is_known():
    known = torch.ones(64, 64, dtype=torch.bool)
    known[:, 40:] = False
    target = Target.from_labels(labels_with((8, 8, 36, 36)), known)

    masks, where = mask_targets(
        target, torch.zeros(3, dtype=torch.long), torch.tensor([[8.0, 8, 36, 36], [8, 8, 64, 36], [30, 8, 50, 36]]), 28
    )

    assert masks[0].all()
    assert masks[1, :, :14].all()
    assert not masks[1, :, 14:].any()
    assert where[0].all()
    assert where[1, :, :16].all()
    assert not where[1, :, 16:].any()
    assert where[2].float().mean().item() == pytest.approx(0.5)


@pytest.mark.parametrize(("stage", "threshold"), [(0, 0.5), (1, 0.6), (2, 0.7)])
def test_every_stage_has_its_threshold(stage, threshold):
    target = Target.from_labels(labels_with((10, 10, 30, 30)))
    overlap = torch.tensor([0.48, 0.52, 0.58, 0.62, 0.68, 0.72])
    boxes = torch.tensor([[10.0, 10, 30, 30]]).repeat(6, 1)
    boxes[:, 3] = 10 + 20 * overlap

    regions = label_regions(boxes, torch.zeros(6, dtype=torch.long), [target], TINY.overlaps[stage])

    assert TINY.overlaps[stage] == threshold
    assert (regions.labels == 1).tolist() == (overlap > threshold).tolist()


def test_regions_over_what_is_unknown_are_ignored_but_objects_are_not():
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[10:30, 10:30] = True  # one painted cell and nothing else
    target = Target.from_labels(labels_with((10, 10, 30, 30)), known)
    boxes = torch.tensor([[10.0, 10, 30, 32], [40, 40, 60, 60], [12, 12, 20, 20]])

    regions = label_regions(boxes, torch.zeros(3, dtype=torch.long), [target], 0.5)

    assert regions.labels.tolist() == [1, IGNORED, BACKGROUND]
    assert regions.truth[0].tolist() == [10, 10, 30, 30]


def test_the_first_stage_sees_true_boxes_and_a_quarter_of_objects_at_most():
    target = Target.from_labels(labels_with((10, 10, 30, 30)))
    nothing = Target.from_labels(labels_with())
    good, bad = torch.tensor([[11.0, 10, 30, 30]]).repeat(50, 1), torch.tensor([[40.0, 40, 50, 50]]).repeat(100, 1)

    regions = first_regions([torch.cat([good, bad]), bad], [target, nothing], TINY, np.random.default_rng(0))

    assert [(regions.image == i).sum().item() for i in (0, 1)] == [64, 64]
    assert (regions.labels > 0).sum() == 16
    alone = first_regions([bad[:0], bad[:0]], [target, nothing], TINY, np.random.default_rng(0))
    assert alone.boxes.tolist() == [[10, 10, 30, 30]]
    assert len(positives_of(regions, 5, np.random.default_rng(0)).boxes) == 5


def test_what_is_ignored_enters_no_loss():
    target = Target.from_labels(labels_with((10, 10, 30, 30)))
    boxes = torch.tensor([[10.0, 10, 30, 30], [40, 40, 60, 60], [40, 40, 60, 60]])
    regions = label_regions(boxes, torch.zeros(3, dtype=torch.long), [target], 0.5)
    regions.labels[2] = IGNORED
    logits = torch.randn(3, 2, requires_grad=True)
    deltas = torch.randn(3, 4, requires_grad=True)

    sum(stage_losses(logits, deltas, regions, stage_weights(0))).backward()

    assert logits.grad[:2].abs().min() > 0
    assert not logits.grad[2].any()
    assert deltas.grad[0].abs().min() > 0
    assert not deltas.grad[1:].any()


def test_gradients_into_the_pyramid_are_divided_by_the_stages():
    features = torch.randn(3, requires_grad=True)

    scaled = scale_gradient(features, 1 / 3)
    scaled.sum().backward()

    assert torch.equal(scaled, features)
    torch.testing.assert_close(features.grad, torch.full((3,), 1 / 3))


def test_later_stages_get_detached_and_clipped_boxes(monkeypatch):
    torch.manual_seed(0)
    stages = Cascade(TINY)
    for stage in stages:
        torch.nn.init.constant_(stage.box_predictor["bbox_pred"].bias, 30.0)
    seen = []
    real = cascade.label_regions
    monkeypatch.setattr(
        cascade, "label_regions", lambda boxes, *rest: seen.append((boxes, rest[-1])) or real(boxes, *rest)
    )
    pyramid = [torch.randn(1, 64, 64 // stride, 64 // stride, requires_grad=True) for stride in STRIDES[:4]]
    target = Target.from_labels(labels_with((10, 10, 30, 30)))
    regions = real(
        torch.tensor([[10.0, 10, 30, 30], [50, 50, 60, 60]]), torch.zeros(2, dtype=torch.long), [target], 0.5
    )

    losses = stages.losses(pyramid, regions, [target], (64, 64))

    assert [threshold for _, threshold in seen] == [0.6, 0.7]
    assert not any(boxes.requires_grad for boxes, _ in seen)
    assert all(boxes.min() >= 0 and boxes.max() == 64 for boxes, _ in seen)
    assert list(losses) == ["classes_1", "boxes_1", "classes_2", "boxes_2", "classes_3", "boxes_3"]


def test_probabilities_are_averaged_over_stages_and_add_up_to_one():
    torch.manual_seed(0)
    stages = Cascade(TINY)
    for index, stage in enumerate(stages):
        torch.nn.init.zeros_(stage.box_predictor["cls_score"].weight)
        stage.box_predictor["cls_score"].bias.data = torch.tensor([0.0, float(index)])
    pyramid = [torch.randn(1, 64, 64 // stride, 64 // stride) for stride in STRIDES[:4]]

    boxes, probabilities = stages.refine(
        pyramid, torch.tensor([[10.0, 10, 30, 30]]), torch.zeros(1, dtype=torch.long), (64, 64)
    )

    torch.testing.assert_close(probabilities.sum(1), torch.ones(1))
    expected = torch.stack([torch.tensor([0.0, float(i)]).softmax(0)[1] for i in range(3)]).mean()
    torch.testing.assert_close(probabilities[0, 1], expected)
    assert boxes.shape == (1, 4)


def test_masks_learn_from_known_pixels_alone():
    torch.manual_seed(0)
    heads = RegionHeads(TINY)
    pyramid = [torch.randn(1, 64, 64 // stride, 64 // stride) for stride in STRIDES[:4]]
    known = torch.ones(64, 64, dtype=torch.bool)
    known[:, 20:] = False
    whole, half = labels_with((10, 10, 30, 30)), labels_with((10, 10, 30, 20))
    box, image = torch.tensor([[10.0, 10, 30, 30]]), torch.zeros(1, dtype=torch.long)

    def loss(labels, known):
        target = Target(boxes=box, masks=(labels == 1)[None], classes=image, known=known)
        return heads.mask_loss(pyramid, label_regions(box, image, [target], 0.5), [target])

    assert loss(whole, known) == loss(half, known)
    assert loss(whole, None) != loss(half, None)


def test_anchors_over_what_is_unknown_are_not_drawn(detector, monkeypatch):
    image, labels = example()
    known = torch.zeros(64, 64, dtype=torch.bool)
    known[:, :32] = True
    target = Target.from_labels(labels, known)
    drawn = []
    real = proposals.sample
    monkeypatch.setattr(proposals, "sample", lambda p, n, *rest: drawn.append((p, n)) or real(p, n, *rest))
    anchors, logits, deltas = detector.rpn(detector.pyramid(image[None]))

    losses = detector.rpn.losses(anchors, logits, deltas, [target], np.random.default_rng(0))

    middles = torch.cat(anchors)[:, [0, 2]].mean(1)
    ((positive, negative),) = drawn
    assert positive.any()
    assert negative.any()
    assert middles[negative].max() < 40
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_a_pyramid_passes_on_what_coarse_levels_know():
    torch.manual_seed(0)
    pyramid = FeaturePyramid((4, 8, 16, 32), 8, "none")
    features = [torch.zeros(1, width, 17 * 8 // 2**i, 40 // 2**i) for i, width in enumerate((4, 8, 16, 32))]
    before = pyramid(features)
    features[3] = features[3] + 1

    after = pyramid(features)

    assert [tuple(level.shape[2:]) for level in after] == [(136, 40), (68, 20), (34, 10), (17, 5), (9, 3)]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("side", [64, 75])
def test_every_weight_gets_a_finite_gradient(detector, side):
    image, labels = example(side)
    detector.train()

    losses = detector.losses(image[None], [Target.from_labels(labels)], np.random.default_rng(0))
    sum(losses.values()).backward()

    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in detector.parameters())


def test_images_without_objects_and_without_knowledge_can_be_learned_from(detector):
    image, labels = example()
    nothing = Target.from_labels(labels * 0)
    unknown = Target.from_labels(labels, torch.zeros(64, 64, dtype=torch.bool))
    detector.train()

    losses = detector.losses(image[None].repeat(2, 1, 1, 1), [nothing, unknown], np.random.default_rng(0))
    sum(losses.values()).backward()
    silent = detector.losses(image[None], [unknown], np.random.default_rng(0))

    assert all(torch.isfinite(loss) for loss in losses.values())
    assert sum(silent.values()) == 0


def test_the_same_random_state_draws_the_same(detector):
    image, labels = example()
    target = Target.from_labels(labels)

    first, second = (detector.losses(image[None], [target], np.random.default_rng(3)) for _ in range(2))

    assert first == second


def test_detections_are_inside_of_the_image_and_ordered(detector):
    images = torch.stack([example(seed=seed)[0] for seed in (0, 1)])

    found = detector.eval().detect(images)

    assert len(found) == 2
    for each in found:
        assert len(each) > 0
        assert each.boxes.min() >= 0
        assert each.boxes.max() <= 64
        assert (np.diff(each.scores) <= 0).all()
        assert each.masks.shape == (len(each), 28, 28)
        assert each.boxes.dtype == each.masks.dtype == np.float32


def test_images_of_a_batch_do_not_influence_each_other(detector):
    images = torch.stack([example(seed=seed)[0] for seed in (0, 1)])
    detector.eval()

    together, alone = detector.detect(images)[1], detector.detect(images[1:])[0]

    np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
    np.testing.assert_allclose(together.scores, alone.scores, atol=1e-5)


def test_a_large_image_is_seen_in_windows_and_a_stop_is_minded(detector):
    image = np.tile(example()[0].numpy(), (1, 2, 3))
    detector.eval()

    found = detect_image(detector, image, side=64, overlap=32)

    assert found.boxes[:, 2].max() > 150
    assert detect_image(detector, image, side=64, overlap=32, should_stop=lambda: True) is None


def test_nothing_above_the_least_score_is_no_detection():
    detector = Detector(replace(TINY, least_score=1.1)).eval()

    (found,) = detector.detect(example()[0][None])

    assert len(found) == 0
    assert found.masks.shape == (0, 28, 28)


def test_objectness_has_one_map_per_level(detector):
    maps = detector.eval().objectness(example()[0][None])

    assert [tuple(each.shape) for each in maps] == [(1, 16, 16), (1, 8, 8), (1, 4, 4), (1, 2, 2), (1, 1, 1)]
    assert all(0 <= each.min() <= each.max() <= 1 for each in maps)


@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (1, 40), (3, 130), (50, 33)])
def test_one_look_gives_objects_and_objectness_of_images_of_any_size(detector, shape):
    image = torch.rand(2, 1, *shape)

    found, objectness = detector.eval().look(image)

    assert objectness.shape == (2, *shape)
    assert 0 <= objectness.min() <= objectness.max() <= 1
    assert len(found) == 2
    for each in found:
        assert each.boxes.min(initial=0) >= 0
        assert (each.boxes[:, 2] <= shape[1]).all()
        assert (each.boxes[:, 3] <= shape[0]).all()


def test_dense_objectness_is_that_of_the_best_level_at_its_places(detector):
    image = example()[0][None]
    levels = detector.eval().objectness(image)

    dense = detector.look(image)[1]

    assert (dense[0, ::4, ::4] >= levels[0][0] - 1e-6).all()
    assert (dense[0, ::16, ::16] >= levels[2][0] - 1e-6).all()
    assert dense.max() == pytest.approx(float(max(each.max() for each in levels)))


def test_levels_are_interpolated_between_their_places():
    level = torch.tensor([[[0.0, 0.4], [0.8, 0.0]]])

    dense = largest_of_levels([level, torch.full((1, 1, 1), 0.1)], (4, 64), (6, 7))

    assert dense[0, 0].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert dense[0, :, 0].tolist() == pytest.approx([0.1, 0.2, 0.4, 0.6, 0.8, 0.8])


def test_images_are_shifted_and_scaled_as_expected():
    colour, grey = Detector(replace(TINY, in_channels=3)), Detector(TINY)
    colour.expect()
    grey.expect()

    assert colour.input_mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert grey.input_std.item() == pytest.approx((0.229 + 0.224 + 0.225) / 3)


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_survive_json(name):
    import json

    assert DetectorConfig.from_json(json.loads(json.dumps(PRESETS[name].as_json()))) == PRESETS[name]


def test_an_unknown_configuration_is_refused():
    with pytest.raises(WrongRun, match="colour"):
        DetectorConfig.from_json({"colour": 3})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_built(name):
    with torch.device("meta"):
        detector = Detector(PRESETS[name])

    assert len(detector.roi_heads.stages) == 3
    assert "backbone.body.layer4.0.conv2.weight" in detector.state_dict() or name == "paper"


def test_two_anchor_sizes_may_share_a_level():
    config = replace(TINY, anchor_sizes=(4.0, 9.0, 17.0), anchor_levels=(0, 0, 1))

    anchors, logits, _ = Detector(config).rpn([torch.randn(1, 64, n, n) for n in (16, 8, 4, 2, 1)])

    assert [len(each) for each in anchors] == [768, 768, 192]
    assert torch.equal(logits[0], logits[1])
