import importlib.util
import sys

import numpy as np
import pytest
import torch

from napari_cellseg_ssl.core.nets.detector.anchors import make_anchors
from napari_cellseg_ssl.core.nets.detector.boxes import clip, decode, encode, overlaps
from napari_cellseg_ssl.core.nets.detector.cascade import stage_weights
from napari_cellseg_ssl.core.nets.detector.coco_weights import UNUSED_CLASSES, fitted_config, load_detector, renamed
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.nets.detector.detector import Detector
from napari_cellseg_ssl.core.nets.detector.matching import NOTHING, UNDECIDED, match, sample
from napari_cellseg_ssl.core.nets.detector.roi_align import levels_of, roi_align, roi_align_pyramid


def random_boxes(n, side=60.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * side * 0.7
    return torch.cat([corner, corner + 2 + torch.rand(n, 2, generator=generator) * side * 0.25], dim=1)


def sampled_by_hand(features, boxes, image, size, stride, aligned):
    """Average of 2 x 2 bilinear samples in each bin, one sample at a time."""
    _, channels, height, width = features.shape
    pooled = torch.zeros(len(boxes), channels, size, size)
    shift = 0.5 if aligned else 0.0
    for n, box in enumerate(boxes / stride - shift):
        w, h = box[2] - box[0], box[3] - box[1]
        if not aligned:
            w, h = w.clamp(min=1), h.clamp(min=1)
        for row in range(2 * size):
            for column in range(2 * size):
                x = float((box[0] + (column + 0.5) * w / (2 * size)).clamp(0, width - 1))
                y = float((box[1] + (row + 0.5) * h / (2 * size)).clamp(0, height - 1))
                x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
                corner = features[image[n], :, y0 : y0 + 2, x0 : x0 + 2]
                weights = torch.tensor([y0 + 1 - y, y - y0])[:, None] * torch.tensor([x0 + 1 - x, x - x0])
                pooled[n, :, row // 2, column // 2] += (corner * weights).sum((1, 2)) / 4
    return pooled


@pytest.mark.parametrize("weights", [stage_weights(stage) for stage in range(3)])
def test_deltas_lead_from_one_box_to_the_other(weights):
    boxes, targets = random_boxes(50), random_boxes(50, seed=1)

    torch.testing.assert_close(decode(encode(boxes, targets, weights), boxes, weights), targets)


def test_the_weights_of_the_three_stages_are_the_published_ones():
    assert [stage_weights(stage) for stage in range(3)] == [(10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15)]


def test_overlap_and_clipping():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [4, 4, 4, 4]])

    assert overlaps(boxes[:1], boxes)[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert clip(torch.tensor([[-3.0, 2, 50, 60]]), (40, 30)).tolist() == [[0, 2, 30, 40]]


def test_an_exploding_network_makes_no_infinite_boxes():
    assert torch.isfinite(decode(torch.full((3, 4), 1e6), random_boxes(3))).all()


def test_anchors_have_their_sizes_and_places():
    (fine, coarse) = make_anchors([(4, 6), (2, 3)], [4, 8], [8, 16], (0.5, 1.0, 2.0))

    assert len(fine) == 4 * 6 * 3
    assert len(coarse) == 2 * 3 * 3
    sides = fine[:, 2:] - fine[:, :2]
    torch.testing.assert_close(sides.prod(1), torch.full((72,), 64.0))
    torch.testing.assert_close((sides[:, 1] / sides[:, 0])[:3], torch.tensor([0.5, 1.0, 2.0]))
    middles = (fine[:, :2] + fine[:, 2:]) / 2
    assert middles.reshape(4, 6, 3, 2)[2, 5].tolist() == [[20, 8]] * 3


def test_matching_follows_both_thresholds():
    found = match(torch.tensor([[0.8, 0.5, 0.1, 0.0], [0.1, 0.6, 0.75, 0.29]]), low=0.3, high=0.7)

    assert found.tolist() == [0, UNDECIDED, 1, NOTHING]


def test_the_best_box_of_an_object_is_matched_at_any_overlap():
    table = torch.tensor([[0.4, 0.4, 0.2, 0.0], [0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])

    found = match(table, low=0.3, high=0.7, keep_best=True)

    assert found.tolist() == [1, 0, NOTHING, NOTHING]  # the first is better for the second object; nothing is best at 0


def test_without_objects_everything_is_background():
    assert match(torch.zeros(0, 5), low=0.3, high=0.7, keep_best=True).tolist() == [NOTHING] * 5


def test_samples_keep_to_their_number_and_share():
    positive = torch.arange(100) < 40
    rng = np.random.default_rng(0)

    chosen, others = sample(positive, ~positive, 32, 0.5, rng)
    few, more = sample(torch.arange(100) < 3, ~positive, 32, 0.5, rng)

    assert len(chosen) == len(others) == 16
    assert positive[chosen].all()
    assert not positive[others].any()
    assert len(chosen.unique()) == 16
    assert (few.tolist(), len(more)) == ([0, 1, 2], 29)


@pytest.mark.parametrize("aligned", [True, False])
def test_pooling_is_that_of_samples_by_hand(aligned):
    features = torch.randn(2, 3, 12, 16)
    boxes = torch.cat([random_boxes(6, side=48), torch.tensor([[0.0, 0, 64, 48], [60, 40, 64, 48]])])
    image = torch.tensor([0, 1, 1, 0, 1, 0, 1, 0])

    pooled = roi_align(features, boxes, image, 3, stride=4, aligned=aligned)

    torch.testing.assert_close(pooled, sampled_by_hand(features, boxes, image, 3, 4, aligned), atol=1e-5, rtol=1e-5)


def test_pooling_of_a_plane_is_exact():
    y, x = torch.meshgrid(torch.arange(20.0) + 0.5, torch.arange(30.0) + 0.5, indexing="ij")
    features = (2 * x - 3 * y + 1)[None, None]
    boxes = torch.tensor([[4.0, 8, 60, 64], [20.5, 10.25, 31, 70.5]])

    pooled = roi_align(features, boxes, torch.zeros(2), 7, stride=4)

    steps = (torch.arange(7) + 0.5) / 7
    for box, bins in zip(boxes / 4, pooled[:, 0], strict=True):
        middle_x, middle_y = box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1])
        torch.testing.assert_close(bins, 2 * middle_x[None] - 3 * middle_y[:, None] + 1)


def test_pooling_passes_the_right_gradient():
    features = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    boxes, image = random_boxes(4, side=20).double(), torch.tensor([0, 1, 1, 0])

    assert torch.autograd.gradcheck(lambda f: roi_align(f, boxes, image, 2, stride=4), (features,))


def test_large_boxes_are_pooled_from_coarse_levels_and_keep_their_order():
    boxes = torch.tensor([[0.0, 0, 448, 448], [0, 0, 20, 20], [0, 0, 112, 112], [0, 0, 224, 224]])
    pyramid = [torch.full((1, 2, 512 // stride, 512 // stride), float(stride)) for stride in (4, 8, 16, 32)]

    pooled = roi_align_pyramid(pyramid, boxes, torch.zeros(4), 2, strides=(4, 8, 16, 32))

    assert levels_of(boxes, 4).tolist() == [3, 0, 1, 2]
    assert pooled[:, 0, 0, 0].tolist() == [32, 4, 8, 16]
    assert roi_align_pyramid(pyramid, boxes[:0], torch.zeros(0), 2, strides=(4, 8, 16, 32)).shape == (0, 2, 2, 2)


@pytest.fixture(scope="module")
def torchvision():
    """Return torchvision, where it cannot use its compiled operators with those that it has in Python."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is only compared with: no user needs it, and not every torch has a build")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    schemas = torch.library.Library("torchvision", "DEF")
    schemas.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    schemas.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield importlib.import_module("torchvision")
    del schemas  # what it defines is gone with it


@pytest.mark.parametrize("aligned", [True, False])
def test_pooling_is_that_of_torchvision(torchvision, aligned):
    features, boxes, image = torch.randn(2, 3, 16, 16), random_boxes(10), torch.arange(10) % 2
    from torchvision.ops.roi_align import _roi_align

    theirs = _roi_align(features, torch.cat([image[:, None], boxes], 1), 0.25, 7, 7, 2, aligned)

    torch.testing.assert_close(
        roi_align(features, boxes, image, 7, stride=4, aligned=aligned), theirs, atol=1e-4, rtol=1e-4
    )


def test_anchors_and_deltas_are_those_of_torchvision(torchvision):
    from torchvision.models.detection._utils import BoxCoder
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    theirs = AnchorGenerator(sizes=((64,),), aspect_ratios=((0.5, 1.0, 2.0),)).grid_anchors(
        [[3, 5]], [[torch.tensor(16), torch.tensor(16)]]
    )
    boxes, targets, weights = random_boxes(20), random_boxes(20, seed=1), (10.0, 10.0, 5.0, 5.0)

    (ours,) = make_anchors([(3, 5)], [16], [64], (0.5, 1.0, 2.0))

    torch.testing.assert_close(ours, theirs[0], atol=0.5, rtol=0)  # theirs are rounded to whole px
    torch.testing.assert_close(encode(boxes, targets, weights), BoxCoder(weights).encode_single(targets, boxes))


@pytest.mark.parametrize("version", [1, 2])
def test_torchvisions_detectors_become_ours(torchvision, version):
    from torchvision.models import detection

    torch.manual_seed(0)
    make = detection.maskrcnn_resnet50_fpn if version == 1 else detection.maskrcnn_resnet50_fpn_v2
    theirs = make(weights=None, weights_backbone=None).eval()
    tensors = renamed(theirs.state_dict())
    ours = Detector(fitted_config(PRESETS["balanced"], tensors)).eval()

    report = load_detector(ours, tensors, "torchvision")

    assert report.left_out == ()
    assert {name.rpartition(".")[0] for name in report.not_loaded} == {
        f"roi_heads.stages.{stage}.box_predictor.cls_score" for stage in range(3)
    }
    with torch.no_grad():
        pyramid = list(theirs.backbone(torch.ones(1, 3, 64, 96)).values())
        for level, other in zip(ours.backbone(torch.ones(1, 3, 64, 96)), pyramid, strict=True):
            torch.testing.assert_close(level, other, rtol=1e-3, atol=1e-3)
        for level, logits, deltas in zip(pyramid, *theirs.rpn.head(pyramid), strict=True):
            own_logits, own_deltas = ours.rpn.head(level)
            torch.testing.assert_close(own_logits, logits.permute(0, 2, 3, 1).flatten(1))
            by_anchor = deltas.unflatten(1, (3, 4)).permute(0, 3, 4, 1, 2).reshape(1, -1, 4)
            torch.testing.assert_close(own_deltas, by_anchor)
        boxes, masks = torch.randn(2, 256, 7, 7), torch.randn(2, 256, 14, 14)
        heads, used = theirs.roi_heads, [index for index in range(91) if index not in UNUSED_CLASSES]
        deltas = heads.box_predictor(heads.box_head(boxes))[1].unflatten(1, (91, 4))[:, used].mean(1)
        for times, stage in enumerate(ours.roi_heads.stages, start=1):
            torch.testing.assert_close(stage(boxes)[1], times * deltas, rtol=1e-4, atol=1e-5)
        logits = heads.mask_predictor(heads.mask_head(masks))[:, used].mean(1, keepdim=True)
        own = ours.roi_heads.mask_predictor(ours.roi_heads.mask_head(masks))
        torch.testing.assert_close(own, logits, rtol=1e-4, atol=1e-5)
