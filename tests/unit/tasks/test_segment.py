"""Prediction and segmentation of any image, in one piece and in blocks."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from drawings import disks, picture
from fakes import FAILURES, TORCH_SAYS, FakeOptions, FakePredictor, FakeSegmentOptions
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongImage
from napari_cellseg_ssl.core.inference import blocks, windows
from napari_cellseg_ssl.core.io.tiff import create_tiff
from napari_cellseg_ssl.core.io.user_files import read_image
from napari_cellseg_ssl.core.methods.events import MapsReady, Remark, TileDone, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks import (
    Control,
    LabelsReady,
    PredictRequest,
    SegmentRequest,
    predict,
    segment,
    segment_image,
)
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method")


@pytest.fixture
def bundle():
    return ModelBundle(
        name="fake",
        method_id="fake",
        train_options=FakeOptions(),
        segment_options=FakeSegmentOptions(),
        architecture={"tag": "fake", "in_channels": 1, "spatial_ndim": 2},
        object_diameter=10.0,
        weights={},
    )


def labels_of(bundle, image, **kwargs):
    return last_of(segment_image(PredictRequest(bundle=bundle, image=image), **kwargs), LabelsReady).labels


def test_maps_then_labels_are_the_same_as_both_at_once(bundle, stack):
    maps = last_of(predict(PredictRequest(bundle=bundle, image=stack)), MapsReady).maps
    apart = last_of(segment(SegmentRequest(method_id="fake", maps=maps)), LabelsReady).labels

    assert np.array_equal(apart, labels_of(bundle, stack))
    assert apart.max() == 16


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64", "bool"])
def test_any_type_of_number_is_segmented(bundle, cells, dtype):
    image = ImageStack.from_array(picture(cells).astype(dtype) if dtype != "bool" else cells > 0)

    assert labels_of(bundle, image).max() == 16


def test_negative_values_are_segmented(bundle, cells):
    image = ImageStack.from_array(picture(cells).astype(np.int32) - 1000)

    assert labels_of(bundle, image).max() == 16


@pytest.mark.parametrize("shape", [(1, 7), (1, 300), (300, 1), (2, 2)])
def test_tiny_images_are_segmented(bundle, shape):
    image = ImageStack.from_array(np.arange(np.prod(shape)).reshape(shape))

    assert labels_of(bundle, image).shape == (1, *shape)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_images_without_information_are_refused(bundle, value):
    pixels = np.full((1, 1) if value == 3.0 else (8, 8), value)

    with pytest.raises(WrongImage, match=r"NaN|constant"):
        labels_of(bundle, ImageStack.from_array(pixels))


def test_colour_given_to_a_model_of_one_channel_is_refused(bundle, cells):
    rgb = ImageStack.from_array(np.stack([picture(cells)] * 3, axis=-1), name="he")

    with pytest.raises(WrongImage, match=r"expects 1 channel.*'he' has 3"):
        labels_of(bundle, rgb)


def test_a_volume_given_to_a_model_of_planes_is_refused(bundle, cells):
    with pytest.raises(WrongImage, match="3D"):
        labels_of(bundle, ImageStack.from_array(np.stack([picture(cells)] * 3), axes="ZYX"))


def test_every_frame_of_a_movie_is_segmented(bundle, cells):
    movie = ImageStack.from_array(np.stack([picture(cells), picture(disks(n=5)), picture(cells)]))

    assert [int(frame.max()) for frame in labels_of(bundle, movie)] == [16, 5, 16]


def test_blocks_give_the_same_objects_as_one_piece(bundle, monkeypatch):
    image = ImageStack.from_array(picture(disks((300, 420), radius=6, pitch=17)))
    whole = labels_of(bundle, image)[0]
    monkeypatch.setattr(blocks, "WHOLE", 100)
    monkeypatch.setattr(blocks, "CORE", 97)

    joined = labels_of(bundle, image)[0]

    assert joined.max() == whole.max()
    assert image_scores(whole, joined).f1_50 == 1.0
    assert image_scores(whole, joined).seg > 0.99


class FarSighted(FakePredictor):
    """Takes for foreground what is bright beside all within three objects."""

    halo, multiple_of = 40, 1

    def __call__(self, crops, origins):
        grey = crops.mean(axis=1, keepdims=True)
        return {"foreground": 0.4 + grey - uniform_filter(grey, (0, 0, 61, 61))}


class Coarse(FakePredictor):
    """Sees blocks of 16 px, as networks do that halve their grid four times."""

    halo, multiple_of = 16, 16

    def __call__(self, crops, origins):
        coarse = crops.mean(axis=1, keepdims=True)[..., 8::16, 8::16]
        return {"foreground": np.repeat(np.repeat(coarse, 16, axis=2), 16, axis=3)}


class Relative(FakePredictor):
    """Takes for foreground what is bright beside the rest of the field."""

    def __init__(self, brightest=None):
        super().__init__()
        self.brightest = brightest

    def for_field(self, field):
        return Relative(float(field.max()))

    def __call__(self, crops, origins):
        return {"foreground": crops.mean(axis=1, keepdims=True) / self.brightest}


@pytest.mark.parametrize("predictor", [FarSighted, Coarse, Relative])
def test_blocks_show_the_network_what_it_would_see_in_one_piece(bundle, fake_method, monkeypatch, predictor):
    monkeypatch.setattr(fake_method, "predictor", lambda bundle, device: predictor(), raising=False)
    pixels = picture(disks((300, 420), radius=6, pitch=17)).astype(np.float32)
    pixels[:, 200:] *= 0.3  # dim beside the other half
    image = ImageStack.from_array(pixels)
    whole = labels_of(bundle, image)[0]
    monkeypatch.setattr(blocks, "WHOLE", 100)
    monkeypatch.setattr(blocks, "CORE", 97)

    in_blocks = labels_of(bundle, image)[0]

    assert whole.max() > 1
    assert np.array_equal(in_blocks > 0, whole > 0)


def test_an_overview_of_a_large_image_is_bounded_and_has_something_of_all_its_quarters():
    pixels = np.zeros((1, 3000, 4000), np.uint8)
    pixels[:, :1500, :2000], pixels[:, :1500, 2000:], pixels[:, 1500:, :2000] = 1, 2, 3

    seen = windows.overview(ImageStack.from_array(pixels, "CYX"), 0, scale=1.0)

    assert seen.shape == (1, 1024, 1024)
    assert np.bincount(seen.ravel()).tolist() == [2**18] * 4


def test_block_cores_cover_every_pixel_once():
    cover = np.zeros((5000, 4100), np.uint8)
    for block in blocks.plan_blocks(cover.shape, 20.0):
        cover[block.core] += 1

    assert (cover == 1).all()


def test_labels_go_into_a_given_array(bundle, stack):
    into = np.zeros((1, 64, 64), np.uint16)

    assert labels_of(bundle, stack, into=into) is into
    assert into.max() == 16


def test_what_a_method_remarks_about_a_prediction_is_said_once(bundle, fake_method, stack, monkeypatch):
    def remarks(bundle, maps):
        yield f"{bundle.name}: brightest {maps.arrays['foreground'].max():.0f}."

    monkeypatch.setattr(fake_method, "remarks", remarks, raising=False)
    monkeypatch.setattr(blocks, "WHOLE", 30)
    monkeypatch.setattr(blocks, "CORE", 29)
    request = PredictRequest(bundle=bundle, image=stack)

    in_one_piece = [event.text for event in predict(request) if isinstance(event, Remark)]
    in_blocks = [event.text for event in segment_image(request) if isinstance(event, Remark)]

    assert in_one_piece.count("fake: brightest 1.") == 1
    assert in_blocks.count("fake: brightest 1.") == 1


def test_progress_rises_to_its_end(bundle, monkeypatch):
    monkeypatch.setattr(blocks, "WHOLE", 100)
    monkeypatch.setattr(blocks, "CORE", 97)
    image = ImageStack.from_array(picture(disks((300, 300))))

    events = segment_image(PredictRequest(bundle=bundle, image=image))
    fractions = [event.done / event.total for event in events if isinstance(event, TileDone)]

    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_stop_ends_without_labels(bundle, stack):
    control = Control()
    control.stop()
    maps = last_of(predict(PredictRequest(bundle=bundle, image=stack)), MapsReady).maps

    assert not [
        e
        for e in segment_image(PredictRequest(bundle=bundle, image=stack), control=control)
        if isinstance(e, LabelsReady)
    ]
    assert not [e for e in predict(PredictRequest(bundle=bundle, image=stack), control) if isinstance(e, MapsReady)]
    assert not list(segment(SegmentRequest(method_id="fake", maps=maps), control))


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_inside_prediction_reach_the_caller(bundle, stack, failure):
    broken = replace(bundle, train_options=FakeOptions(fail=failure, fail_at=1000))
    expected = OutOfMemory if "memory" in failure else type(FAILURES[failure])

    with pytest.raises(expected):
        labels_of(broken, stack)
    with pytest.raises(expected):
        list(predict(PredictRequest(bundle=broken, image=stack)))


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_inside_segmentation_reach_the_caller(bundle, stack, failure):
    maps = last_of(predict(PredictRequest(bundle=bundle, image=stack)), MapsReady).maps
    request = SegmentRequest(method_id="fake", maps=maps, options=FakeSegmentOptions(fail=failure))

    with pytest.raises(OutOfMemory if "memory" in failure else type(FAILURES[failure])) as caught:
        list(segment(request))
    assert TORCH_SAYS not in str(caught.value)


def test_maps_that_would_not_fit_are_refused_at_once(bundle):
    huge = np.broadcast_to(np.arange(60000, dtype=np.uint8), (60000, 60000))
    request = PredictRequest(bundle=bundle, image=ImageStack.from_array(huge, name="slide"))

    with pytest.raises(OutOfMemory, match="54 GB"):
        list(predict(request))


@pytest.fixture
def slide(tmp_path):
    """Make an image of 20000 x 20000 px on disk."""
    pixels = create_tiff(tmp_path / "slide.tif", (20000, 20000), np.uint8, "YX")
    tile = picture(disks((500, 500)))
    for row in range(0, 20000, 500):
        pixels[row : row + 500] = np.tile(tile, (1, 40))
    pixels.flush()
    return read_image(tmp_path / "slide.tif")


def test_an_image_of_20000_px_a_side_is_segmented_in_bounded_memory(bundle, slide, tmp_path):
    into = create_tiff(tmp_path / "labels.tif", (20000, 20000), np.uint32, "YX")[None]
    control = Control()

    tracemalloc.start()
    for event in segment_image(PredictRequest(bundle=bundle, image=slide), control=control, into=into):
        if isinstance(event, TileDone) and event.done > 0.02 * event.total:  # two of a hundred blocks tell enough
            control.stop()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 700e6
    assert into[0, :1500, :3000].max() > 10_000
    with pytest.raises(OutOfMemory, match=saying(tasks_messages.maps_do_not_fit_into_memory)):
        list(predict(PredictRequest(bundle=replace(bundle, architecture={}), image=slide)))


def shades(n=4, side=96):
    """Squares of unlike brightness, and the brightness of each after normalisation."""
    frame = np.zeros((side, side * n), np.float32)
    for k in range(n):
        frame[30:60, side * k + 30 : side * k + 60] = 0.6 + 0.1 * k
    return ImageStack.from_array(frame, name="shades")


def test_methods_with_scores_give_them_beside_the_labels(bundle, scoring_method):
    scored, image = replace(bundle, method_id="scoring"), shades()
    maps = last_of(predict(PredictRequest(bundle=scored, image=image)), MapsReady).maps

    found = last_of(segment(SegmentRequest(method_id="scoring", maps=maps)), LabelsReady)

    assert found.labels.max() == len(found.scores[0]) == 4
    assert (np.diff(found.scores[0]) > 0).all()
    assert last_of(segment(SegmentRequest(method_id="fake", maps=maps)), LabelsReady).scores == ()


@pytest.mark.parametrize("in_blocks", [False, True])
def test_scores_follow_their_instances_through_seams(bundle, scoring_method, monkeypatch, in_blocks):
    if in_blocks:
        monkeypatch.setattr(blocks, "WHOLE", 64)
        monkeypatch.setattr(blocks, "CORE", 120)
    frames = np.concatenate([shades().frames, shades().frames[..., ::-1]])
    movie = ImageStack.from_array(frames[:, 0], "TYX", name="shades")
    request = PredictRequest(bundle=replace(bundle, method_id="scoring"), image=movie)

    found = last_of(segment_image(request), LabelsReady)

    assert len(found.scores) == 2
    for frame, labels, scores in zip(frames[:, 0], found.labels, found.scores, strict=True):
        assert labels.max() == len(scores) == 4
        bright = [frame[labels == id_].mean() for id_ in range(1, 5)]
        assert np.array_equal(np.argsort(bright), np.argsort(scores))
        assert np.ptp(np.array(bright) / scores) < 0.02
