"""No number in an annotation file can take the memory or the process: it is said in one line which one is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as reference

from drawings import disks
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongOption
from napari_cellseg_ssl.core.io import messages as io_messages
from napari_cellseg_ssl.core.io.coco_bounds import _decompressed
from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.core.io.coco_writing import write_coco
from saying import saying

SQUARE = [2, 3, 8, 3, 8, 9, 2, 9]


def written(folder, segmentation, width=30, height=20, **more):
    image = {"id": 1, "file_name": "a.tif", "height": height, "width": width}
    one = {"id": 7, "image_id": 1, "category_id": 1, "segmentation": segmentation, **more}
    file = folder / "annotations.json"
    file.write_text(json.dumps({"images": [image], "annotations": [one]}))
    return file


@pytest.mark.parametrize(
    "corner", [1e5, 1e7, 1e9, 1e300, -1e9, float("nan"), float("inf"), 10**400], ids=lambda corner: str(corner)[:6]
)
def test_a_corner_far_outside_is_refused_with_file_annotation_and_values(tmp_path, corner):
    file = written(tmp_path, [[2, 3, corner, 3, 8, 9]])

    with pytest.raises(WrongAnnotation, match=r"Annotation 7 in '.*annotations\.json' .* 'a\.tif' of 30 x 20 px: it"):
        read_coco(file)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory")
def test_a_hostile_polygon_takes_neither_memory_nor_the_process(tmp_path):
    file = written(tmp_path, [[2, 3, 1e9, 3, 1e9, 1e9]])
    code = (
        "import resource, sys; from napari_cellseg_ssl.core.io.coco_reading import read_coco\n"
        "import pycocotools.mask\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "try: read_coco(sys.argv[1]).images[0].masks()\n"
        "except Exception as problem: print(type(problem).__name__)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "WrongAnnotation")


@pytest.mark.parametrize(
    "polygon", [["2", "3", "8", "3", "8", "9"], [2, 3, None, 3, 8, 9], [[2, 3], [8, 3], [8, 9], 1, 2, 3]]
)
def test_corners_that_are_no_numbers_are_refused_in_words(tmp_path, polygon):
    with pytest.raises(WrongAnnotation, match=r"no list of numbers|not in the format"):
        read_coco(written(tmp_path, [polygon]))


def test_an_outline_that_goes_to_and_fro_for_ever_is_refused(tmp_path):
    zigzag = [0, 0, 3000, 3000] * 2000

    with pytest.raises(WrongAnnotation, match=r"outline is .* px long"):
        read_coco(written(tmp_path, [zigzag], 3000, 3000))


def test_outlines_that_leave_the_image_a_little_keep_their_pixels(tmp_path):
    beyond = [[-5.5, -3, 40, -3, 40, 9.5, -5.5, 9.5]]
    truth = reference.decode(reference.frPyObjects(beyond, 20, 30)[0]).astype(bool)

    (image,) = read_coco(written(tmp_path, beyond)).images

    assert np.array_equal(image.masks()[0], truth)


@pytest.mark.parametrize("segmentation", [[], [[2, 3, 8, 9]]])
def test_a_box_far_outside_is_refused_too(tmp_path, segmentation):
    file = written(tmp_path, segmentation, bbox=[0, 0, 1e9, 1e9])
    content = json.loads(file.read_text())
    content["annotations"].append({"id": 8, "image_id": 1, "category_id": 1, "segmentation": [SQUARE]})
    file.write_text(json.dumps(content))

    with pytest.raises(WrongAnnotation, match="Annotation 7"):
        read_coco(file)


@pytest.mark.parametrize(("height", "width"), [(0, 30), (-20, 30), (10**9, 10**9), (float("inf"), 30), (1, 2**32)])
def test_images_of_impossible_sizes_are_refused(tmp_path, height, width):
    with pytest.raises(WrongAnnotation, match=r"describes image 1 wrongly|not in the format"):
        read_coco(written(tmp_path, [SQUARE], width, height))


@pytest.mark.parametrize(
    "counts",
    [
        [10, 15],
        [10, 1_500_000],
        [-10, 610],
        [600.5],
        ["600"],
        [],
        "",
        "zzzzzzzz",
        "oooooooooooooooooooo0",
        "0\x00",
        "\u4e2d",
        3,
        None,
    ],
)
def test_run_lengths_of_another_number_of_pixels_are_refused_not_read_from_memory(tmp_path, counts):
    (image,) = read_coco(written(tmp_path, {"size": [20, 30], "counts": counts})).images

    for use in (image.masks, image.labels, image.boxes):
        with pytest.raises(WrongAnnotation, match=r"Mask 1 of 'a\.tif' cannot be decoded"):
            use()


def test_run_lengths_of_another_image_are_not_drawn_before_they_are_refused(tmp_path):
    (image,) = read_coco(written(tmp_path, {"size": [2**31, 2**31], "counts": [2**62]})).images

    with pytest.raises(WrongAnnotation, match=saying(io_messages.mask_of_another_shape)):
        image.labels()


def test_our_decoding_of_run_lengths_is_that_of_the_reference(tmp_path):
    rng = np.random.default_rng(0)
    for density in (0.0, 0.001, 0.5, 1.0):
        truth = np.asfortranarray((rng.random((70, 90)) < density).astype(np.uint8))
        flat = truth.ravel(order="F").astype(int)
        counts = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat, prepend=0)), [flat.size]]))

        assert np.array_equal(_decompressed(reference.encode(truth)["counts"]), counts)


def test_a_record_nested_without_end_is_refused(tmp_path):
    file = tmp_path / "deep.json"
    file.write_text("[" * 100_000 + "]" * 100_000)

    with pytest.raises(WrongAnnotation, match=saying(io_messages.not_json)):
        read_coco(file)


def test_many_objects_of_a_large_image_are_painted_without_holding_their_masks(tmp_path):
    import tracemalloc

    labels = np.zeros((1500, 1500), np.int32)
    labels[: disks().shape[0], : disks().shape[1]] = disks()
    write_coco(tmp_path / "one.json", [labels], ["a.tif"])
    (image,) = read_coco(tmp_path / "one.json").images

    tracemalloc.start()
    found = image.labels()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found.max() == disks().max()
    assert peak < 2 * labels.nbytes


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    huge = np.broadcast_to(np.int32(0), (70_000, 70_000))

    with pytest.raises(WrongOption, match="at most 4294967295 px"):
        write_coco(tmp_path / "one.json", [huge], ["a.tif"])
