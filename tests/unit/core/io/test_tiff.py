"""TIFF files as other programs write and read them."""

import errno
import os

import numpy as np
import pytest
import tifffile

from napari_cellseg_ssl.core.errors import WrongImage
from napari_cellseg_ssl.core.io import tiff
from napari_cellseg_ssl.core.io.complete_files import unfinished_file


def test_colours_of_a_plain_file_are_channels(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")

    assert tiff.read_tiff(tmp_path / "rgb.tif").axes == "YXC"


def test_axes_that_a_file_does_not_name_are_left_open(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 8, 9), np.float32), photometric="minisblack")

    assert tiff.read_tiff(tmp_path / "a.tif").axes is None


def test_large_files_are_mapped_instead_of_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff, "_MEMMAP_FROM", 1)
    tifffile.imwrite(tmp_path / "a.tif", np.arange(72, dtype=np.uint8).reshape(8, 9))
    tifffile.imwrite(tmp_path / "z.tif", np.arange(72, dtype=np.uint8).reshape(8, 9), compression="zlib")

    assert isinstance(tiff.read_tiff(tmp_path / "a.tif").array, np.memmap)
    assert np.array_equal(tiff.read_tiff(tmp_path / "z.tif").array, tiff.read_tiff(tmp_path / "a.tif").array)


def test_large_ids_and_spacing_survive(tmp_path):
    labels = np.array([[0, 70_000], [3, 4]], np.uint32)
    tiff.write_tiff(tmp_path / "a.tif", labels, "YX", spacing=(0.5, 0.25))

    back = tiff.read_tiff(tmp_path / "a.tif")

    assert np.array_equal(back.array, labels)
    assert back.spacing == {"X": 0.25, "Y": 0.5}


def test_volumes_keep_the_distance_of_their_slices(tmp_path):
    tiff.write_tiff(tmp_path / "v.tif", np.zeros((3, 8, 9), np.uint16), "ZYX", spacing=(2.0, 0.5, 0.5))

    back = tiff.read_tiff(tmp_path / "v.tif")

    assert back.axes == "ZYX"
    assert back.spacing == pytest.approx({"Z": 2.0, "Y": 0.5, "X": 0.5})


def test_malformed_ome_xml_leaves_the_pixels_readable_and_is_said(tmp_path):
    broken = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels PhysicalSizeX="0.5"></OME>'
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 9), 7, np.uint8), description=broken, metadata=None)

    back = tiff.read_tiff(tmp_path / "a.tif")

    assert back.array.sum() == 7 * 8 * 9
    assert "OME-XML" in back.size.doubts[0]


def test_resolution_without_a_unit_says_nothing_of_the_distance_of_slices(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 9), np.uint16), imagej=True, resolution=(72, 72),
                     metadata={"axes": "ZYX", "spacing": 1.0})  # fmt: skip

    assert tiff.read_tiff(tmp_path / "a.tif").size.sizes == {}


def test_each_axis_has_its_own_unit_where_imagej_says_so(tmp_path):
    description = "ImageJ=1.54f\nimages=3\nslices=3\nunit=um\nzunit=nm\nspacing=700\n"
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((3, 8, 9), np.uint16),
        description=description,
        resolution=(2, 2),
        metadata=None,
        photometric="minisblack",
    )

    assert tiff.read_tiff(tmp_path / "a.tif").spacing == pytest.approx({"Z": 0.7, "Y": 0.5, "X": 0.5})


def test_notes_are_kept_in_the_file(tmp_path):
    tiff.write_tiff(tmp_path / "a.tif", np.zeros((4, 4), np.uint16), "YX", info={"model": "mine"})

    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert "model: mine" in file.imagej_metadata["Info"]


def test_a_file_is_filled_piece_by_piece(tmp_path):
    mapped = tiff.create_tiff(tmp_path / "new" / "a.tif", (6, 4), np.uint32, "YX")
    mapped[2:4] = 7
    mapped.flush()

    assert tifffile.imread(tmp_path / "new" / "a.tif").sum() == 56


def test_files_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WrongImage, match="file"):
        tiff.create_tiff(tmp_path / "file" / "a.tif", (6, 4), np.uint32, "YX")
    with pytest.raises(WrongImage, match="file"):
        tiff.write_tiff(tmp_path / "file" / "a.tif", np.zeros((4, 4), np.uint8), "YX")


@pytest.mark.parametrize(("labels", "dtype"), [([65_535], np.uint16), ([65_536], np.uint32), ([], np.uint16)])
def test_labels_get_the_smallest_type_that_holds_them(labels, dtype):
    assert tiff.label_dtype(np.array(labels)) is dtype


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve space")
@pytest.mark.parametrize(("number", "is_full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EINVAL, False)])
def test_the_space_for_a_large_file_is_taken_before_it_is_filled(tmp_path, monkeypatch, number, is_full):
    def reserve(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    with unfinished_file(tmp_path / "a.tif") as partial:
        if is_full:
            with pytest.raises(WrongImage, match=r"/a\.tif' cannot be written"):
                tiff.create_tiff(partial, (8, 8), np.uint16, "YX")
        else:
            tiff.create_tiff(partial, (8, 8), np.uint16, "YX")

    assert list(tmp_path.iterdir()) == []
