"""What looks alike: which parts are compared, and that a backbone tells textures apart."""

import numpy as np
import pytest
from scipy import ndimage

from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.training_set import TrainingItem, TrainingSet
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.inference.similar_regions import FindsAlike, cosines, half_steps, most_similar
from napari_cellseg_ssl.core.methods.base import Run
from napari_cellseg_ssl.core.methods.cupre import METHOD, feature_similarity
from napari_cellseg_ssl.core.methods.cupre import messages as cupre_messages
from napari_cellseg_ssl.core.methods.cupre.options import CupreOptions
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from saying import saying

DIAMETER, SIDE = 11.0, 32


def halves(size=192):
    """Blobs on the left, fine stripes with some noise on the right."""
    rng = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(rng.normal(size=(size, size)), 4)
    stripes = np.sin(np.indices((size, size))[0]) + 0.3 * rng.normal(size=(size, size))
    return np.where(np.arange(size) < size // 2, blobs / blobs.std(), stripes).astype(np.float32)


@pytest.fixture(scope="module")
def image():
    return ImageStack.from_array(halves(), name="halves")


@pytest.fixture(scope="module")
def bundle(image):
    options = CupreOptions(
        detector="tiny", steps=2, working_diameter=DIAMETER, crop=64, tile=SIDE, view=SIDE, tiles=4, queue=64
    )
    data = TrainingSet((TrainingItem(image=image, diameter=DIAMETER),))
    return last_of(METHOD.train(data, options, Run()), TrainFinished).bundle


def ask(bundle, image, place=(0, 60, 40), count=4, diameter=DIAMETER, **more):
    return METHOD.alike(bundle, image, place, diameter=diameter, count=count, device="cpu", **more)


def test_squares_cover_a_frame_to_its_ends():
    corners = half_steps((100, 50), 32, 1000)

    assert set(corners[:, 1].tolist()) == {0, 9, 18}
    assert corners[:, 0].min() == 0
    assert corners[:, 0].max() == 68
    assert np.diff(np.unique(corners[:, 0])).max() <= 16


def test_of_a_large_frame_no_more_squares_are_looked_at_than_asked_for():
    corners = half_steps((3000, 3000), 32, 500)

    assert len(corners) <= 500
    assert corners.max() == 3000 - 32


def test_a_frame_smaller_than_a_square_has_one():
    assert half_steps((20, 10), 32, 100).tolist() == [[0, 0]]


def test_what_is_shown_hardly_overlaps():
    corners = np.array([[0, 0], [0, 10], [40, 0], [40, 16], [40, 31]])

    chosen = most_similar(corners, 32, np.array([1.0, 0.9, 0.8, 0.7, 0.6]), 8, shared=0.25)

    assert chosen == [0, 2, 4]


def test_what_is_less_alike_than_any_two_is_not_shown():
    corners = np.array([[0, 0], [0, 40], [0, 80]])

    assert most_similar(corners, 32, np.array([1.0, -0.1, 0.1]), 8, shared=0.25) == [0, 2]


def test_what_all_have_in_common_does_not_count():
    features = np.array([[100.0, 1.0], [100.0, 1.0], [100.0, -1.0], [100.0, -1.0]])

    assert cosines(features) == pytest.approx([1, 1, -1, -1])


def test_cupre_can_say_what_looks_alike():
    assert isinstance(METHOD, FindsAlike)


def test_the_part_asked_about_comes_first_and_then_the_most_similar(bundle, image):
    found = ask(bundle, image)

    x1, y1, x2, y2 = found.boxes[0]
    assert (x1, y1, x2, y2) == (24, 44, 56, 76)
    assert len(found) == 5
    assert found.similarity[0] == 1
    assert (np.diff(found.similarity[1:]) <= 0).all()
    assert (np.abs(found.similarity) <= 1).all()


@pytest.mark.parametrize("x", [40, 150])
def test_blobs_look_like_blobs_and_stripes_like_stripes(bundle, image, x):
    found = ask(bundle, image, (0, 96, x), count=3)

    middles = found.boxes[:, [0, 2]].mean(axis=1)
    assert ((middles < 96) == (x < 96)).all()


def test_boxes_are_in_pixels_of_the_image_whatever_its_scale(bundle, image):
    coarse = ImageStack.from_array(halves()[::2, ::2].repeat(4, 0).repeat(4, 1), name="magnified")

    found = ask(bundle, coarse, (0, 200, 100), diameter=2 * DIAMETER)

    assert found.boxes[0].tolist() == [68, 168, 132, 232]


def test_at_the_edge_the_part_stays_within_the_image(bundle, image):
    found = ask(bundle, image, (0, 0, 191))

    assert found.boxes[0].tolist() == [160, 0, 192, 32]
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 192


def test_an_image_smaller_than_a_tile_is_like_nothing_else(bundle):
    small = ImageStack.from_array(picture(disks((24, 24))), name="small")

    assert len(ask(bundle, small, (0, 10, 10))) == 1


@pytest.mark.parametrize("place", [(0, 192, 0), (1, 5, 5), (0, -1, 5), (5, 5)])
def test_a_place_outside_of_the_image_is_refused(bundle, image, place):
    with pytest.raises(WrongImage, match=saying(cupre_messages.no_such_place)):
        ask(bundle, image, place)


def test_a_stop_ends_it_soon(bundle, image, monkeypatch):
    monkeypatch.setattr(feature_similarity, "BATCH", 2)
    asked = []

    ask(bundle, image, should_stop=lambda: bool(asked.append(1)) or len(asked) > 2)

    assert len(asked) == 3
