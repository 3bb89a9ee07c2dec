"""Axes are sorted and come back; images without information are refused in words."""

import numpy as np
import pytest

from napari_cellseg_ssl.core.data import messages as data_messages
from napari_cellseg_ssl.core.data.images import ImageStack, guess_axes, require_finite
from napari_cellseg_ssl.core.errors import WrongImage
from saying import saying


@pytest.mark.parametrize(
    ("shape", "axes", "frames"),
    [
        ((5, 7), "YX", (1, 1, 5, 7)),
        ((5, 7, 3), "YXC", (1, 3, 5, 7)),
        ((3, 5, 7), "CYX", (1, 3, 5, 7)),
        ((4, 5, 7), "TYX", (4, 1, 5, 7)),
        ((4, 5, 7, 3), "TYXC", (4, 3, 5, 7)),
        ((2, 4, 5, 7), "TZYX", (2, 1, 4, 5, 7)),
        ((7, 5), "XY", (1, 1, 5, 7)),
    ],
)
def test_axes_are_sorted_to_samples_channels_space(shape, axes, frames):
    assert ImageStack.from_array(np.zeros(shape), axes).frames.shape == frames


def test_pixels_stay_where_they_were():
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)

    stack = ImageStack.from_array(array, "TCYX")

    assert np.array_equal(stack.frames, array)
    assert np.array_equal(ImageStack.from_array(array.transpose(0, 2, 3, 1), "TYXC").frames, array)


def test_channels_are_picked_in_the_order_asked_for():
    array = np.stack([np.full((4, 4), value) for value in (10, 20, 30)])

    stack = ImageStack.from_array(array, "CYX", channels=(2, 0))

    assert [int(c[0, 0]) for c in stack.frames[0]] == [30, 10]


def test_a_missing_channel_is_named():
    with pytest.raises(WrongImage, match="channel 5 does not exist"):
        ImageStack.from_array(np.zeros((2, 4, 4)), "CYX", channels=(5,))


@pytest.mark.parametrize(
    ("shape", "axes"), [((5, 7), "YX"), ((50, 70, 3), "YXC"), ((9, 50, 70), "TYX"), ((2, 3, 50, 70), "TCYX")]
)
def test_the_guess_never_takes_samples_for_channels(shape, axes):
    assert guess_axes(shape) == axes


def test_six_axes_without_names_are_refused_with_an_example():
    with pytest.raises(WrongImage, match="TZCYX"):
        guess_axes((1,) * 6)


@pytest.mark.parametrize("axes", ["YXX", "YQ", "Y", "ZT"])
def test_axes_that_do_not_fit_are_refused(axes):
    with pytest.raises(WrongImage, match=saying(data_messages.wrong_axes)):
        ImageStack.from_array(np.zeros((5, 7)), axes)


def test_complex_values_and_empty_images_are_refused():
    with pytest.raises(WrongImage, match="complex128"):
        ImageStack.from_array(np.zeros((5, 7), complex))
    with pytest.raises(WrongImage, match="empty"):
        ImageStack.from_array(np.zeros((0, 7)), "YX")


def test_labels_of_a_single_image_come_back_without_a_sample_axis():
    stack = ImageStack.from_array(np.zeros((5, 7, 3)), "YXC")

    assert stack.to_source(np.zeros((1, 5, 7))).shape == (5, 7)


def test_labels_of_a_time_lapse_keep_its_sample_axes():
    assert ImageStack.from_array(np.zeros((4, 5, 7)), "TYX").to_source(np.zeros((4, 5, 7))).shape == (4, 5, 7)
    two = ImageStack.from_array(np.zeros((2, 3, 5, 7)), "STYX")
    assert two.to_source(np.zeros((6, 5, 7))).shape == (2, 3, 5, 7)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, bool])
def test_every_real_dtype_is_taken_as_it_is(dtype):
    array = np.eye(6).astype(dtype)

    stack = ImageStack.from_array(array)

    assert stack.frames.dtype == dtype
    require_finite(stack)


def test_a_constant_image_is_refused_with_its_value():
    with pytest.raises(WrongImage, match="every pixel is 7"):
        require_finite(ImageStack.from_array(np.full((4, 4), 7)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinite_values_are_refused_with_their_share(bad):
    array = np.eye(10)
    array[0, 0] = bad

    with pytest.raises(WrongImage, match=r"1\.0 %"):
        require_finite(ImageStack.from_array(array))
