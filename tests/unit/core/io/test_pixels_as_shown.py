"""Images are read as every viewer shows them, and what of a file is not used is said."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from drawings import disks, picture
from napari_cellseg_ssl.core.io import messages
from napari_cellseg_ssl.core.io.image_files import read_image, read_labels
from napari_cellseg_ssl.core.io.user_files import find_files

GREY = picture(disks()).astype(np.uint8)
COLOURS = np.dstack([GREY, GREY // 2, GREY // 3])
CLEAR = np.full_like(GREY, 255)


def channels_of(file):
    return np.asarray(read_image(file).frames)[0]


def png_of_16_bits(file, pixels, kind):
    """Write a PNG of 16 bits a colour, which Pillow cannot: kind 2 is RGB, 6 RGBA, 4 grey and alpha."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_transparency_is_no_channel(tmp_path, suffix):
    Image.fromarray(np.dstack([COLOURS, CLEAR])).save(tmp_path / f"colours.{suffix}")
    Image.fromarray(np.dstack([GREY, CLEAR]), "LA").save(tmp_path / f"grey.{suffix}")

    assert np.array_equal(channels_of(tmp_path / f"colours.{suffix}"), COLOURS.transpose(2, 0, 1))
    assert np.array_equal(channels_of(tmp_path / f"grey.{suffix}"), GREY[None])


def test_what_is_stored_as_white_is_dark_is_turned_round_and_labels_are_not(tmp_path):
    file = tmp_path / "white.tif"
    tifffile.imwrite(file, 255 - GREY, photometric="miniswhite")

    assert np.array_equal(channels_of(file), GREY[None])
    assert np.array_equal(read_labels(file)[0], 255 - GREY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_palette_is_colours_in_images_and_ids_in_labels(tmp_path, suffix):
    ids = disks().astype(np.uint8)
    shown = Image.fromarray(ids, "P")
    shown.putpalette([value for n in range(256) for value in (n, 255 - n, 7)])
    shown.save(tmp_path / f"ids.{suffix}")

    assert np.array_equal(channels_of(tmp_path / f"ids.{suffix}")[1], 255 - ids)
    assert np.array_equal(read_labels(tmp_path / f"ids.{suffix}")[0], ids)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (6, 3), (4, 1)])
def test_sixteen_bits_a_colour_are_kept(tmp_path, kind, channels):
    deep = np.dstack([GREY, GREY // 2, GREY // 3, CLEAR]).astype(np.uint16) * 3
    pixels = {2: deep[..., :3], 6: deep, 4: deep[..., [0, 3]]}[kind]
    png_of_16_bits(tmp_path / "deep.png", pixels, kind)

    assert np.array_equal(channels_of(tmp_path / "deep.png"), deep[..., :channels].transpose(2, 0, 1))


def test_several_channels_of_colours_are_channels_and_slices_stay_slices(tmp_path):
    tifffile.imwrite(
        tmp_path / "c.ome.tif", np.stack([COLOURS, COLOURS]), ome=True, photometric="rgb", metadata={"axes": "CYXS"}
    )
    tifffile.imwrite(tmp_path / "z.tif", np.stack([COLOURS] * 5), imagej=True, metadata={"axes": "ZYXS"})

    assert read_image(tmp_path / "c.ome.tif").frames.shape == (1, 6, 64, 64)
    assert read_image(tmp_path / "z.tif").frames.shape == (1, 3, 5, 64, 64)


def test_further_images_of_a_tiff_are_named(tmp_path):
    with tifffile.TiffWriter(tmp_path / "pos.ome.tif", ome=True) as file:
        for _ in range(3):
            file.write(GREY, metadata={"axes": "YX"})
    told = []

    read_image(tmp_path / "pos.ome.tif", tell=told.append)

    assert told == [messages.more_images("pos.ome.tif", 3, (64, 64))]


@pytest.mark.parametrize(("shape", "axes"), [((3, 64, 64), "TYX"), ((64, 64, 2), "YXC")])
def test_axes_that_nobody_states_are_guessed_and_said(tmp_path, shape, axes):
    file, told = tmp_path / "a.tif", []
    tifffile.imwrite(
        file, np.arange(np.prod(shape), dtype=np.uint16).reshape(shape), photometric="minisblack", metadata=None
    )

    assert read_image(file, tell=told.append).axes == axes
    assert told == [messages.axes_guessed("a.tif", shape, axes)]


def zarr_image(group, array, version="0.4"):
    group.create_array("0", data=array, chunks=(1, 1, 1, 32, 32))
    scale = {"type": "scale", "scale": [1, 1, 1, 0.25, 0.25]}
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    record = {"version": version, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
    record["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1, 1, 2, 2]}]
    group.attrs["multiscales"] = [record if version < "0.3" else {**record, "axes": axes}]


@pytest.mark.parametrize("version", ["0.2", "0.4"])
def test_axes_of_one_are_left_out_and_scales_of_both_levels_count(tmp_path, version):
    zarr_image(zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2), GREY[None, None, None], version)

    image = read_image(tmp_path / "a.zarr")

    assert image.frames.shape == (1, 1, 64, 64)
    if version == "0.4":
        assert (image.spacing, image.is_calibrated) == ((0.5, 0.5), True)


def test_an_image_inside_a_zarr_is_found_and_the_others_are_named(tmp_path):
    root = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    for n in range(2):
        zarr_image(root.create_group(str(n)), (GREY // (n + 1))[None, None, None])
    told = []

    first = read_image(tmp_path / "plate.zarr", tell=told.append)
    (inner,) = find_files([tmp_path / "plate.zarr" / "1"])

    assert np.array_equal(np.asarray(first.frames)[0, 0], GREY)
    assert np.array_equal(channels_of(inner)[0], GREY // 2)
    assert told == [messages.images_inside("plate.zarr", ["0", "1"])]


def test_wells_of_a_plate_are_images(tmp_path):
    root = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    for path in ("A/1", "B/2"):
        well = root.create_group(path)
        well.attrs["well"] = {"images": [{"path": "0"}]}
        zarr_image(well.create_group("0"), GREY[None, None, None])
    told = []

    assert read_image(tmp_path / "plate.zarr", tell=told.append).frames.shape == (1, 1, 64, 64)
    assert "'B/2/0'" in told[0]
