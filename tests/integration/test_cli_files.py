"""The command line with files as people have them: compressed, in any unit, labels beside images, movies."""

import csv
import json
import re

import numpy as np
import pytest
import tifffile
import zarr

from drawings import disks, painting, picture
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.io import messages as io_messages
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method")


def write(file, array, **settings):
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, array, **settings)
    return file


def run(*words):
    return main([str(word) for word in words])


def told(capsys, *words, code=0):
    """Run a command -> its JSON, and what it said on the way."""
    capsys.readouterr()
    assert run(*words, "--json") == code
    out, err = capsys.readouterr()
    return json.loads(out) if out else {}, err


@pytest.fixture
def model(tmp_path):
    """A run folder."""
    write(tmp_path / "seed" / "s.tif", picture(disks()))
    train = ("train", "fake", "--images", tmp_path / "seed", "--out", tmp_path / "run", "--object-diameter", 10)
    assert run(*train) == 0
    return tmp_path / "run"


def columns(file):
    return next(csv.DictReader(file.open()))


def test_a_damaged_compressed_file_is_one_line_and_the_others_are_segmented(model, tmp_path, capsys):
    for name in ("a", "b", "c"):
        write(tmp_path / "in" / f"{name}.tif", picture(disks()), compression="lzw")
    intact = (tmp_path / "in" / "b.tif").read_bytes()
    (tmp_path / "in" / "b.tif").write_bytes(intact[:1000] + b"\xff" * 400 + intact[1400:])

    record, err = told(capsys, "segment", model, "--images", tmp_path / "in", "--out", tmp_path / "out", code=2)

    assert [image["instances"] for image in record["images"]] == [16, 16]
    assert len(record["problems"]) == 1
    assert [line for line in err.splitlines() if "b.tif" in line] == [f"cellseg-ssl: {record['problems'][0]}"]
    assert "Traceback" not in err


def test_the_same_cells_have_the_same_area_in_nanometres_and_in_micrometres(model, tmp_path, capsys):
    for name, unit, size in (("nm", "nanometer", 500.0), ("um", "micrometer", 0.5)):
        group = zarr.open_group(str(tmp_path / "in" / f"{name}.zarr"), mode="w", zarr_format=2)
        group.create_array("0", data=picture(disks()), chunks=(32, 32))
        level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [size, size]}]}
        axes = [{"name": axis, "type": "space", "unit": unit} for axis in "yx"]
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]

    told(capsys, "segment", model, "--images", tmp_path / "in", "--out", tmp_path / "out", "--measure")

    areas = [columns(tmp_path / "out" / f"{name}_measurements.csv")["area_um2"] for name in ("nm", "um")]
    assert float(areas[0]) == pytest.approx(float(areas[1]))


def test_what_fiji_writes_is_measured_in_micrometres(model, tmp_path, capsys):
    fiji = "ImageJ=1.54f\nunit=\\u00B5m\nmin=0.0\nmax=255.0\n"
    write(tmp_path / "in" / "f.tif", picture(disks()), description=fiji, resolution=(2, 2), metadata=None)

    told(capsys, "segment", model, "--images", tmp_path / "in", "--out", tmp_path / "out", "--measure")

    row = columns(tmp_path / "out" / "f_measurements.csv")
    assert float(row["area_um2"]) == pytest.approx(float(row["area_px"]) / 4)


def test_a_unit_that_is_none_is_said_and_nothing_is_measured_in_micrometres(model, tmp_path, capsys):
    write(tmp_path / "in" / "f.tif", picture(disks()), imagej=True, resolution=(2, 2), metadata={"unit": "furlong"})

    words = ("segment", model, "--images", tmp_path / "in", "--out", tmp_path / "out", "--measure")
    record, err = told(capsys, *words)

    assert "'furlong'" in record["notes"][0]
    assert record["notes"][0] in err
    assert not [name for name in columns(tmp_path / "out" / "f_measurements.csv") if "um" in name.split("_")]


def test_images_and_masks_in_one_folder_pair_and_the_masks_are_not_segmented(model, tmp_path, capsys):
    for name in ("a", "b"):
        write(tmp_path / "in" / f"{name}.tif", picture(disks()))
        write(tmp_path / "in" / f"{name}_masks.tif", painting(disks()))

    words = ("--images", tmp_path / "in", "--labels", tmp_path / "in", "--object-diameter", 10)
    trained, err = told(capsys, "train", "fake", *words, "--out", tmp_path / "r")
    segmented, _ = told(capsys, "segment", model, "--images", tmp_path / "in", "--out", tmp_path / "out")

    assert "2 of 2 images have labels." in trained["notes"]
    assert "2 of 2 images have labels." in err
    assert len(segmented["images"]) == 2
    assert "'a_masks.tif', 'b_masks.tif'" in segmented["notes"][0]


def test_labels_of_one_sequence_are_not_given_to_another_one(tmp_path, capsys):
    for sequence in ("01", "02"):
        write(tmp_path / sequence / "t000.tif", picture(disks()))
    write(tmp_path / "01_GT" / "SEG" / "man_seg000.tif", painting(disks()))

    words = ("--images", tmp_path / "01", tmp_path / "02", "--labels", tmp_path / "01_GT" / "SEG")
    record, _ = told(capsys, "train", "fake", *words, "--object-diameter", 10, "--out", tmp_path / "r")

    assert "1 of 2 images have labels; without: 't000.tif'." in record["notes"]


def test_labels_that_could_belong_to_images_in_two_folders_are_refused(tmp_path, capsys):
    for folder in ("a", "b"):
        write(tmp_path / folder / "x.tif", picture(disks()))
    write(tmp_path / "truth" / "x.tif", painting(disks()))

    words = ("--images", tmp_path / "a", tmp_path / "b", "--labels", tmp_path / "truth")
    _, err = told(capsys, "train", "fake", *words, "--object-diameter", 10, "--out", tmp_path / "r", code=2)

    assert re.search(saying(io_messages.images_in_several_folders), err)


def test_results_of_the_cell_tracking_challenge_are_scored(tmp_path, capsys):
    for name in ("01_RES/mask000.tif", "01_GT/SEG/man_seg000.tif"):
        write(tmp_path / name, disks().astype(np.uint16))
    write(tmp_path / "01_RES" / "mask001.tif", disks().astype(np.uint16))

    record, err = told(capsys, "score", "--pred", tmp_path / "01_RES", "--truth", tmp_path / "01_GT" / "SEG")

    assert record["images"].keys() == {"t000"}
    assert record["means"]["f1_50"] == 1.0
    assert record["notes"] == [
        "1 of 1 images have predictions. Not used as predictions, since they belong to no image here: 'mask001.tif'."
    ]
    assert record["notes"][0] in err


def movies(folder, axes):
    """Write a movie of labels and the same with other numbers in its second frame."""
    cells = disks()
    other = np.r_[0, 1 + np.random.default_rng(0).permutation(16)][cells]
    for name, array in (("t", np.stack([cells, cells])), ("p", np.stack([cells, other]))):
        write(folder / name / "m.tif", array.astype(np.uint16), imagej=True, metadata={"axes": axes})
    return ("score", "--pred", folder / "p", "--truth", folder / "t")


def test_a_movie_is_scored_frame_by_frame(tmp_path, capsys):
    record, _ = told(capsys, *movies(tmp_path, "TYX"), "--csv", tmp_path / "s.csv")

    means = record["means"]
    assert (means["f1_50"], means["seg"], means["n_truth"], means["n_images"]) == (1.0, 1.0, 32, 2)
    assert [row["image"] for row in csv.DictReader((tmp_path / "s.csv").open())] == ["m[0]", "m[1]"]


def test_what_is_said_of_the_axes_goes_before_what_files_say(tmp_path, capsys):
    words = movies(tmp_path, "ZYX")

    as_volume, _ = told(capsys, *words)
    as_movie, _ = told(capsys, *words, "--axes", "TYX")

    assert as_volume["means"]["n_truth"] == 16
    assert (as_movie["means"]["n_truth"], as_movie["means"]["f1_50"]) == (32, 1.0)


def test_a_stack_that_says_nothing_is_scored_as_a_movie_and_that_is_told(tmp_path, capsys):
    for name in ("t", "p"):
        write(tmp_path / name / "m.tif", np.stack([disks()] * 3).astype(np.uint16), photometric="minisblack")

    record, err = told(capsys, "score", "--pred", tmp_path / "p", "--truth", tmp_path / "t")

    assert record["means"]["n_truth"] == 48
    assert "scored as TYX" in record["notes"][-1]
    assert record["notes"][-1] in err
