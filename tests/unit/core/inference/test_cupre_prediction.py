"""The predicting half of CUPre: windows are joined, detections are drawn, and sliders do without the network."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from drawings import disks, picture
from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongRun
from napari_cellseg_ssl.core.inference.detecting import Detecting
from napari_cellseg_ssl.core.inference.predictor import Detects
from napari_cellseg_ssl.core.inference.tiling import predict_tiled
from napari_cellseg_ssl.core.methods.cupre import messages as cupre_messages
from napari_cellseg_ssl.core.methods.cupre.network import CuprePredictor, architecture, build
from napari_cellseg_ssl.core.methods.cupre.segment import CupreSegmentOptions, scored, segment
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TileDone, last_of
from napari_cellseg_ssl.core.nets.detector.config import PRESETS
from napari_cellseg_ssl.core.segmentation.detected import to_labels
from saying import saying

SPECS = {"objectness": MapSpec("objectness", "foreground", 1)}
TINY = replace(PRESETS["tiny"], in_channels=1)


class FindsBright:
    """Finds what is bright in a window as an ideal detector would; fails like a full GPU above `fits` px."""

    halo, multiple_of, working_diameter = 0, 32, None

    def __init__(self, fits=10_000):
        self.fits = fits
        self.looks = 0

    def look(self, window):
        from scipy import ndimage

        if window.shape[-1] > self.fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")
        self.looks += 1
        labels, count = ndimage.label(window[0] > 0.5)
        boxes = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
        found = Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.full(count, 0.9, np.float32),
            classes=np.zeros(count, np.int64),
            masks=np.ones((count, 28, 28), np.float32),
        )
        return found, {"objectness": window[:1]}

    def __call__(self, crops, origins):
        raise AssertionError("asked for tiles")


def predict(image, predictor, *, diameter=20.0, **options):
    return list(
        predict_tiled(image, predictor, diameter=diameter, specs=SPECS, intensity=Intensity(low=0, high=100), **options)
    )


def squares(shape, places, side=20):
    pixels = np.zeros(shape, np.float32)
    for y, x in places:
        pixels[y : y + side, x : x + side] = 1
    return ImageStack.from_array(pixels, name="squares")


def maps_with(boxes, *, shape=(64, 64), source=None, scores=None, masks=None):
    n = len(boxes)
    found = Detections(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.linspace(0.95, 0.55, n, dtype=np.float32) if scores is None else np.array(scores, np.float32),
        classes=np.zeros(n, np.int64),
        masks=np.ones((n, 28, 28), np.float32) if masks is None else masks,
    )
    source = source or shape
    return PredictionMaps(
        arrays={"objectness": np.zeros((1, 1, *shape), np.float32)},
        specs=SPECS,
        scale=shape[1] / source[1],
        source_shape=source,
        diameter=10.0,
        bundle_id="b",
        image_name="i",
        detections=(found,),
    )


def random_predictor(config=TINY, working_diameter=24.0):
    torch.manual_seed(0)
    described = architecture(config, working_diameter)
    return CuprePredictor(build(described).eval(), described, "cpu")


@pytest.mark.parametrize("x", range(100, 380, 7))
def test_a_cell_is_found_once_wherever_windows_meet(x):
    image = squares((160, 480), [(40, x), (120, 60), (10, 440)])

    maps = predict(image, FindsBright(), tile=160)[-1].maps

    labels = segment(maps, CupreSegmentOptions())
    assert labels.max() == 3
    assert np.array_equal(labels[0] > 0, image.frames[0, 0] > 0.5)


def test_dense_maps_of_windows_fade_into_each_other():
    class KnowsItsPlace(FindsBright):
        """Is right in the middle of a window, and the more wrong the nearer a pixel is to its sides."""

        def look(self, window):
            found, maps = super().look(window)
            away = np.minimum(np.arange(window.shape[2]), np.arange(window.shape[2])[::-1])
            return found, {"objectness": maps["objectness"] + np.exp(-away / 16)[None, None].astype(np.float32)}

    maps = predict(squares((64, 700), []), KnowsItsPlace(), tile=256)[-1].maps

    dense = maps.arrays["objectness"][0, 0]
    inner = dense[:, 32:-32]
    assert np.abs(np.diff(inner, axis=1)).max() < 0.01
    assert inner.max() < 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (300, 3), (200, 701)])
def test_shares_of_windows_add_up_to_one(shape):
    class One(FindsBright):
        def look(self, window):
            return super().look(window)[0], {"objectness": np.ones((1, *window.shape[1:]), np.float32)}

    maps = predict(squares(shape, []), One(), tile=128)[-1].maps

    assert np.allclose(maps.arrays["objectness"], 1)


def test_progress_counts_windows_of_all_frames():
    frames = np.zeros((2, 100, 300), np.float32)

    events = predict(ImageStack.from_array(frames, "TYX"), FindsBright(), tile=128)

    done = [event for event in events if isinstance(event, TileDone)]
    assert [event.done for event in done] == list(range(1, 1 + done[0].total))
    assert len({event.total for event in done}) == 1
    assert len(events[-1].maps.detections) == 2


def test_windows_overlap_by_two_large_objects():
    field = np.zeros((1, 64, 2000), np.float32)
    windows = Detecting(field, FindsBright(), 24.0, {}).plan(512)

    overlaps = {before.stop[1] - after.start[1] for before, after in pairwise(windows)}
    assert min(overlaps) >= 96
    assert max(windows, key=lambda window: window.stop[1] - window.start[1]).stop[1] <= 2000


def test_running_out_of_memory_makes_windows_smaller_and_begins_again():
    image = squares((300, 600), [(40, 200), (200, 420)])
    whole = predict(image, FindsBright())[-1].maps

    events = predict(image, FindsBright(fits=150), tile=512)

    assert any(isinstance(event, Note) and "128 px" in event.text for event in events)
    assert np.allclose(events[-1].maps.arrays["objectness"], whole.arrays["objectness"], atol=1e-5)
    assert np.array_equal(segment(events[-1].maps, CupreSegmentOptions()), segment(whole, CupreSegmentOptions()))
    with pytest.raises(OutOfMemory):
        predict(image, FindsBright(fits=10))


def test_a_stop_ends_without_maps():
    calls = iter([False, True])

    events = predict(squares((300, 300), []), FindsBright(), tile=128, should_stop=lambda: next(calls))

    assert [type(event) for event in events] == [TileDone]


def test_sliders_move_without_the_network(monkeypatch):
    predictor = FindsBright()
    maps = predict(squares((100, 100), [(10, 10), (50, 50)]), predictor)[-1].maps
    looks = predictor.looks
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of torch would now fail

    assert segment(maps, CupreSegmentOptions(score=0.5)).max() == 2
    assert segment(maps, CupreSegmentOptions(score=0.95)).max() == 0
    assert segment(maps, CupreSegmentOptions(smallest=500.0)).max() == 0
    assert predictor.looks == looks


def test_ids_are_in_the_order_of_scores_which_come_beside_them():
    maps = maps_with([(0, 0, 10, 10), (20, 20, 40, 30), (1, 1, 9, 9), (50, 50, 60, 60)])

    labels, scores = scored(maps, CupreSegmentOptions(score=0.6))

    assert labels.shape == (1, 64, 64)
    assert labels.dtype == np.int32
    assert labels[0, 5, 5] == 1
    assert labels[0, 25, 30] == 2
    assert labels.max() == 2
    np.testing.assert_allclose(scores[0], maps.detections[0].scores[:2])


def test_an_object_that_others_cover_in_part_stays_or_goes():
    maps = maps_with([(0, 0, 20, 20), (12, 0, 32, 20)])

    assert segment(maps, CupreSegmentOptions(overlap=0.5)).max() == 2
    assert segment(maps, CupreSegmentOptions(overlap=0.3)).max() == 1


def test_outlines_are_drawn_on_the_images_own_grid():
    y, x = (np.mgrid[:28, :28] + 0.5) / 28 - 0.5
    disk = np.clip((0.5 - np.hypot(y, x)) * 28 + 0.5, 0, 1).astype(np.float32)
    maps = maps_with([(10, 10, 26, 26)], source=(256, 256), masks=disk[None])

    labels = segment(maps, CupreSegmentOptions())[0]

    rows, columns = np.indices(labels.shape) + 0.5
    truth = np.hypot(rows - 72, columns - 72) < 32
    enlarged = maps.labels_to_source(to_labels(maps.detections[0], (64, 64))[0][None])[0]
    assert (truth ^ (labels > 0)).sum() < 0.5 * (truth ^ (enlarged > 0)).sum()


def test_the_smallest_object_is_counted_at_the_working_scale():
    small, large = maps_with([(0, 0, 5, 5)]), maps_with([(0, 0, 5, 5)], source=(192, 192))

    for maps in (small, large):
        assert segment(maps, CupreSegmentOptions(smallest=24.0)).max() == 1
        assert segment(maps, CupreSegmentOptions(smallest=27.0)).max() == 0


def test_every_frame_has_its_own_ids_and_scores():
    first, second = maps_with([(0, 0, 10, 10), (20, 20, 40, 30)]), maps_with([])
    maps = replace(
        first,
        arrays={"objectness": np.zeros((2, 1, 64, 64), np.float32)},
        detections=(*second.detections, *first.detections),
    )

    labels, scores = scored(maps, CupreSegmentOptions())

    assert labels.shape == (2, 64, 64)
    assert [frame.max() for frame in labels] == [0, 2]
    assert [len(each) for each in scores] == [0, 2]


def test_two_thousand_objects_are_redrawn_at_once():
    import time

    places = np.stack(np.meshgrid(np.arange(45), np.arange(45)), -1).reshape(-1, 2)[:2000] * 26.0
    y, x = (np.mgrid[:28, :28] + 0.5) / 28 - 0.5
    masks = np.repeat((np.hypot(y, x) < 0.48).astype(np.float32)[None], 2000, axis=0)
    maps = maps_with(np.hstack([places, places + 24]), shape=(1200, 1200), masks=masks)

    begin = time.process_time()
    labels = segment(maps, CupreSegmentOptions())
    seconds = time.process_time() - begin

    assert labels.max() == 2000
    assert seconds < 1.0  # 0.2 on a free processor


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 300), (70, 129)])
def test_images_of_any_size_are_looked_at(shape):
    image = ImageStack.from_array(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8))

    for diameter in (5.0, 24.0, 60.0):
        maps = last_of(predict(image, random_predictor(), diameter=diameter), MapsReady).maps

        assert np.isfinite(maps.arrays["objectness"]).all()
        assert segment(maps, CupreSegmentOptions(score=0.0)).shape == (1, *shape)


def test_the_predictor_sees_a_window_once_for_boxes_and_objectness(monkeypatch):
    predictor = random_predictor()
    images = ImageStack.from_array(picture(disks()), name="disks")
    calls = []
    forward = type(predictor._detector.backbone).forward
    monkeypatch.setattr(
        type(predictor._detector.backbone), "forward", lambda self, x: calls.append(x.shape) or forward(self, x)
    )

    maps = predict(images, predictor, diameter=12.0)[-1].maps

    assert isinstance(predictor, Detects)
    assert len(calls) == 1
    assert maps.arrays["objectness"].shape == (1, 1, 128, 128)
    assert len(maps.detections[0]) > 0


def test_the_architecture_makes_the_same_detector_again():
    described = architecture(PRESETS["tiny"], 24.0)

    again = build(described)

    assert again.config == PRESETS["tiny"]
    assert (described["tag"], described["in_channels"], described["spatial_ndim"]) == ("cupre", 3, 2)


def test_what_this_version_does_not_know_is_refused():
    described = architecture(PRESETS["tiny"], 24.0)

    with pytest.raises(WrongRun, match=saying(cupre_messages.not_a_detector)):
        build({**described, "tag": "maunet"})
    with pytest.raises(WrongRun, match="swin"):
        build({**described, "detector": {**described["detector"], "backbone": "swin"}})
