import numpy as np
import pytest
import tifffile

from drawings import disks, picture
from napari_cellseg_ssl.core.errors import WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.events import TrainFinished, last_of
from napari_cellseg_ssl.core.images import ImageStack
from napari_cellseg_ssl.core.method import Run
from napari_cellseg_ssl.core.methods.adgan import training
from napari_cellseg_ssl.core.options import with_values
from napari_cellseg_ssl.core.registry import get_method
from napari_cellseg_ssl.core.training_set import TrainingItem, TrainingSet
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

TINY = {"steps": 1, "width": 4, "blocks": 1, "crop": 32, "batch": 1}


def trained(method_id):
    image = ImageStack.from_array(picture(disks()), name="disks")
    data = TrainingSet((TrainingItem(image=image, diameter=11.0),))
    method = get_method(method_id)
    options = with_values(method.info.preset(), TINY if method_id == "adgan" else {})
    return last_of(method.train(data, options, Run()), TrainFinished).bundle


@pytest.fixture(scope="module")
def bundle():
    return trained("adgan")


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
    monkeypatch.setattr(training, "SECONDS_BETWEEN_SNAPSHOTS", 0.0)
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
    with pytest.raises(WrongRun, match="cannot draw"):
        written(SynthesisRequest(bundle=trained("classical"), folder=tmp_path))


def test_images_with_other_axes_are_refused(bundle, tmp_path):
    with pytest.raises(WrongImage, match="2D images, not 3D"):
        written(SynthesisRequest(bundle=bundle, folder=tmp_path, shape=(16, 32, 32)))
