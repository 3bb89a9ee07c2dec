"""The command line replaces nobody's files unasked, and one bad file does not end a folder."""

import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from drawings import disks, picture
from napari_cellseg_ssl.core.bundle import ModelBundle
from test_cli import complaint, folder, run, start, trained, wait_for_checkpoint, write

__all__ = ["folder"]


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

    assert "Another training is writing into" in line
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert ModelBundle.load(folder / "run").provenance.reason == "stopped"
    assert run("train", "fake", "--images", folder / "images", "--out", folder / "run", "--resume") == 0
