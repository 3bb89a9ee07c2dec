"""Image files as other programs write them: compressed, damaged, and with pixels of a size in any unit."""

import numpy as np
import pytest
import tifffile
import zarr

from drawings import disks, picture
from napari_cellseg_ssl.core.errors import OutOfMemory, WrongImage
from napari_cellseg_ssl.core.io.image_files import read_image
from napari_cellseg_ssl.core.io.units import micrometres_in
from napari_cellseg_ssl.core.metrics.measurements import measure


def zarr_with(file, unit, scale, pixels=None):
    """Write an OME-Zarr (Y, X) whose axes have a unit, or none."""
    group = zarr.open_group(str(file), mode="w", zarr_format=2)
    group.create_array("0", data=np.zeros((8, 9), np.uint16) if pixels is None else pixels, chunks=(4, 4))
    axes = [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [scale, scale]}]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    return file


def heard(file, **settings):
    """Read an image -> what it is, and what was told."""
    told = []
    return read_image(file, tell=told.append, **settings), told


@pytest.mark.parametrize(("unit", "scale"), [("nanometer", 500.0), ("micrometer", 0.5), ("millimeter", 5e-4)])
def test_the_unit_of_an_ome_zarr_is_believed(tmp_path, unit, scale):
    image, told = heard(zarr_with(tmp_path / "a.zarr", unit, scale))

    assert image.is_calibrated
    assert image.spacing == pytest.approx((0.5, 0.5))
    assert told == []


@pytest.mark.parametrize("unit", ["\u00b5m", "\u03bcm", "nm", "cm", "m", "\u00c5", "pm", "in"])
def test_the_unit_of_an_ome_tiff_is_believed(tmp_path, unit):
    size = 0.5 / micrometres_in(unit)
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": size for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((8, 9), np.uint16), ome=True, metadata=metadata)

    assert read_image(tmp_path / "a.ome.tif").spacing == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("unit", ["um", "micron", "Micron", "\\u00B5m", "\\u00b5m", "micrometers", "cm", "inch", "nm"])
def test_the_unit_of_an_imagej_file_is_believed(tmp_path, unit):
    per_unit = micrometres_in(unit) / 0.5
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((8, 9), np.uint16),
        imagej=True,
        resolution=(per_unit,) * 2,
        metadata={"unit": unit},
    )

    image = read_image(tmp_path / "a.tif")

    assert image.is_calibrated
    assert image.spacing == pytest.approx((0.5, 0.5))


def test_a_pixel_of_one_micrometre_is_known_and_one_of_nothing_is_not(tmp_path):
    pixels = np.zeros((8, 9), np.uint16)
    tifffile.imwrite(tmp_path / "one.tif", pixels, imagej=True, resolution=(1, 1), metadata={"unit": "um"})
    tifffile.imwrite(tmp_path / "none.tif", pixels, imagej=True, resolution=(1, 1), metadata={"unit": "pixel"})

    assert read_image(tmp_path / "one.tif").is_calibrated
    assert not read_image(tmp_path / "none.tif").is_calibrated


def test_an_ome_zarr_without_a_unit_keeps_its_proportions_and_says_that_micrometres_are_unknown(tmp_path):
    image, told = heard(zarr_with(tmp_path / "a.zarr", "", 4.0))

    assert not image.is_calibrated
    assert image.spacing == (4.0, 4.0)
    assert "'a.zarr' gives the size of a pixel without a unit" in told[0]


def test_an_unknown_unit_is_named_and_nothing_is_measured_in_micrometres(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()), imagej=True, resolution=(2, 2), metadata={"unit": "furlong"})

    image, told = heard(tmp_path / "a.tif")

    assert "'a.tif' gives the size of a pixel in 'furlong'" in told[0]
    assert not any("um" in column.split("_") for column in measure(image, disks()[None]))


@pytest.mark.parametrize("spacing", [0.0, -0.5])
def test_slices_at_an_impossible_distance_are_said_and_the_plane_keeps_its_scale(tmp_path, spacing):
    volume = np.zeros((5, 8, 9), np.uint16)
    metadata = {"axes": "ZYX", "unit": "um", "spacing": spacing}
    tifffile.imwrite(tmp_path / "a.tif", volume, imagej=True, resolution=(2, 2), metadata=metadata)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": spacing}
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, ome=True, metadata={"axes": "ZYX", **sizes})

    for name in ("a.tif", "a.ome.tif"):
        image, told = heard(tmp_path / name)

        assert image.spacing == pytest.approx((0.5, 0.5, 0.5))
        assert f"a pixel is {spacing} long along Z" in told[0]


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
