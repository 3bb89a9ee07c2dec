"""Annotated sets to pre-train on: whatever has objects with masks is read, at one size; errors say what is wrong."""

import json
import os

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as coder
from scipy import ndimage

from drawings import disks, picture
from napari_cellseg_ssl.core.diameter import diameter_of_cells
from napari_cellseg_ssl.core.errors import CellSegError
from napari_cellseg_ssl.core.intensity import Intensity
from napari_cellseg_ssl.core.methods.cupre.source import load_source
from napari_cellseg_ssl.core.scaling import resize_labels

DIAMETER = 11.0
"""About that of `disks`, px."""


def load(where, *, in_channels=1, diameter=DIAMETER, seed=0):
    return load_source(str(where), in_channels=in_channels, working_diameter=diameter, intensity=Intensity(), seed=seed)


def label_folder(folder, count=3, suffix=".tif"):
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for n in range(count):
        cells = disks(n=5 + n)
        tifffile.imwrite(folder / "labels" / f"{n}.tif", cells.astype(np.uint16))
        pixels = picture(cells, seed=n)
        if suffix == ".tif":
            tifffile.imwrite(folder / "images" / f"{n}.tif", pixels)
        else:
            Image.fromarray(pixels).save(folder / "images" / f"{n}{suffix}")
    return folder


def coco(folder, *, as_dict=False, crowd=False, images="images"):
    """Write an image with two squares, as a polygon and as run lengths, and perhaps a crowd."""
    (folder / images).mkdir(parents=True)
    Image.fromarray(picture(disks())).save(folder / images / "a.png")
    square = np.zeros((64, 64), np.uint8, order="F")
    square[40:51, 30:41] = 1
    run_lengths = coder.encode(square)
    run_lengths["counts"] = run_lengths["counts"].decode()
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 1, "area": 121, "segmentation": [[5, 5, 16, 5, 16, 16, 5, 16]]},
        {"id": 2, "image_id": 7, "category_id": 3, "area": 121, "segmentation": run_lengths},
    ]
    if crowd:
        there = np.zeros((64, 64), np.uint8, order="F")
        there[:, 56:] = 1
        lengths = coder.encode(there)
        lengths["counts"] = lengths["counts"].decode()
        annotations.append({"id": 3, "image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation": lengths})
    record = {
        "images": [{"id": 7, "file_name": "a.png", "height": 64, "width": 64}],
        "annotations": {str(one["id"]): one for one in annotations} if as_dict else annotations,
    }
    file = folder / "set.json"
    file.write_text(json.dumps(record))
    return file


def test_a_folder_of_labels_gives_the_objects_as_they_are(tmp_path):
    source = load(label_folder(tmp_path))

    assert sorted(len(frame.cell_ids) for frame in source.frames) == [5, 6, 7]
    for frame in source.frames:
        assert frame.is_dense
        assert frame.pixels.shape == (1, *frame.cells.shape)
        drawn = resize_labels(disks(n=len(frame.cell_ids)), frame.cells.shape)
        assert np.array_equal(frame.cells, drawn)
        inside = frame.cells > 0
        assert frame.pixels[0][inside].mean() > frame.pixels[0][~inside].mean()
    assert "18 objects in 3 images" in source.description


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_other_files_than_tiff_are_read(tmp_path, suffix):
    assert len(load(label_folder(tmp_path, suffix=suffix)).frames) == 3


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("images", ["images", "deeper/still"])
def test_a_coco_file_gives_polygons_and_run_lengths(tmp_path, as_dict, images):
    file = coco(tmp_path, as_dict=as_dict, images=images)

    (frame,) = load(file).frames

    scale = frame.cells.shape[0] / 64
    assert len(frame.cell_ids) == 2
    boxes = [np.array([[s.start, s.stop] for s in box]) / scale for box in ndimage.find_objects(frame.cells)]
    np.testing.assert_allclose(boxes, [[[5, 16], [5, 16]], [[40, 51], [30, 41]]], atol=1.5)
    assert np.array_equal(load(tmp_path).frames[0].cells, frame.cells)  # the folder stands for its only file


def test_a_crowd_is_unknown_and_no_background(tmp_path):
    source = load(coco(tmp_path, crowd=True))

    (frame,) = source.frames
    assert not frame.is_dense
    assert not frame.known[:, -4:].any()
    assert frame.known[:, : frame.known.shape[1] // 2].all()
    assert "1 crowd" in source.description


def test_images_are_brought_to_one_size_of_objects(tmp_path):
    for frame in load(label_folder(tmp_path), diameter=24.0).frames:
        assert diameter_of_cells(frame.cells) == pytest.approx(24.0, rel=0.08)


def test_grey_is_repeated_and_colours_are_averaged(tmp_path):
    grey = load(label_folder(tmp_path / "grey"), in_channels=3).frames[0].pixels
    assert grey.shape[0] == 3
    assert np.array_equal(grey[0], grey[2])

    (tmp_path / "colour" / "images").mkdir(parents=True)
    (tmp_path / "colour" / "labels").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "colour" / "images" / "a.tif", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "colour" / "labels" / "a.tif", disks().astype(np.uint16))
    assert load(tmp_path / "colour", in_channels=1).frames[0].pixels.shape[0] == 1
    assert load(tmp_path / "colour", in_channels=3).frames[0].pixels.shape[0] == 3


def test_several_sources_are_joined_and_known_apart(tmp_path):
    source = load(os.pathsep.join([str(label_folder(tmp_path)), "shapes"]))

    assert source.sets.count(0) == 3
    assert source.sets.count(1) == len(source.frames) - 3 > 0
    assert "drawn shapes" in source.description


def test_drawn_shapes_are_the_same_for_a_seed_and_some_touch():
    first, second, other = load("shapes"), load("shapes"), load("shapes", seed=1)

    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first.frames, second.frames, strict=True))
    assert not np.array_equal(first.frames[0].pixels, other.frames[0].pixels)
    assert any(ndimage.label(frame.cells > 0)[1] < len(frame.cell_ids) for frame in first.frames)
    sizes = [diameter_of_cells(frame.cells) for frame in load("shapes", diameter=24.0).frames]
    assert np.median(sizes) == pytest.approx(24.0, rel=0.15)
    assert all(frame.pixels.min() >= 0 and frame.pixels.max() <= 1 for frame in first.frames)


def empty_labels(folder):
    tifffile.imwrite(label_folder(folder, count=1) / "labels" / "0.tif", np.zeros((64, 64), np.uint16))


def lonely(folder):
    (label_folder(folder) / "labels" / "1.tif").unlink()


def two_files(folder):
    for name in ("a.json", "b.json"):
        (folder / name).write_text("{}")


def no_annotation(folder):
    (folder / "notes.txt").write_text("")


def other_size(folder):
    tifffile.imwrite(label_folder(folder) / "labels" / "1.tif", np.ones((8, 8), np.uint16))


def other_image(folder):
    coco(folder)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "images" / "a.png")


def gone(folder):
    folder.rmdir()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (gone, "There is no source"),
        (empty_labels, "shows no object"),
        (lonely, "1 files in .* have no partner, for example '1'"),
        (two_files, "2 JSON files: a.json, b.json"),
        (no_annotation, "neither a JSON file nor"),
        (other_size, r"have the shape \(8, 8\)"),
        (other_image, r"\(10, 10\) px, its annotation is of frame 0, \(64, 64\) px"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, make, says):
    make(tmp_path)

    with pytest.raises(CellSegError, match=says):
        load(tmp_path)
