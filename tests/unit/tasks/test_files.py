"""Finding, pairing and reading files."""

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from drawings import disks, painting
from napari_cellseg_ssl import samples
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.data.labels_mode import guess_labels_mode
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongImage
from napari_cellseg_ssl.core.io import messages as io_messages
from napari_cellseg_ssl.core.io.user_files import find_files, pair_by_stem, read_image, read_labels, stem_of
from napari_cellseg_ssl.tasks.axis_policy import Reading
from saying import saying


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / name, np.zeros((4, 4), np.uint8))
    return [folder / name for name in names]


def test_a_folder_gives_its_images_sorted_and_leaves_labels_beside_them_out(tmp_path):
    touch(tmp_path, "b.tif", "a.tif", "a_labels.tif", "only_labels.tif", ".hidden.tif")
    (tmp_path / "notes.txt").write_text("x")

    names = [path.name for path in find_files([tmp_path])]

    assert names == ["a.tif", "b.tif", "only_labels.tif"]


@pytest.mark.parametrize(
    ("path", "words"), [("gone.tif", "does not exist"), ("a.txt", "is not a TIFF"), ("", "holds no")]
)
def test_what_cannot_be_an_image_is_named(tmp_path, path, words):
    (tmp_path / "a.txt").write_text("x")

    with pytest.raises(WrongImage, match=words):
        find_files([tmp_path / path])


def test_labels_pair_by_stem_and_by_the_cell_tracking_challenges_names(tmp_path):
    images = touch(tmp_path / "01", "a.tif", "b.ome.tif", "c.tif", "t029.tif")
    labels = touch(tmp_path / "truth", "a.tif", "b_labels.tif", "man_seg029.tif")

    pairs = pair_by_stem(images, labels)

    assert [path and path.name for path in pairs] == ["a.tif", "b_labels.tif", None, "man_seg029.tif"]


def test_labels_of_other_images_are_refused(tmp_path):
    with pytest.raises(WrongAnnotation, match=saying(io_messages.no_labels_match)):
        pair_by_stem(touch(tmp_path / "i", "a.tif"), touch(tmp_path / "l", "z.tif"))


def test_two_labels_for_one_image_are_refused(tmp_path):
    with pytest.raises(WrongAnnotation, match="Both"):
        pair_by_stem(touch(tmp_path / "i", "a.tif"), touch(tmp_path / "l", "a.tif", "a_labels.tif"))


def test_images_and_labels_in_one_folder_are_two_lists_and_what_was_left_out_is_told(tmp_path):
    touch(tmp_path, "a.tif", "a_masks.tif", "b_img.tif", "b_mask_img.tif", "a_flows.tif")
    told = []

    images = find_files([tmp_path], tell=told.append)
    labels = find_files([tmp_path], labels=True, images=images, tell=told.append)

    assert [path.name for path in images] == ["a.tif", "b_img.tif"]
    assert {path.name for path in labels} == {"a_masks.tif", "b_mask_img.tif", "a_flows.tif"}
    assert len(told) == 1
    assert told[0].startswith("Not taken for images")
    assert told[0].endswith("'a_flows.tif', 'a_masks.tif', 'b_mask_img.tif'.")


def test_pictures_among_labels_are_left_out_and_told(tmp_path):
    touch(tmp_path, "a.tif", "a_masks.tif")
    told = []

    assert [path.name for path in find_files([tmp_path], labels=True, tell=told.append)] == ["a_masks.tif"]
    assert told == ["Not taken for labels, since their own labels lie beside them: 'a.tif'."]


def test_a_file_that_is_named_twice_is_one_file(tmp_path):
    touch(tmp_path, "a.tif", "b.tif")

    assert [path.name for path in find_files([tmp_path, tmp_path / "a.tif"])] == ["a.tif", "b.tif"]


def test_how_many_labels_pair_is_told(tmp_path):
    images, labels = touch(tmp_path / "i", "a.tif", "b.tif"), touch(tmp_path / "l", "a_masks.tif", "z.tif")
    told = []

    pair_by_stem(images, labels, told.append)

    assert told == [
        "1 of 2 images have labels; without: 'b.tif'. Not used as labels, since they belong to no image here: 'z.tif'."
    ]


def test_images_are_no_labels_of_themselves(tmp_path):
    images = touch(tmp_path, "a.tif", "b.tif")

    with pytest.raises(WrongAnnotation, match=saying(io_messages.labels_are_the_images)):
        pair_by_stem(images, find_files([tmp_path], labels=True, images=images))


def test_the_axes_of_a_file_are_believed(tmp_path):
    file = tmp_path / "movie.tif"
    tifffile.imwrite(file, np.zeros((5, 2, 8, 9), np.uint8), imagej=True, metadata={"axes": "TCYX"})

    image = read_image(file)

    assert image.frames.shape == (5, 2, 8, 9)


def test_axes_can_be_overruled(tmp_path):
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, np.zeros((5, 8, 9), np.uint8), imagej=True, metadata={"axes": "ZYX"})

    assert read_image(file).spatial_shape == (5, 8, 9)
    assert read_image(file, axes="TYX").frames.shape == (5, 1, 8, 9)
    with pytest.raises(WrongImage, match=r"stack\.tif"):
        read_image(file, axes="YX")


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("LA", 1), ("I;16", 1), ("1", 1)]
)
def test_png_of_any_kind_is_read(tmp_path, mode, channels):
    Image.new(mode, (9, 8)).save(tmp_path / "a.png")

    assert read_image(tmp_path / "a.png").frames.shape == (1, channels, 8, 9)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_truncated_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" if name == "a.png" else b"II*\0\x08\0\0\0\xff")

    with pytest.raises(WrongImage, match=name):
        read_image(tmp_path / name)


def test_spacing_comes_from_imagej_and_ome_files(tmp_path):
    pixels = np.zeros((8, 9), np.uint16)
    tifffile.imwrite(tmp_path / "ij.tif", pixels, imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    tifffile.imwrite(
        tmp_path / "b.ome.tif", pixels, metadata={"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5}
    )

    assert read_image(tmp_path / "ij.tif").spacing == (0.25, 0.5)
    assert read_image(tmp_path / "b.ome.tif").spacing == (0.5, 0.25)
    assert stem_of(tmp_path / "b.ome.tif") == "b"


def test_an_ome_zarr_is_read_with_axes_and_spacing(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("0", data=np.arange(2 * 8 * 9).reshape(2, 8, 9))
    scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.25]}]}
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [scale]}]}

    image = read_image(find_files([tmp_path / "a.zarr"])[0])

    assert image.frames.shape == (1, 2, 8, 9)
    assert image.spacing == (0.5, 0.25)
    np.testing.assert_array_equal(image.frames[0], np.arange(2 * 8 * 9).reshape(2, 8, 9))
    (tmp_path / "broken.zarr").mkdir()
    with pytest.raises(WrongImage, match="broken"):
        read_image(tmp_path / "broken.zarr")


def test_a_spacing_that_is_given_makes_that_of_the_file_irrelevant(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((8, 9), np.uint16), imagej=True, resolution=(2, 2), metadata={"unit": "furlong"}
    )
    told = []

    image = Reading(spacing=(0.5, 0.5)).file(tmp_path / "a.tif", told.append)

    assert image.is_calibrated
    assert told == []


def test_labels_of_another_shape_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint16))
    image = ImageStack.from_array(np.zeros((9, 8)), name="a")

    with pytest.raises(WrongAnnotation, match=r"\(8, 8\)"):
        read_labels(tmp_path / "a.tif", image)


def test_sparse_painting_and_complete_labels_are_told_apart():
    cells = disks()
    stroke = painting(cells)
    ring = np.where(cells == 6, 2, 0)
    ring[(disks(radius=7) == 6) & (cells != 6)] = 1

    assert guess_labels_mode([cells[None]]) == "dense"
    assert guess_labels_mode([stroke[None]]) == "sparse"
    assert guess_labels_mode([ring[None]]) == "sparse"
    assert guess_labels_mode([np.where(cells == 1, 0, cells)[None]]) == "dense"


def test_the_packaged_labels_and_painting_are_told_apart():
    dense = [read_labels(path) for path in find_files([samples.LABELS])]
    painted = [read_labels(path) for path in find_files([samples.PAINTED])]

    assert guess_labels_mode(dense) == "dense"
    assert guess_labels_mode(painted) == "sparse"


def test_files_of_other_formats_are_named_and_jpegs_are_images_where_there_is_nothing_better(tmp_path):
    told = []
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    (tmp_path / "c.czi").write_bytes(b"")

    assert [path.name for path in find_files([tmp_path], tell=told.append)] == ["a.jpg", "b.jpg"]
    assert told == [io_messages.not_read(["c.czi"])]

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8))
    told.clear()

    assert [path.name for path in find_files([tmp_path], tell=told.append)] == ["a.tif"]
    assert told == [io_messages.not_read(["a.jpg", "b.jpg", "c.czi"])]
