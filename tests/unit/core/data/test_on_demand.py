"""Lazy images: only what is asked for is read, and results are those of loaded ones."""

import dask.array as da
import numpy as np
import pytest

from napari_cellseg_ssl.core.data.images import ImageStack, require_finite
from napari_cellseg_ssl.core.data.on_demand import OnDemand
from napari_cellseg_ssl.core.errors import WrongImage


class Counted:
    """An array that says how many of its pixels were read."""

    def __init__(self, pixels):
        self.pixels, self.read = pixels, 0
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, index):
        found = self.pixels[index]
        self.read += found.size
        return found


def test_a_window_of_a_lazy_image_reads_that_window_alone():
    counted = Counted(np.arange(40 * 100 * 100, dtype=np.float32).reshape(40, 100, 100))
    image = ImageStack.from_array(da.from_array(counted, chunks=(1, 50, 50)), "TYX")

    window = image.frames[3, :, :50, :50]

    np.testing.assert_array_equal(window[0], counted.pixels[3, :50, :50])
    assert counted.read == 50 * 50


def test_axes_and_channels_of_lazy_images_are_sorted_as_those_of_loaded_ones():
    pixels = np.random.default_rng(0).integers(0, 255, (4, 30, 20, 3), np.uint8)
    loaded = ImageStack.from_array(pixels, "TYXC", channels=[2, 0])
    lazy = ImageStack.from_array(da.from_array(pixels), "TYXC", channels=[2, 0])

    assert isinstance(lazy.frames, OnDemand)
    assert (lazy.n_channels, lazy.spatial_shape, len(lazy.frames)) == (2, (30, 20), 4)
    np.testing.assert_array_equal(lazy.frames, loaded.frames)
    for one, other in zip(lazy.frames, loaded.frames, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_pixels_deep_in_a_lazy_image_are_found():
    pixels = np.random.default_rng(0).random((2, 300, 200))
    pixels[1, 250, 7] = np.nan

    with pytest.raises(WrongImage, match="NaN"):
        require_finite(ImageStack.from_array(da.from_array(pixels), "TYX"))
