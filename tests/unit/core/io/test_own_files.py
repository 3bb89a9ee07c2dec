"""Files that this package wrote are known as such, and no others are replaced unasked."""

import json
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_cellseg_ssl.cli.comparison import Panel, save_comparison
from napari_cellseg_ssl.core.errors import WouldOverwrite
from napari_cellseg_ssl.core.io.coco_writing import write_coco
from napari_cellseg_ssl.core.io.own_files import is_own, require_own
from napari_cellseg_ssl.core.io.tables import write_table
from napari_cellseg_ssl.core.io.tiff import create_tiff, write_tiff
from napari_cellseg_ssl.core.io.zarr_files import write_zarr

LABELS = np.ones((8, 9), np.uint16)
WRITERS = {
    "a.tif": lambda file: write_tiff(file, LABELS, "YX"),
    "imagej.tif": lambda file: write_tiff(file, LABELS, "YX", spacing=(1, 2), info={"model": "x"}),
    "ome.tif": lambda file: write_tiff(file, LABELS.astype(np.uint32), "YX"),
    "mapped.tif": lambda file: create_tiff(file, LABELS.shape, np.uint32, "YX"),
    "a.ome.zarr": lambda file: write_zarr(file, LABELS, "YX"),
    "a_coco.json": lambda file: write_coco(file, [LABELS], ["a.tif"], info={"model": "x"}),
    "a.csv": lambda file: write_table(file, ["label", "area"], [[1, 2.5], [2, 3.5]]),
    "empty.csv": lambda file: write_table(file, ["label", "area"], []),
    "a.png": lambda file: save_comparison(file, [[Panel("a", LABELS)]]),
}


def zipped(file):
    with ZipFile(file, "w") as archive:
        archive.writestr("a.roi", b"x")


FOREIGN = {
    "a.tif": lambda file: tifffile.imwrite(file, LABELS),
    "imagej.tif": lambda file: tifffile.imwrite(file, LABELS, imagej=True),
    "no image.tif": lambda file: file.write_bytes(b"II*\0 and nothing else"),
    "a.ome.zarr": lambda file: zarr.open_group(str(file), mode="w"),
    "folder.zarr": lambda file: file.mkdir(),
    "a_coco.json": lambda file: file.write_text(json.dumps({"info": {"software": "another"}, "images": []})),
    "a.json": lambda file: file.write_text("[]"),
    "a.csv": lambda file: file.write_text("label,area\n1,2\n"),
    "b.csv": lambda file: file.write_text("label,software\n1,another\n"),
    "a.zip": zipped,
    "a.png": lambda file: Image.fromarray(LABELS.astype(np.uint8)).save(file),
    "notes.txt": lambda file: file.write_text("mine"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_written_here_is_known_and_may_be_written_again(tmp_path, name):
    WRITERS[name](tmp_path / name)

    assert is_own(tmp_path / name)
    require_own([tmp_path / name])


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others_are_not_replaced_unless_that_is_allowed(tmp_path, name):
    FOREIGN[name](tmp_path / name)

    with pytest.raises(WouldOverwrite, match=name):
        require_own([tmp_path / "not there.tif", tmp_path / name])

    require_own([tmp_path / name], overwrite=True)


def test_what_another_program_wrote_anew_or_a_person_added_to_is_theirs(tmp_path):
    write_tiff(tmp_path / "a.tif", LABELS, "YX")
    tifffile.imwrite(tmp_path / "a.tif", tifffile.imread(tmp_path / "a.tif"))
    write_table(tmp_path / "a.csv", ["label"], [[1], [2]])
    lines = (tmp_path / "a.csv").read_text().splitlines()
    (tmp_path / "a.csv").write_text("\n".join(f"{line},my remark" for line in lines))

    assert not is_own(tmp_path / "a.tif")
    assert not is_own(tmp_path / "a.csv")


def test_an_empty_file_holds_nothing_that_could_be_lost(tmp_path):
    (tmp_path / "a.tif").touch()

    require_own([tmp_path / "a.tif"])


def test_a_damaged_file_of_others_stays(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut")

    assert not is_own(tmp_path / "a.zip")
