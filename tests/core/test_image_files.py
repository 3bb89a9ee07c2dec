"""Image files as other programs write them: compressed, and damaged."""

import numpy as np
import pytest
import tifffile
import zarr

from drawings import disks, picture
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongImage
from napari_cellseg_ssl.core.image_files import read_image


def zarr_with(file, unit, scale, pixels=None):
    """Write an OME-Zarr (Y, X) whose axes have a unit, or none."""
    group = zarr.open_group(str(file), mode="w", zarr_format=2)
    group.create_array("0", data=np.zeros((8, 9), np.uint16) if pixels is None else pixels, chunks=(4, 4))
    axes = [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [scale, scale]}]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    return file


COMPRESSIONS = ["lzw", "packbits", "zstd", "lzma", "jpeg2000", "lerc"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_compressed_tiff_is_read_exactly(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()), compression=compression)

    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").frames[0, 0], picture(disks()))


@pytest.mark.parametrize("kind", ["cut", "overwritten"])
@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd", "lzma", "lerc", "zlib", "jpegxl"])
def test_a_damaged_tiff_is_one_sentence_whatever_its_decoder_raises(tmp_path, compression, kind):
    noise = np.random.default_rng(0).integers(0, 4000, (256, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", noise, compression=compression)
    intact = (tmp_path / "a.tif").read_bytes()
    middle, flipped = len(intact) // 2, bytes(value ^ 0x55 for value in intact)
    wrong = intact[: len(intact) * 2 // 3]
    if kind == "overwritten":
        wrong = intact[:middle] + flipped[middle : middle + 400] + intact[middle + 400 :]
    (tmp_path / "a.tif").write_bytes(wrong)

    with pytest.raises(WrongImage, match=r"a\.tif' cannot be read") as caught:
        read_image(tmp_path / "a.tif")

    assert "\n" not in str(caught.value)


def test_a_codec_that_is_missing_is_named_with_what_to_do(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()), compression="lzw")

    def missing(*_):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", missing)
    with pytest.raises(WrongImage, match="pip install imagecodecs"):
        read_image(tmp_path / "a.tif")


def test_a_file_that_claims_more_pixels_than_there_is_memory_is_one_sentence(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()))

    def too_much(*_):
        raise MemoryError

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", too_much)
    with pytest.raises(OutOfMemory, match=r"a\.tif"):
        read_image(tmp_path / "a.tif")


def test_a_damaged_chunk_of_an_ome_zarr_is_named_when_it_is_read(tmp_path):
    file = zarr_with(tmp_path / "a.zarr", "micrometer", 0.5, pixels=picture(disks()))
    for chunk in file.glob("0/*.*"):
        if chunk.name[0].isdigit():
            chunk.write_bytes(b"no chunk")

    image = read_image(file)

    with pytest.raises(WrongImage, match="'a' cannot be read"):
        image.frames[0]
