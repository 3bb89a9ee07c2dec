"""Which object diameter a job takes."""

import numpy as np
import pytest

from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongOption
from napari_cellseg_ssl.tasks.diameters import resolve_diameters, resolve_unknown


def image(radius=7, n_frames=1, **kwargs):
    frame = picture(disks((128, 128), radius=radius, pitch=24, **kwargs))
    return ImageStack.from_array(frame if n_frames == 1 else np.stack([frame] * n_frames))


def test_a_given_diameter_is_taken_for_every_image():
    diameters, sentence = resolve_diameters([image(), image()], 12.5)

    assert diameters == [12.5, 12.5]
    assert "12.5 px, as given" in sentence


def test_each_image_gets_its_own_estimate():
    diameters, sentence = resolve_diameters([image(5), image(9, n_frames=5)], "auto")

    assert diameters == pytest.approx([10.5, 18.5], rel=0.2)
    assert "estimated for each image" in sentence


def test_an_image_without_objects_takes_the_size_of_the_others():
    empty = ImageStack.from_array(np.arange(64.0).reshape(8, 8))

    diameters, sentence = resolve_diameters([image(), image(), empty], "auto")

    assert diameters[2] == np.median(diameters[:2])
    assert "1 of 3 images" in sentence


@pytest.mark.parametrize("wanted", [0.0, -4.0, float("nan"), float("inf")])
def test_no_other_diameter_than_a_length_is_taken(wanted):
    with pytest.raises(WrongOption, match="diameter"):
        resolve_diameters([image()], wanted)


def test_a_diameter_of_the_first_image_is_not_that_of_the_others():
    diameters, sentence = resolve_diameters([image(5), image(5), image(9)], 20, one_size=False)

    assert diameters == pytest.approx([20, 10.5, 18.5], rel=0.2)
    assert "as given" in sentence
    assert "estimated for each image" in sentence


def test_known_sizes_go_before_estimates_and_before_what_is_said_of_the_first_image():
    images = [image(9), image(5), image(5)]

    diameters, sentence = resolve_unknown(images, 20, (None, 14.0, None), one_size=False)

    assert diameters == [20, 14, pytest.approx(10, abs=2)]
    assert "20.0 px, as given" in sentence
    assert "14.0 px, known, in 1 images" in sentence
    assert resolve_unknown(images, 20, (14.0, None, None), one_size=False)[0][1] == pytest.approx(10, abs=2)
    assert resolve_unknown(images[:2], "auto", (14.0, 12.0))[0] == [14, 12]
    assert resolve_unknown(images, 20, (None, None, None))[0] == [20, 20, 20]
