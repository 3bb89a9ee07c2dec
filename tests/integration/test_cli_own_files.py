"""The command line replaces nobody's files unasked, and one bad file does not end a folder."""

import json
import re
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from command_line import complaint, run, start, trained, wait_for_checkpoint, write
from drawings import disks, picture
from napari_cellseg_ssl.core.model import messages as model_messages
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from saying import saying


def lines_of(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("cellseg-ssl")]


def test_labels_made_by_hand_beside_the_images_are_kept_and_the_others_are_segmented(folder, capsys):
    run_folder, images = trained(folder), folder / "images"
    mine = write(images / "a_labels.tif", (7 * disks()).astype(np.uint16)).read_bytes()
    capsys.readouterr()

    assert run("segment", run_folder, "--images", images, "--out", images) == 2

    refused, last = lines_of(capsys)
    assert "a_labels.tif" in refused
    assert "--overwrite" in refused
    assert "1 of 2 images" in last
    assert (images / "a_labels.tif").read_bytes() == mine
    assert tifffile.imread(images / "b_labels.tif").max() == 9


def test_overwrite_replaces_what_others_wrote(folder):
    write(folder / "images" / "a_labels.tif", np.zeros((64, 64), np.uint16))
    words = ("segment", trained(folder), "--images", folder / "images", "--out", folder / "images")

    assert run(*words, "--overwrite") == 0
    assert tifffile.imread(folder / "images" / "a_labels.tif").max() == 16


def test_own_results_are_replaced_without_asking(folder):
    words = ("segment", trained(folder), "--images", folder / "images", "--out", folder / "out", "--maps", "--roi")

    assert run(*words, "--coco", "--measure") == 0
    assert run(*words, "--coco", "--measure") == 0


def test_an_image_that_is_read_is_not_written_over_even_if_that_is_allowed(folder, capsys):
    write(folder / "images" / "a_labels.tif", picture(disks()))
    images = [folder / "images" / name for name in ("a.tif", "a_labels.tif")]

    assert run("segment", trained(folder), "--images", *images, "--out", folder / "images", "--overwrite") == 2

    assert any("one of the images" in line for line in lines_of(capsys))
    assert np.array_equal(tifffile.imread(images[1]), picture(disks()))


def test_a_table_of_others_is_not_replaced_by_scores(folder, capsys):
    table = folder / "mine.csv"
    table.write_text("a,b\n1,2\n")
    words = ("score", "--pred", folder / "truth", "--truth", folder / "truth", "--csv", table)

    assert "mine.csv" in complaint(capsys, *words)
    assert table.read_text() == "a,b\n1,2\n"
    assert run(*words, "--overwrite") == 0
    assert run(*words) == 0


def test_a_training_does_not_replace_the_run_of_another_method(folder, capsys, scoring_method):
    replace(ModelBundle.load(trained(folder)), method_id="scoring").save(folder / "other")
    words = ("train", "fake", "--images", folder / "images", "--out", folder / "other", "--object-diameter", 10)

    line = complaint(capsys, *words)

    assert "a finished run of 'scoring'" in line
    assert "--overwrite" in line
    assert ModelBundle.load(folder / "other").method_id == "scoring"
    assert run(*words, "--overwrite") == 0
    assert ModelBundle.load(folder / "other").method_id == "fake"


def test_pairs_are_not_drawn_over_files_of_others(folder, capsys):
    small = [word for pair in ("steps=1", "width=4", "blocks=1", "crop=32", "batch=1") for word in ("--set", pair)]
    run("train", "adgan", "--images", folder / "images", "--out", folder / "gan", "--object-diameter", 10, *small)
    write(folder / "pairs" / "labels" / "synthetic_0002.tif", np.zeros((4, 4), np.uint8))

    line = complaint(capsys, "synthesise", folder / "gan", "--out", folder / "pairs", "--count", 2, "--shape", 64, 64)

    assert "synthetic_0002.tif" in line
    assert not (folder / "pairs" / "images").exists()


def test_the_demo_does_not_replace_a_picture_of_others(tmp_path, capsys):
    (tmp_path / "comparison.png").write_text("mine")

    assert "comparison.png" in complaint(capsys, "demo", "--out", tmp_path, "--quick")
    assert (tmp_path / "comparison.png").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_two_trainings_do_not_share_a_folder_and_sigterm_ends_one_in_order(folder, capsys):
    process = start(folder)
    wait_for_checkpoint(folder, process)

    line = complaint(
        capsys, "train", "fake", "--images", folder / "images", "--out", folder / "run", "--object-diameter", 10
    )

    assert re.search(saying(model_messages.folder_is_in_use), line)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert ModelBundle.load(folder / "run").provenance.reason == "stopped"
    assert run("train", "fake", "--images", folder / "images", "--out", folder / "run", "--resume") == 0


def cut(file):
    """Cut a compressed TIFF short, as a full disk or a broken copy does."""
    noise = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.uint16)
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, noise, compression="zlib")
    file.write_bytes(file.read_bytes()[:-3000])


def with_wrong_xml(file):
    tifffile.imwrite(file, picture(disks()), description="<OME><unclosed></OME>", metadata=None)


BAD = {
    "cut.tif": cut,
    "empty.tif": lambda file: file.touch(),
    "text.tif": lambda file: file.write_text("this is no image"),
    "picture.png": lambda file: file.write_text("this is no image"),
    "xml.tif": with_wrong_xml,
    "pages.tif": lambda file: file.write_bytes(b"II*\0\x08\0\0\0\0\0"),
    "group.zarr": lambda file: file.mkdir(),
}
ERRORS = [ZeroDivisionError, MemoryError, RecursionError, KeyError, AssertionError]


def test_bad_files_of_all_kinds_do_not_end_a_folder(folder, capsys):
    run_folder = trained(folder)
    for name, make in BAD.items():
        make(folder / "images" / name)
    capsys.readouterr()

    assert run("segment", run_folder, "--images", folder / "images", "--out", folder / "out", "--json") == 2

    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("cellseg-ssl")]
    bad = [name for name in BAD if any(f"images/{name}" in line for line in lines)]
    assert set(bad) >= set(BAD) - {"xml.tif"}
    assert f"{len(bad)} of {len(BAD) + 2} images" in lines[-1]
    assert "Traceback" not in told.err
    record = json.loads(told.out)
    assert len(record["problems"]) == len(bad)
    assert {"a_labels.tif", "b_labels.tif"} <= {path.name for path in (folder / "out").iterdir()}


@pytest.mark.parametrize("error", ERRORS)
def test_whatever_reading_one_file_raises_the_others_are_segmented(folder, capsys, monkeypatch, error):
    run_folder, imread = trained(folder), tifffile.TiffPageSeries.asarray

    def failing(series, *arguments, **options):
        if "a.tif" in series.parent.filename:
            raise error
        return imread(series, *arguments, **options)

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", failing)
    capsys.readouterr()

    assert run("segment", run_folder, "--images", folder / "images", "--out", folder / "out") == 2

    assert "a.tif" in lines_of(capsys)[0]
    assert [path.name for path in (folder / "out").iterdir()] == ["b_labels.tif"]


def test_an_error_that_nobody_foresaw_in_one_image_does_not_end_the_folder_and_is_told(folder, capsys, monkeypatch):
    from fakes import FakeMethod

    run_folder, segment = trained(folder), FakeMethod.segment

    def failing(method, maps, options):
        if maps.image_name == "a":
            raise KeyError("offset")
        return segment(method, maps, options)

    monkeypatch.setattr(FakeMethod, "segment", failing)
    capsys.readouterr()

    assert run("segment", run_folder, "--images", folder / "images", "--out", folder / "out") == 1

    assert "a.tif: unexpected KeyError" in lines_of(capsys)[0]
    assert [path.name for path in (folder / "out").iterdir()] == ["b_labels.tif"]


@pytest.mark.parametrize("command", ["train", "tune"])
def test_nothing_is_learned_from_a_part_of_what_was_given_and_all_bad_files_are_named(folder, capsys, command):
    run_folder = trained(folder)
    before = (run_folder / "run.json").read_bytes()
    cut(folder / "images" / "cut.tif")
    (folder / "images" / "text.tif").write_text("this is no image")
    words = ("--images", folder / "images", "--labels", folder / "painted", "--labels-mode", "sparse")

    start = ("train", "fake", "--out", run_folder) if command == "train" else ("tune", run_folder)
    line = complaint(capsys, *start, *words)

    assert "2 of 4 files" in line
    assert "cut.tif" in line
    assert "text.tif" in line
    assert (run_folder / "run.json").read_bytes() == before


def test_labels_that_cannot_be_read_do_not_end_the_scoring_of_a_folder(folder, capsys):
    cut(folder / "pred" / "a_labels.tif")
    write(folder / "pred" / "b_labels.tif", disks(n=9).astype(np.uint16))

    assert (
        run("score", "--pred", folder / "pred", "--truth", folder / "truth", "--json", "--csv", folder / "s.csv") == 2
    )

    told = capsys.readouterr()
    record = json.loads(told.out)
    assert list(record["images"]) == ["b"]
    assert record["means"]["f1_50"] == 1.0
    assert "a_labels.tif" in record["problems"][0]
    assert "1 of 2 images" in told.err
    assert len((folder / "s.csv").read_text().splitlines()) == 2
