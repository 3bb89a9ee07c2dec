"""Jobs on volumes: sized, refused or segmented in blocks; and what slices mean is as the user says."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from balls import ball_volume
from drawings import disks, picture
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.inference import blocks
from napari_cellseg_ssl.core.methods.events import Note, TrainFinished, last_of
from napari_cellseg_ssl.core.metrics.scores import image_scores
from napari_cellseg_ssl.tasks import LabelsReady, PredictRequest, TrainRequest, segment_image, train
from napari_cellseg_ssl.tasks.axis_policy import Reading
from napari_cellseg_ssl.tasks.diameters import resolve_diameter
from napari_cellseg_ssl.tasks.predict import bundle_ndims


@pytest.fixture(scope="module")
def volume():
    return ball_volume()


def classical(image, diameter=14.0):
    request = TrainRequest(method_id="classical", images=(image,), object_diameter=diameter)
    return last_of(train(request), TrainFinished).bundle


def segmented(image, diameter=14.0):
    request = PredictRequest(bundle=classical(image, diameter), image=image)
    return list(segment_image(request))


def test_a_diameter_is_estimated_in_px_of_the_plane(volume):
    _, image = volume

    assert resolve_diameter(image, "auto") == pytest.approx(14, abs=2.5)


def test_what_a_volume_is_taken_for_is_said_before_it_is_segmented(volume):
    notes = [event.text for event in segmented(volume[1]) if isinstance(event, Note)]

    assert "'balls' is a volume of 12 slices of 45 × 45 px, 3 px apart." in notes


def test_a_volume_in_blocks_gives_the_objects_of_one_piece(volume, monkeypatch):
    truth, image = volume
    whole = last_of(segmented(image), LabelsReady).labels[0]
    monkeypatch.setattr(blocks, "WHOLE_3D", 20)
    monkeypatch.setattr(blocks, "CORE_3D", 24)

    in_blocks = last_of(segmented(image), LabelsReady).labels[0]

    assert len(blocks.plan_blocks(image.spatial_shape, 14.0, image.aspect)) == 8
    assert in_blocks.max() == whole.max() == truth.max()
    assert image_scores(whole, in_blocks).f1_50 == 1.0


def test_blocks_of_volumes_cover_every_voxel_once_and_are_bounded_at_the_working_scale():
    shape, aspect, scale = (40, 700, 650), (4.0, 1.0, 1.0), 0.8
    covered = np.zeros(shape, np.uint8)

    planned = blocks.plan_blocks(shape, 20.0, aspect, scale)

    for block in planned:
        covered[block.core] += 1
        sides = [(s.stop - s.start) * each * scale for s, each in zip(block.read, aspect, strict=True)]
        assert np.prod(sides) < blocks.WHOLE_3D**3
    assert (covered == 1).all()


def test_a_stack_shallower_than_an_object_is_refused_with_the_depth_that_is_needed(volume):
    shallow, bundle = replace(volume[1], frames=volume[1].frames[:, :, :4]), classical(volume[1])

    for job in (lambda: classical(shallow), lambda: list(segment_image(PredictRequest(bundle=bundle, image=shallow)))):
        with pytest.raises(WrongImage, match="has 4 slices; a volume of objects 14 px wide needs 5"):
            job()


def test_a_constant_stack_is_refused_and_an_empty_part_gives_no_object(volume):
    image = volume[1]
    with pytest.raises(WrongImage, match="constant"):
        classical(replace(image, frames=np.zeros_like(image.frames)))
    half = image.frames.copy()
    half[..., 25:] = half[..., :4].mean()

    labels = last_of(segmented(replace(image, frames=half)), LabelsReady).labels[0]

    assert labels.max() == 2
    assert not labels[..., 30:].any()


def test_volumes_and_flat_images_are_not_learned_from_together(volume):
    flat = ImageStack.from_array(picture(disks()), name="flat")

    with pytest.raises(WrongImage, match="'flat' is 2D, 'balls' is 3D"):
        list(train(TrainRequest(method_id="classical", images=(volume[1], flat), object_diameter=14.0)))


def test_a_preset_is_another_one_for_volumes(volume, fake_method, monkeypatch):
    info = replace(fake_method.info, spatial_ndims=(2, 3), presets_3d={"fast": {"steps": 3}})
    monkeypatch.setattr(fake_method, "info", info, raising=False)
    flat = ImageStack.from_array(picture(disks()))

    def steps(image):
        request = TrainRequest(method_id="fake", images=(image,), object_diameter=14.0)
        return last_of(train(request), TrainFinished).bundle.train_options.steps

    assert (steps(flat), steps(volume[1])) == (20, 3)


def test_a_network_works_on_images_of_as_many_dimensions_as_it_was_trained_on(volume):
    bundle = classical(volume[1])

    assert bundle_ndims(bundle) == (2, 3)
    assert bundle_ndims(replace(bundle, method_id="cellulus", architecture={"spatial_ndims": 3})) == (3,)


def test_slices_are_a_volume_where_the_file_says_z_and_the_method_can(volume, tmp_path):
    file, told = tmp_path / "z.tif", []
    tifffile.imwrite(file, volume[1].frames[0, 0].astype(np.float32), imagej=True, metadata={"axes": "ZYX"})

    assert Reading().file(file).spatial_shape == (12, 45, 45)
    flat = Reading(spatial_ndims=(2,)).file(file, told.append)
    assert flat.frames.shape == (12, 1, 45, 45)
    assert told == ["No volumes here, so the 12 slices of 'z' are segmented one by one."]
    assert Reading(z="frames").file(file).frames.shape == (12, 1, 45, 45)


def test_slices_that_seem_to_be_time_can_be_said_to_be_a_volume(volume, tmp_path):
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, volume[1].frames[0, 0].astype(np.float32))

    image = Reading(z="volume", spacing=(1.5, 0.5, 0.5)).file(file)

    assert image.spatial_shape == (12, 45, 45)
    assert image.aspect == (3.0, 1.0, 1.0)
    with pytest.raises(WrongImage, match="spacing"):
        Reading(spacing=(1.5, 0.5, 0.5)).file(file)


@pytest.mark.parametrize("flavour", ["imagej", "ome"])
def test_the_spacing_of_a_file_is_used(volume, tmp_path, flavour):
    file, pixels = tmp_path / "volume.tif", volume[1].frames[0, 0].astype(np.float32)
    if flavour == "imagej":
        metadata = {"axes": "ZYX", "spacing": 1.5, "unit": "um"}
        tifffile.imwrite(file, pixels, imagej=True, resolution=(2, 2), metadata=metadata)
    else:
        metadata = {"axes": "ZYX", "PhysicalSizeZ": 1.5, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
        tifffile.imwrite(file, pixels, ome=True, metadata=metadata)

    assert Reading().file(file).aspect == (3.0, 1.0, 1.0)


def test_a_file_that_says_nothing_of_z_is_taken_to_have_cubic_voxels(volume, tmp_path):
    file, metadata = tmp_path / "volume.tif", {"axes": "ZYX", "PhysicalSizeY": 0.2, "PhysicalSizeX": 0.2}
    tifffile.imwrite(file, volume[1].frames[0, 0].astype(np.float32), ome=True, metadata=metadata)

    assert Reading().file(file).spacing == (0.2, 0.2, 0.2)
