import numpy as np
import pytest
import tifffile

from drawings import disks, picture
from drawn import TINY, trained
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.synthetic_masks import SyntheticPair
from napari_cellseg_ssl.core.errors import WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.events import last_of
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.training.base import Training
from napari_cellseg_ssl.tasks import (
    Control,
    FileWritten,
    Preview,
    PreviewWindow,
    SynthesisRequest,
    TrainRequest,
    example_mask,
    synthesise,
    train,
)
from napari_cellseg_ssl.tasks import messages as tasks_messages
from napari_cellseg_ssl.tasks.synthesis import can_draw, draw_pairs, drawn_diameter
from saying import saying


@pytest.fixture(scope="module")
def bundle():
    return trained()


def written(request, control=None):
    return [event.path for event in synthesise(request, control) if isinstance(event, FileWritten)]


def test_pairs_are_written_as_images_and_labels_of_the_same_names(bundle, tmp_path):
    files = written(SynthesisRequest(bundle=bundle, folder=tmp_path, shape=(64, 80), count=2))

    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        "images/synthetic_0001.tif",
        "labels/synthetic_0001.tif",
        "images/synthetic_0002.tif",
        "labels/synthetic_0002.tif",
    ]
    for file in files:
        pixels = tifffile.imread(file)
        assert pixels.shape == (64, 80)
        assert pixels.dtype == np.uint16
        assert pixels.max() > 0


def test_a_stop_ends_the_drawing_after_a_pair(bundle, tmp_path):
    control = Control()
    control.stop()

    assert len(written(SynthesisRequest(bundle=bundle, folder=tmp_path, count=50), control)) == 2


def test_a_preview_while_training_shows_the_image_redrawn_and_an_image_of_drawn_objects(monkeypatch):
    monkeypatch.setattr(Training, "seconds_between_snapshots", 0.0)
    image, window = picture(disks()), PreviewWindow(0, 0, (slice(4, 52), slice(10, 64)))
    request = TrainRequest(
        method_id="adgan",
        images=(ImageStack.from_array(image, name="disks"),),
        options=with_values(get_method("adgan").info.preset(), TINY),
        object_diameter=11.0,
        preview=lambda: window,
    )

    shown = last_of(train(request), Preview)

    assert shown.drawn.image.shape == shown.drawn.mask.shape == shown.drawn.labels.shape == (48, 54)
    again = shown.maps.to_source("reconstruction")
    assert again.shape == (1, 1, 48, 54)
    assert 0 <= again.min() < again.max() <= 1
    assert np.mean((shown.drawn.mask > -1) == (shown.drawn.labels > 0)) == 1


def test_a_method_that_draws_no_masks_shows_none():
    image = ImageStack.from_array(picture(disks()), name="disks")
    window = PreviewWindow(0, 0, (slice(0, 32), slice(0, 32)))

    with pytest.raises(WrongOption, match="Classical draws no masks"):
        example_mask(image, window, "classical", 11.0, None)


def test_models_that_cannot_draw_are_refused(tmp_path):
    with pytest.raises(WrongRun, match=saying(tasks_messages.draws_no_images)):
        written(SynthesisRequest(bundle=trained("classical"), folder=tmp_path))


def test_images_with_other_axes_are_refused(bundle, tmp_path):
    with pytest.raises(WrongImage, match="2D images, not 3D"):
        written(SynthesisRequest(bundle=bundle, folder=tmp_path, shape=(16, 32, 32)))


def test_images_get_as_many_channels_as_are_asked_for(bundle, tmp_path):
    image, labels = written(SynthesisRequest(bundle=bundle, folder=tmp_path, shape=(32, 40), count=1, channels=3))

    pixels = tifffile.imread(image)
    assert pixels.shape == (3, 32, 40)
    assert np.array_equal(pixels[0], pixels[2])
    assert tifffile.imread(labels).shape == (32, 40)


def test_images_without_pixels_are_refused(bundle):
    with pytest.raises(WrongImage, match=saying(tasks_messages.shape_without_pixels)):
        list(draw_pairs(bundle, (0, 64)))


def test_the_same_seed_draws_the_same_pairs_and_objects_have_the_size_that_is_said(bundle):
    pairs, again, others = (
        [one for one in draw_pairs(bundle, (128, 128), count=2, seed=seed) if isinstance(one, SyntheticPair)]
        for seed in (1, 1, 2)
    )

    assert np.array_equal(pairs[1].image, again[1].image)
    assert not np.array_equal(pairs[0].labels, pairs[1].labels)
    assert not np.array_equal(pairs[0].labels, others[0].labels)
    areas = np.bincount(np.concatenate([pair.labels.ravel() for pair in pairs]))[1:]
    assert 2 * np.sqrt(np.median(areas[areas > 0]) / 2 / np.pi) == pytest.approx(drawn_diameter(bundle), rel=0.5)


def test_only_models_that_can_draw_are_said_to(bundle):
    assert can_draw(bundle)
    assert not can_draw(trained("classical"))
    assert not can_draw(None)
