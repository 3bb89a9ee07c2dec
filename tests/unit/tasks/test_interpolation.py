import numpy as np
import pytest

from drawings import disks, picture
from drawn import trained
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongImage, WrongOption, WrongRun
from napari_cellseg_ssl.core.methods.events import MapsReady, TileDone, last_of
from napari_cellseg_ssl.tasks import (
    Control,
    InterpolationReady,
    InterpolationRequest,
    PredictRequest,
    interpolate,
    predict,
)
from napari_cellseg_ssl.tasks import messages as tasks_messages
from saying import saying

CLOSE = 0.02
"""Of values between -1 and 1; half-precision convolutions differ by less where the field is the same."""


@pytest.fixture(scope="module")
def bundle():
    return trained()


@pytest.fixture
def image():
    """Disks of 11 px on half of the field, so that a part has other statistics than the whole."""
    labels = disks((96, 160))
    labels[:, 80:] = 0
    return ImageStack.from_array(picture(labels), name="disks")


def ready(request, control=None):
    return last_of(interpolate(request, control), InterpolationReady)


def mask_of(bundle, image):
    maps = last_of(predict(PredictRequest(bundle=bundle, image=image, object_diameter=11.0)), MapsReady).maps
    return maps.to_source("translated-mask")[0, 0]


def test_the_last_step_is_the_mask_that_prediction_makes(bundle, image):
    found = ready(InterpolationRequest(bundle=bundle, image=image, object_diameter=11.0, steps=3))

    assert found.stack.shape == (3, 96, 160)
    assert found.stack.dtype == np.float32
    assert found.region == (slice(0, 96), slice(0, 160))
    np.testing.assert_allclose(found.stack[-1], mask_of(bundle, image), atol=CLOSE)
    assert np.abs(found.stack[0] - found.stack[-1]).mean() > CLOSE


def test_a_part_is_translated_with_the_statistics_of_the_whole_frame(bundle, image):
    region = (slice(20, 60), slice(30, 90))

    found = ready(InterpolationRequest(bundle=bundle, image=image, object_diameter=11.0, steps=2, region=region))

    assert found.stack.shape == (2, 40, 60)
    np.testing.assert_allclose(found.stack[-1], mask_of(bundle, image)[region], atol=CLOSE)


def test_another_frame_can_be_asked_for(bundle):
    movie = ImageStack.from_array(np.stack([picture(disks(n=n)) for n in (4, 16)]), name="movie")

    first, second = (
        ready(InterpolationRequest(bundle=bundle, image=movie, object_diameter=11.0, steps=2, frame=frame))
        for frame in (0, 1)
    )

    assert second.frame == 1
    assert np.abs(first.stack - second.stack).max() > CLOSE
    with pytest.raises(WrongImage, match="2 frames"):
        ready(InterpolationRequest(bundle=bundle, image=movie, object_diameter=11.0, frame=2))


def test_a_stop_ends_it_without_a_result(bundle, image):
    control = Control()
    events = interpolate(InterpolationRequest(bundle=bundle, image=image, object_diameter=11.0), control)
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, TileDone):
            control.stop()

    assert sum(isinstance(event, TileDone) for event in seen) == 1
    assert not any(isinstance(event, InterpolationReady) for event in seen)


def test_what_cannot_be_done_is_said(bundle, image):
    with pytest.raises(WrongRun, match=saying(tasks_messages.nothing_in_between)):
        ready(InterpolationRequest(bundle=trained("classical"), image=image, object_diameter=11.0))
    with pytest.raises(WrongOption, match="1 steps"):
        ready(InterpolationRequest(bundle=bundle, image=image, steps=1))
