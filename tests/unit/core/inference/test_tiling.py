"""Tiles cover every pixel once, seams do not show, and memory running out makes tiles smaller."""

import numpy as np
import pytest

from napari_cellseg_ssl.core import messages as core_messages
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec
from napari_cellseg_ssl.core.errors import OutOfMemory
from napari_cellseg_ssl.core.inference.tiling import padding, plan_tiles, predict_tiled
from napari_cellseg_ssl.core.methods.events import MapsReady, Note, TileDone, last_of
from saying import saying

SPECS = {"blur": MapSpec("blur", "intensity", 1)}


class BlurPredictor:
    """A network of field 2 * halo + 1; fails like a full GPU above `fits` px."""

    halo, multiple_of, working_diameter = 3, 2, None

    def __init__(self, fits=10_000):
        self.fits = fits

    def __call__(self, crops, origins):
        if crops.shape[-1] > self.fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")
        out = crops[:, :1].copy()
        for axis in (2, 3):
            out = sum(np.roll(out, shift, axis) for shift in range(-3, 4))
        return {"blur": out}


def predict(image, predictor=None, **options):
    events = predict_tiled(
        image, predictor or BlurPredictor(), diameter=10.0, specs=SPECS, intensity=Intensity(), **options
    )
    return list(events)


def picture(*shape):
    return ImageStack.from_array(np.random.default_rng(0).random(shape))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (64, 64), (65, 130), (127, 300)])
@pytest.mark.parametrize("tile", [64, 66, 128])
def test_every_pixel_is_written_once(shape, tile):
    written = np.zeros(shape, int)
    (before, after), *_ = padding(shape, halo=8, multiple_of=4)

    for piece in plan_tiles(shape, tile=tile, halo=8, multiple_of=4):
        written[piece.write] += 1
        for read, size in zip(piece.read, shape, strict=True):
            assert (read.stop - read.start) % 4 == 0
            assert read.stop <= size + before + after

    assert (written == 1).all()


@pytest.mark.parametrize("tile", [64, 66, 128])
def test_tiled_equals_untiled(tile):
    image = picture(151, 200)

    whole, tiled = (last_of(predict(image, tile=t), MapsReady).maps.arrays["blur"] for t in (512, tile))

    assert np.allclose(whole, tiled, atol=1e-5)


def test_progress_counts_every_tile_of_every_frame():
    image = ImageStack.from_array(np.random.default_rng(0).random((2, 100, 130)), "TYX")

    done = [event for event in predict(image, tile=64) if isinstance(event, TileDone)]

    assert [event.done for event in done] == list(range(1, 13))
    assert {event.total for event in done} == {12}


def test_running_out_of_memory_halves_the_tile_and_says_so():
    image = picture(300, 300)

    events = predict(image, BlurPredictor(fits=150), tile=512)

    assert any(isinstance(event, Note) and "128 px" in event.text for event in events)
    assert np.allclose(events[-1].maps.arrays["blur"], predict(image)[-1].maps.arrays["blur"], atol=1e-5)


def test_when_no_tile_fits_the_user_is_told_what_to_do():
    with pytest.raises(OutOfMemory, match="'cpu'"):
        predict(picture(300, 300), BlurPredictor(fits=10))


def test_an_error_that_is_not_about_memory_stays_itself():
    class Broken(BlurPredictor):
        def __call__(self, crops, origins):
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        predict(picture(30, 30), Broken())


def test_a_stop_ends_without_maps():
    calls = iter([False, True])

    events = predict(picture(200, 200), tile=64, should_stop=lambda: next(calls))

    assert [type(event) for event in events] == [TileDone]


def test_maps_are_made_at_the_scale_the_network_expects():
    class Expects20(BlurPredictor):
        working_diameter = 20.0

    maps = predict(picture(50, 70), Expects20())[-1].maps

    assert maps.scale == 2.0
    assert maps.arrays["blur"].shape == (1, 1, 100, 140)
    assert maps.working_diameter == 20.0


def test_maps_that_cannot_be_held_are_refused_with_their_size(monkeypatch):
    image = picture(30, 30)

    def refuse(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(np, "zeros", refuse)

    with pytest.raises(OutOfMemory, match=saying(core_messages.maps_too_large)):
        predict(image)


class FieldPredictor(BlurPredictor):
    """Needs the brightest pixel of the field, which a tile alone would not know."""

    def __init__(self, brightest=None):
        super().__init__()
        self.brightest = brightest

    def for_field(self, field):
        return FieldPredictor(float(field.max()))

    def __call__(self, crops, origins):
        return {"blur": np.full_like(crops[:, :1], self.brightest)}


def test_what_a_predictor_needs_of_the_field_is_the_same_for_all_its_tiles():
    frames = np.stack([picture(100, 90).frames[0, 0], 3 * picture(100, 90).frames[0, 0] ** 4])

    maps = last_of(predict(ImageStack.from_array(frames), FieldPredictor(), tile=64), MapsReady).maps

    first, second = maps.arrays["blur"][:, 0]
    assert np.ptp(first) == np.ptp(second) == 0
    assert first[0, 0] != second[0, 0]
