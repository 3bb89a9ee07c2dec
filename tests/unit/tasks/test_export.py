"""Results as files, as other programs read them."""

import csv
import json
import sys
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile
import zarr
from roifile import ImagejRoi
from skimage.draw import polygon2mask

from drawings import picture
from fakes import FAILURES
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongImage, WrongOption
from napari_cellseg_ssl.core.io import messages as io_messages
from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.core.io.user_files import read_image
from napari_cellseg_ssl.tasks import Control, ExportRequest, FileWritten, export
from napari_cellseg_ssl.tasks.export import target_files
from saying import saying


def written(request, control=None):
    return [event.path for event in export(request, control) if isinstance(event, FileWritten)]


@pytest.fixture
def calibrated(cells):
    return ImageStack.from_array(picture(cells), name="disks", spacing=(0.5, 0.25))


def test_labels_keep_ids_and_spacing(calibrated, cells, tmp_path):
    (file,) = written(ExportRequest(folder=tmp_path / "new", image=calibrated, labels=cells[None]))

    back = read_image(file)
    assert file.name == "disks_labels.tif"
    assert np.array_equal(back.frames[0, 0], cells)
    assert back.frames.dtype == np.uint16
    assert back.spacing == pytest.approx((0.5, 0.25))


def test_ids_above_65535_are_written_as_uint32(stack, cells, tmp_path):
    (file,) = written(ExportRequest(folder=tmp_path, image=stack, labels=cells[None] * 10_000))

    assert tifffile.imread(file).dtype == np.uint32
    assert tifffile.imread(file).max() == 160_000


def test_movies_stay_movies(cells, tmp_path):
    movie = ImageStack.from_array(np.stack([picture(cells)] * 3), name="m")

    (file,) = written(ExportRequest(folder=tmp_path, image=movie, labels=np.stack([cells] * 3)))

    with tifffile.TiffFile(file) as tiff:
        assert tiff.series[0].axes == "TYX"


def test_maps_are_written_on_the_images_grid_by_their_kind(stack, tmp_path):
    specs = {
        "offset": MapSpec("offset", "embedding", 2, in_pixels=True),
        "inside": MapSpec("inside", "probability", 1),
        "edge": MapSpec("edge", "probability", 1),
    }
    arrays = {name: np.ones((1, spec.channels, 128, 128), np.float32) for name, spec in specs.items()}
    shape = stack.spatial_shape
    maps = PredictionMaps(
        arrays=arrays, specs=specs, scale=2.0, source_shape=shape, diameter=10.0, bundle_id="", image_name="disks"
    )

    files = written(ExportRequest(folder=tmp_path, image=stack, maps=maps))

    names = ["disks_embedding.tif", "disks_probability-inside.tif", "disks_probability-edge.tif"]
    assert [file.name for file in files] == names
    offset = tifffile.imread(files[0])
    assert offset.shape == (2, 64, 64)
    assert offset.dtype == np.float32
    assert np.allclose(offset, 0.5)


def test_maps_of_movies_are_frames_of_channels(cells, tmp_path):
    movie = ImageStack.from_array(np.stack([picture(cells)] * 2), name="m")
    specs = {"offset": MapSpec("offset", "embedding", 3)}
    values = np.arange(2 * 3, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((1, 1, 64, 64), np.float32)
    maps = PredictionMaps(
        arrays={"offset": values},
        specs=specs,
        scale=1.0,
        source_shape=(64, 64),
        diameter=10.0,
        bundle_id="",
        image_name="m",
    )

    (file,) = written(ExportRequest(folder=tmp_path, image=movie, maps=maps))

    with tifffile.TiffFile(file) as tiff:
        assert tiff.series[0].axes == "TCYX"
        assert np.array_equal(tiff.asarray()[..., 0, 0], values[..., 0, 0])


def test_rois_fill_the_same_pixels_as_their_cells(stack, cells, tmp_path):
    files = written(ExportRequest(folder=tmp_path, image=stack, labels=cells[None], roi=True))

    with ZipFile(files[1]) as archive:
        rois = [ImagejRoi.frombytes(archive.read(name)) for name in archive.namelist()]
    assert [roi.name for roi in rois] == [f"{i:05d}" for i in range(1, 17)]
    outline = rois[5].coordinates()[:, ::-1]
    filled = polygon2mask(cells.shape, outline - 0.5)
    assert np.count_nonzero(filled != (cells == 6)) < 0.1 * np.count_nonzero(cells == 6)


def test_rois_of_movies_say_their_frame_and_volumes_have_none(cells, tmp_path):
    movie = ImageStack.from_array(np.stack([picture(cells)] * 2), name="m")
    files = written(ExportRequest(folder=tmp_path, image=movie, labels=np.stack([cells] * 2), roi=True))
    with ZipFile(files[1]) as archive:
        assert ImagejRoi.frombytes(archive.read("0002-00001.roi")).t_position == 2

    volume = ImageStack.from_array(np.stack([picture(cells)] * 2), axes="ZYX", name="v")
    with pytest.raises(WrongOption, match="volumes"):
        written(ExportRequest(folder=tmp_path, image=volume, labels=np.stack([cells] * 2)[None], roi=True))


def test_measurements_are_in_microns_where_the_spacing_is_known(calibrated, stack, cells, tmp_path):
    for image in (calibrated, stack):
        files = written(ExportRequest(folder=tmp_path, image=image, labels=cells[None], measure=True))
        rows = list(csv.DictReader(files[1].open()))
        assert len(rows) == 16
        assert float(rows[0]["area_px"]) == np.count_nonzero(cells == 1)
        assert float(rows[0]["mean_intensity_0"]) == pytest.approx(200, abs=5)
        if image is calibrated:
            assert float(rows[0]["area_um2"]) == pytest.approx(np.count_nonzero(cells == 1) * 0.125)
        else:
            assert "area_um2" not in rows[0]


def test_scores_are_written_to_coco_and_into_the_table(stack, cells, tmp_path):
    scores = np.linspace(0.9, 0.6, 15, dtype=np.float32)
    scores[3] = np.nan  # a person drew this one, and the last
    request = ExportRequest(folder=tmp_path, image=stack, labels=cells[None], scores=(scores,), coco=True, measure=True)

    _, coco, table = written(request)

    objects = read_coco(coco).images[0].objects
    assert [one.score for one in objects[:3]] == pytest.approx(scores[:3].tolist())
    assert objects[3].score is None
    assert objects[15].score is None
    rows = list(csv.DictReader(table.open()))
    assert float(rows[1]["score"]) == pytest.approx(scores[1])
    assert rows[3]["score"] == "nan"


def test_measurements_of_colour_and_of_nothing_are_tables_too(cells, tmp_path):
    rgb = ImageStack.from_array(np.stack([picture(cells)] * 3, axis=-1), name="rgb")
    files = written(ExportRequest(folder=tmp_path, image=rgb, labels=cells[None], measure=True))
    assert "mean_intensity_2" in next(csv.reader(files[1].open()))

    files = written(ExportRequest(folder=tmp_path, image=rgb, labels=np.zeros_like(cells)[None], measure=True))
    assert len(files[1].read_text().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_named(stack, cells, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WrongImage, match="file"):
        written(ExportRequest(folder=tmp_path / "file", image=stack, labels=cells[None]))


def test_a_stop_ends_after_the_current_file(stack, cells, tmp_path):
    control = Control()
    control.stop()

    assert len(written(ExportRequest(folder=tmp_path, image=stack, labels=cells[None], measure=True), control)) == 1


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_inside_the_export_reach_the_caller(stack, cells, tmp_path, monkeypatch, failure):
    def fail(*args, **kwargs):
        raise FAILURES[failure]

    monkeypatch.setattr(sys.modules["napari_cellseg_ssl.tasks.export"], "write_tiff", fail)

    with pytest.raises(OutOfMemory if "memory" in failure else type(FAILURES[failure])):
        written(ExportRequest(folder=tmp_path, image=stack, labels=cells[None]))


def test_coco_masks_are_the_labels_frame_by_frame(cells, tmp_path):
    movie = ImageStack.from_array(np.stack([picture(cells)] * 2), name="m")
    labels = np.stack([cells, cells * 3])
    request = ExportRequest(
        folder=tmp_path, image=movie, labels=labels, coco=True, file_name="m.png", metadata={"model": "a"}
    )

    files = written(request)

    found = read_coco(files[-1])
    assert [file.name for file in files] == ["m_labels.tif", "m_coco.json"]
    assert [(one.name, one.frame) for one in found.images] == [("m.png", 0), ("m.png", 1)]
    assert all(np.array_equal(one.labels(), cells) for one in found.images)  # ids are places: 1 to 16 in both
    assert json.loads(files[-1].read_text())["info"] == {"model": "a"}
    volume = ImageStack.from_array(np.stack([picture(cells)] * 2), "ZYX", name="v")
    with pytest.raises(WrongOption, match=saying(io_messages.coco_needs_planes)):
        written(ExportRequest(folder=tmp_path, image=volume, labels=labels[None], coco=True))


@pytest.mark.parametrize("kind", ["roi", "coco", "measure"])
def test_a_file_in_the_way_of_rois_or_a_table_is_named(stack, cells, tmp_path, kind):
    (tmp_path / "disks_rois.zip").mkdir()
    (tmp_path / "disks_coco.json").mkdir()
    (tmp_path / "disks_measurements.csv").mkdir()

    with pytest.raises(WrongImage, match="disks_"):
        written(ExportRequest(folder=tmp_path, image=stack, labels=cells[None], **{kind: True}))


def test_ome_zarr_keeps_ids_axes_spacing_and_origin(calibrated, cells, tmp_path):
    request = ExportRequest(
        folder=tmp_path, image=calibrated, labels=cells[None], file_format="ome-zarr", metadata={"method": "classical"}
    )

    (file,) = written(request)

    reread = read_image(file)
    assert file.name == f"{calibrated.name}_labels.ome.zarr"
    assert (reread.axes, reread.spacing) == ("YX", calibrated.spacing)
    np.testing.assert_array_equal(reread.frames[0, 0], cells)
    assert zarr.open(str(file)).attrs["cellseg_ssl"] == {"method": "classical"}


def test_smaller_levels_of_labels_hold_no_invented_ids(tmp_path):
    cells = np.kron(np.arange(1, 401).reshape(20, 20), np.ones((50, 50), int))
    request = ExportRequest(
        folder=tmp_path, image=ImageStack.from_array(cells, name="a"), labels=cells[None], file_format="ome-zarr"
    )

    (file,) = written(request)

    levels = [np.asarray(array) for _, array in zarr.open(str(file)).arrays()]
    assert sorted(level.shape for level in levels) == [(500, 500), (1000, 1000)]
    assert all(set(np.unique(level)) == set(range(1, 401)) for level in levels)


@pytest.mark.parametrize("file_format", ["tiff", "ome-zarr"])
def test_the_files_that_are_said_to_be_written_are_those_that_are(stack, cells, tmp_path, file_format):
    specs = {name: MapSpec(name, "foreground", 1) for name in ("first", "second")}
    arrays = {name: np.zeros((1, 1, *cells.shape), np.float32) for name in specs}
    maps = PredictionMaps(
        arrays=arrays, specs=specs, source_shape=cells.shape, scale=1.0, diameter=9.0, bundle_id="", image_name="disks"
    )
    wanted = {"file_format": file_format, "roi": True, "coco": True, "measure": True}

    request = ExportRequest(folder=tmp_path, image=stack, labels=cells[None], maps=maps, **wanted)

    assert set(target_files(tmp_path, stack.name, specs.values(), **wanted)) == set(written(request))
