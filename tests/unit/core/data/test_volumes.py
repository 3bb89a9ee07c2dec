"""Volumes: isotropic at the working scale whatever their spacing, back on their own grid, and never too shallow."""

import numpy as np
import pytest
from scipy import ndimage

from balls import ball_volume, labelled_balls
from napari_cellseg_ssl.core.data import messages as data_messages
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.data.scaling import resize_image, resize_linear, working_shape
from napari_cellseg_ssl.core.data.volumes import as_slices, as_volume, describe_volume, require_depth, with_spacing
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.inference.tiling import plan_tiles, predict_tiled
from napari_cellseg_ssl.core.methods.base import get_method
from napari_cellseg_ssl.core.methods.classical.options import ClassicalSegmentOptions
from napari_cellseg_ssl.core.methods.events import MapsReady, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.core.training import crops
from napari_cellseg_ssl.core.training.crops import CropSampler, crop_frame
from saying import saying


class Copy:
    """Return what it is shown, and remember the shape of it."""

    halo, multiple_of = 4, 2

    def __init__(self, working_diameter=None):
        self.working_diameter, self.seen = working_diameter, []

    def __call__(self, shown, origins):
        self.seen.append(shown.shape[2:])
        return {"copy": shown}


def maps_of(image, predictor, diameter=14.0, **options):
    specs = {"copy": MapSpec("copy", "intensity", 1)}
    events = predict_tiled(image, predictor, diameter=diameter, specs=specs, intensity=Intensity(), **options)
    return last_of(events, MapsReady).maps


def test_slices_are_as_far_apart_as_the_spacing_says():
    _, image = ball_volume()

    assert image.aspect == (3.0, 1.0, 1.0)
    assert as_slices(image).aspect == (1.0, 1.0)
    assert "12 slices of 45 × 45 px, 3 px apart." in describe_volume(image, 14.0)


def test_a_volume_of_unknown_spacing_says_what_it_is_taken_for():
    image = ImageStack.from_array(np.zeros((9, 20, 20)), "ZYX")

    assert "1 px apart" in describe_volume(image, 8.0)
    assert "give the spacing" in describe_volume(image, 8.0)
    assert describe_volume(as_slices(image), 8.0) == ""


def test_slices_so_far_apart_that_few_show_an_object_are_told():
    _, image = ball_volume()

    assert "An object is in 2.0 of them" in describe_volume(image, 6.0)
    assert "An object is in" not in describe_volume(image, 14.0)


def test_slices_become_a_volume_and_back_without_a_pixel_changing_its_place():
    frames = np.random.default_rng(0).random((6, 2, 8, 9))
    stack = ImageStack.from_array(frames, "TCYX", spacing=(0.5, 0.5))

    volume = as_volume(stack)

    assert volume.spatial_shape == (6, 8, 9)
    assert volume.spacing == (0.5, 0.5, 0.5)
    assert np.array_equal(volume.frames[0].swapaxes(0, 1), frames)
    assert np.array_equal(as_slices(volume).frames, frames)
    assert as_volume(volume) is volume


def test_a_single_plane_is_no_volume():
    with pytest.raises(WrongImage, match=saying(data_messages.not_a_volume)):
        as_volume(ImageStack.from_array(np.zeros((20, 20))))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (float("nan"), 1.0, 1.0)])
def test_a_spacing_that_cannot_be_is_refused(spacing):
    with pytest.raises(WrongImage, match="spacing"):
        with_spacing(ImageStack.from_array(np.zeros((9, 20, 20)), "ZYX"), spacing)


def test_a_stack_without_room_for_an_object_says_from_which_depth_on_there_is():
    _, image = ball_volume()

    require_depth(image, 36.0)
    with pytest.raises(WrongImage, match="has 12 slices; a volume of objects 40 px wide needs 14"):
        require_depth(image, 40.0)
    with pytest.raises(WrongImage, match="has 3 slices; a volume needs 4"):
        require_depth(ImageStack.from_array(np.zeros((3, 20, 20)), "ZYX", name="flat"))
    require_depth(as_slices(image), 1000.0)


def test_interpolated_noise_does_not_show_the_grid_it_was_measured_on():
    noise = np.random.default_rng(0).standard_normal((40, 64, 64)).astype(np.float32)
    shape = working_shape(noise.shape, 0.93, (2.2, 1.0, 1.0))

    def unevenness(volume, axis):
        others = tuple(a for a in range(3) if a != axis)
        inner = volume[6:-6, 6:-6, 6:-6].std(axis=others)
        return inner.std() / inner.mean()

    for axis in (0, 2):
        assert unevenness(resize_linear(noise, shape), axis) > 0.1
        assert unevenness(resize_image(noise, shape), axis) < 0.05


def test_volumes_at_their_own_scale_and_flat_images_stay_as_they_were():
    noise = np.random.default_rng(0).standard_normal((20, 20, 20)).astype(np.float32)

    assert np.array_equal(resize_image(noise, noise.shape), noise)
    assert np.array_equal(resize_image(noise[0], (15, 15)), resize_linear(noise[0], (15, 15)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 40, 33), (33, 70, 64)])
def test_every_voxel_is_written_once(shape):
    written = np.zeros(shape, int)

    for piece in plan_tiles(shape, tile=32, halo=8, multiple_of=4):
        written[piece.write] += 1

    assert (written == 1).all()


def test_the_network_sees_isotropic_pixels_in_tiles_of_bounded_size():
    _, image = ball_volume()
    predictor = Copy(working_diameter=7.0)

    maps = maps_of(image, predictor, tile=16)

    assert maps.arrays["copy"].shape == (1, 1, 18, 22, 22)
    assert max(max(shape) for shape in predictor.seen) <= 16 + 2 * predictor.halo
    assert np.allclose(maps.arrays["copy"], maps_of(image, Copy(working_diameter=7.0)).arrays["copy"])
    assert maps.to_source("copy").shape == (1, 1, 12, 45, 45)


def test_maps_of_a_magnified_volume_come_back_to_isotropic_pixels_of_its_plane():
    maps = PredictionMaps(
        arrays={"m": np.zeros((1, 3, 60, 40, 40), np.float32)},
        specs={"m": MapSpec("m", "embedding", 2, in_pixels=True)},
        scale=2.0,
        source_shape=(10, 20, 20),
        diameter=8.0,
        bundle_id="",
        image_name="",
        aspect=(3.0, 1.0, 1.0),
    )

    back = maps.on_own_grid()

    assert back.arrays["m"].shape == (1, 3, 30, 20, 20)
    assert back.labels_to_source(np.zeros((1, 30, 20, 20), np.int32)).shape == (1, 10, 20, 20)


def test_an_embedding_has_a_channel_per_axis():
    spec = MapSpec("embedding", "embedding", 2)

    assert (spec.channels_in(2), spec.channels_in(3)) == (2, 3)


@pytest.mark.parametrize("fits", [True, False])
def test_a_flattened_ball_is_round_in_a_crop(fits, monkeypatch):
    monkeypatch.setattr(crops, "MOST_VOXELS", 10**9 if fits else 0)
    labels = labelled_balls((48, 48, 48), ((24, 24, 24), 14))[::3]
    pixels = ndimage.gaussian_filter((labels > 0).astype(np.float32), (0.3, 1, 1))[None]
    frame = crop_frame(pixels, np.array([[0.0, 1.0]]), 0.75, (3.0, 1.0, 1.0))

    drawn = CropSampler([frame], side=36, intensity=Intensity()).draw(np.random.default_rng(0), 1)[0, 0]
    extents = [np.ptp(np.nonzero(drawn > 0.5)[axis]) + 1 for axis in range(3)]

    assert drawn.shape == (36, 36, 36)
    assert max(extents) - min(extents) <= 3
    assert np.mean(extents) == pytest.approx(21, abs=2)


def test_the_classical_method_finds_the_balls_of_an_anisotropic_volume():
    truth, image = ball_volume()
    method = get_method("classical")
    specs = {spec.name: spec for spec in method.info.maps}
    events = predict_tiled(image, method.predictor(None, "cpu"), diameter=14.0, specs=specs, intensity=Intensity())

    labels = method.segment(last_of(events, MapsReady).maps, ClassicalSegmentOptions())

    assert labels.shape == (1, *truth.shape)
    assert image_scores(truth, labels[0]).f1_50 == 1.0
    assert image_scores(truth, labels[0]).seg > 0.6
