import time

import numpy as np
import pytest

from balls import noisy_balls
from benchmarks._lib.datasets import median_diameter
from napari_cellseg_ssl.core.data.diameter import (
    FALLBACK_DIAMETER,
    diameters_of_cells,
    estimate_diameter,
    estimate_set_diameter,
)


@pytest.mark.parametrize("diameter", [8, 12, 20, 35, 60])
@pytest.mark.parametrize("brightness", [0.9, -0.7], ids=["bright", "dark"])
def test_size_of_discs_is_found_for_bright_and_dark_objects(diameter, brightness):
    estimate = estimate_diameter(noisy_balls(diameter, brightness=brightness))

    assert estimate.diameter == pytest.approx(diameter, rel=0.2)
    assert estimate.is_reliable
    assert f"{estimate.diameter:.0f} px" in estimate.why


def test_enlarging_an_image_enlarges_the_estimate():
    image = noisy_balls(15)
    twice = np.kron(image, np.ones((2, 2)))

    assert estimate_diameter(twice).diameter / estimate_diameter(image).diameter == pytest.approx(2, rel=0.15)


def test_heavy_noise_does_not_pass_for_small_objects():
    assert estimate_diameter(noisy_balls(40, noise=0.5)).diameter == pytest.approx(40, rel=0.35)


def test_brightness_offset_and_type_do_not_matter():
    image = noisy_balls(16)
    expected = estimate_diameter(image).diameter
    as_16_bit = np.clip(1000 + 5000 * image, 0, 65535).astype(np.uint16)

    assert estimate_diameter(as_16_bit).diameter == pytest.approx(expected, rel=0.05)
    assert estimate_diameter(image - 7).diameter == pytest.approx(expected, rel=0.05)


def test_channels_are_accepted_and_do_not_change_the_size():
    image = noisy_balls(18)

    for n_channels in (3, 6):
        estimate = estimate_diameter(np.stack([image] * n_channels), spatial_ndim=2)
        assert estimate.diameter == pytest.approx(estimate_diameter(image).diameter)


def test_balls_in_a_volume_have_their_own_diameter():
    volume = noisy_balls(14, shape=(48, 64, 64), noise=0.02)

    assert estimate_diameter(volume).diameter == pytest.approx(14, rel=0.2)
    assert estimate_diameter(volume[np.newaxis]).diameter == pytest.approx(14, rel=0.2)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.zeros((1, 1)),
        np.zeros((0, 7)),
        np.ones((1, 300)),
        np.ones((3, 1, 1)),
        np.ones((20, 20), dtype=bool),
    ],
    ids=["constant", "nan", "pixel", "empty", "row", "rgb-pixel", "bool"],
)
def test_images_without_objects_give_the_fallback_and_a_reason(image):
    estimate = estimate_diameter(image)

    assert estimate.diameter == FALLBACK_DIAMETER
    assert estimate.confidence == 0
    assert not estimate.is_reliable
    assert "assumed" in estimate.why


def test_a_few_broken_pixels_do_not_matter():
    image = noisy_balls(16)
    broken = image.copy()
    broken[5, 5], broken[80, 80] = np.nan, np.inf

    assert estimate_diameter(broken).diameter == pytest.approx(estimate_diameter(image).diameter, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 200), (2, 2), (3, 500), (30, 17)])
def test_odd_shapes_of_noise_never_fail(shape):
    noise = np.random.default_rng(0).standard_normal(shape)

    assert 0 < estimate_diameter(noise).diameter < 1000


def test_a_large_image_is_estimated_at_once():
    image = noisy_balls(24, shape=(1024, 1024))
    start = time.process_time()  # not of the wall: others may be at work too
    estimate = estimate_diameter(image)

    assert time.process_time() - start < 2.0  # about 0.4 s
    assert estimate.diameter == pytest.approx(24, rel=0.2)


def test_the_estimate_of_a_set_outvotes_one_bad_image():
    images = [noisy_balls(20, seed=k) for k in range(3)] + [np.zeros((64, 64)), noisy_balls(50)]

    estimate = estimate_set_diameter(images)

    assert estimate.diameter == pytest.approx(20, rel=0.2)
    assert "4 images" in estimate.why
    assert estimate_set_diameter([np.zeros((9, 9))]).diameter == FALLBACK_DIAMETER
    assert estimate_set_diameter([]).confidence == 0


def test_diameter_of_annotated_cells_is_the_median_of_equivalent_discs():
    cells = np.zeros((40, 60), dtype=np.int64)
    cells[0:4, 0:4], cells[10:20, 10:20], cells[25:35, 30:50] = 5, 9, 1000

    assert diameters_of_cells(cells) == pytest.approx(np.sqrt(4 / np.pi * np.array([16, 100, 200])))
    assert median_diameter(cells) == pytest.approx(np.sqrt(400 / np.pi))
    assert median_diameter(np.zeros((5, 5), dtype=int)) is None
    cube = np.zeros((12, 12, 12), dtype=int)
    cube[2:8, 2:8, 2:8] = 3
    assert median_diameter(cube) == pytest.approx(2 * (216 * 3 / 4 / np.pi) ** (1 / 3))
