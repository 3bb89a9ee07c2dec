"""The command line: what it writes, prints and returns, also when the input is wrong."""

import csv
import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from safetensors import safe_open

from command_line import complaint, recorded_step, run, start, trained, wait_for_checkpoint, write
from drawings import disks, picture
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.cli import messages as cli_messages
from napari_cellseg_ssl.core.data import messages as data_messages
from napari_cellseg_ssl.core.io.coco_reading import read_coco
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from saying import saying


def run_json(capsys, *words):
    assert run(*words, "--json") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("extra", [(), ("--maps",)])
def test_scores_of_a_detector_are_written_to_coco(folder, scoring_method, extra):
    model = replace(ModelBundle.load(trained(folder)), method_id="scoring")
    model.save(folder / "scoring")

    words = ("segment", folder / "scoring", "--images", folder / "images" / "a.tif", "--out", folder / "out")
    assert run(*words, "--coco", *extra) == 0

    objects = read_coco(folder / "out" / "a_coco.json").images[0].objects
    assert len(objects) == 16
    assert all(0 < one.score <= 1 for one in objects)


def test_train_segment_and_score_end_to_end(folder, capsys):
    run_folder = trained(folder)
    assert run("segment", run_folder, "--images", folder / "images", "--out", folder / "out") == 0
    capsys.readouterr()

    scores = run_json(capsys, "score", "--pred", folder / "out", "--truth", folder / "truth", "--csv", folder / "s.csv")

    assert scores["means"]["f1_50"] == 1.0
    assert set(scores["images"]) == {"a", "b"}
    rows = list(csv.DictReader((folder / "s.csv").open()))
    assert [row["image"] for row in rows] == ["a", "b"]
    assert {"f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice"} <= set(rows[0])


def test_score_prints_a_table_for_people(folder, capsys):
    run("score", "--pred", folder / "truth", "--truth", folder / "truth")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "f1_50", "seg", "ap_50", "ap_10_90", "s_dsb", "dice"]
    assert lines[-1].split() == ["mean", *["1.0000"] * 6]


def test_train_tells_what_it_did_as_json(folder, capsys):
    words = ("--images", folder / "images", "--labels", folder / "painted", "--labels-mode", "sparse")

    told = run_json(capsys, "train", "fake", *words, "--out", folder / "r", "--object-diameter", 10, "--set", "steps=7")

    assert told["method"] == "fake"
    assert told["reason"] == "completed"
    assert told["steps"] == 7


def test_labels_whose_mode_is_not_said_are_guessed_and_the_guess_is_told(folder, capsys):
    trained(folder, "--labels", folder / "painted")

    assert data_messages.first_is_background() in capsys.readouterr().err


def test_methods_are_listed(folder, capsys):
    told = run_json(capsys, "methods")

    assert "fake" in [method["id"] for method in told["methods"]]
    assert run("methods") == 0


def test_segment_writes_maps_rois_and_measurements(folder, capsys):
    words = ("segment", trained(folder), "--images", folder / "images" / "a.tif", "--out", folder / "out")
    capsys.readouterr()

    told = run_json(capsys, *words, "--maps", "--roi", "--coco", "--measure")

    names = sorted(Path(file).name for file in told["images"][0]["files"])
    assert names == ["a_coco.json", "a_foreground.tif", "a_labels.tif", "a_measurements.csv", "a_rois.zip"]
    (masks,) = read_coco(folder / "out" / "a_coco.json", folder / "images").images
    assert masks.path == folder / "images" / "a.tif"
    assert np.array_equal(masks.labels(), tifffile.imread(folder / "out" / "a_labels.tif"))
    assert told["images"][0]["instances"] == 16
    assert tifffile.imread(folder / "out" / "a_labels.tif").dtype == np.uint16
    assert tifffile.imread(folder / "out" / "a_foreground.tif").dtype == np.float32


def test_large_images_are_written_block_by_block(folder, capsys, monkeypatch):
    from napari_cellseg_ssl.core.inference import blocks

    monkeypatch.setattr(blocks, "WHOLE", 40)
    monkeypatch.setattr(blocks, "CORE", 32)
    write(folder / "movie" / "m.tif", np.stack([picture(disks()), picture(disks(n=4))]))

    for name, shape in (("images", (64, 64)), ("movie", (2, 64, 64))):
        assert run("segment", trained(folder), "--images", folder / name, "--out", folder / "out") == 0
        file = sorted((folder / "out").glob("[am]_labels.tif"))[-1]
        labels = tifffile.imread(file)
        assert labels.shape == shape
        assert labels.max() == 16


def test_one_bad_image_does_not_keep_the_others_from_being_segmented(folder, capsys):
    run_folder = trained(folder)
    write(folder / "images" / "aa.tif", np.full((20, 20), np.nan, np.float32))

    line = complaint(capsys, "segment", run_folder, "--images", folder / "images", "--out", folder / "out")

    assert "1 of 3 images" in line
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a_labels.tif", "b_labels.tif"]


def test_tune_finds_and_keeps_better_options(folder, capsys):
    run_folder = trained(folder)
    bundle = ModelBundle.load(run_folder)
    capsys.readouterr()

    words = ("tune", run_folder, "--images", folder / "images", "--labels", folder / "painted", "--trials", 15)
    told = run_json(capsys, *words)

    assert told["score"] >= told["default_score"]
    assert len(told["trials"]) > 5
    tuned = ModelBundle.load(run_folder)
    assert tuned.segment_options.threshold == told["options"]["threshold"]
    assert np.array_equal(tuned.weights["total"], bundle.weights["total"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "nothing", "--images", "IMAGES", "--out", "OUT"), "no method 'nothing'"),
        (("train", "fake", "--images", "gone", "--out", "OUT"), "'gone' does not exist"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--set", "stepz=3"), "Unknown option 'stepz'"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--set", "steps"), "no value"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--set", "steps=many"), "cannot be 'many'"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--preset", "best"), "no preset 'best'"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--object-diameter", "0"), "diameter is 0"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--time-budget", "-5"), "time budget"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--start-from", "OUT"), "not a run folder"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--start-from", "starter:x"), "starter model"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--resume"), "no interrupted training"),
        (("train", "fake", "--images", "IMAGES", "--out", "FILE"), "cannot be written"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--axes", "QQ"), "axes 'QQ'"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--channels", "5"), "channel 5"),
        (("train", "fake", "--images", "IMAGES", "--out", "OUT", "--set", "fail=memory"), "out of memory"),
        (("segment", "gone", "--images", "IMAGES", "--out", "OUT"), "not a run folder"),
        (("score", "--pred", "PAINTED", "--truth", "TRUTH"), "no labels for 1 of 2"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_wrong_input_ends_with_one_line_and_exit_code_2(folder, capsys, words, said):
    (folder / "file").write_text("in the way")
    places = {"IMAGES": folder / "images", "OUT": folder / "out", "FILE": folder / "file"}
    places |= {"PAINTED": folder / "painted", "TRUTH": folder / "truth"}
    sized = ("--object-diameter", 10) if words[0] == "train" and "--object-diameter" not in words else ()

    assert said in complaint(capsys, *(places.get(word, word) for word in words), *sized)


def test_an_incomplete_command_is_one_line_too(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["segment", "run"])

    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_labels_of_another_shape_are_named(folder, capsys):
    write(folder / "odd" / "a.tif", np.ones((30, 30), np.uint16))

    line = complaint(
        capsys, "train", "fake", "--images", folder / "images", "--labels", folder / "odd", "--out", folder / "r"
    )

    assert "a.tif" in line
    assert "(30, 30)" in line


def test_scoring_labels_of_another_shape_names_both_files(folder, capsys):
    write(folder / "odd" / "a.tif", np.ones((30, 30), np.uint16))
    write(folder / "odd" / "b.tif", np.ones((30, 30), np.uint16))

    line = complaint(capsys, "score", "--pred", folder / "odd", "--truth", folder / "truth")

    assert "odd" in line
    assert "truth" in line


def test_two_images_of_one_name_are_not_written_over_each_other(folder, capsys):
    write(folder / "other" / "a.tif", picture(disks()))

    line = complaint(
        capsys, "segment", trained(folder), "--images", folder / "images", folder / "other", "--out", folder / "out"
    )

    assert re.search(saying(cli_messages.same_output_name), line)


def test_an_unexpected_error_is_one_line_unless_a_traceback_is_wanted(folder, capsys):
    words = ("train", "fake", "--images", folder / "images", "--out", folder / "r", "--object-diameter", 10)

    assert run(*words, "--set", "fail=RuntimeError") == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run(*words, "--set", "fail=KeyError", "--traceback") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["truncated weights", "truncated json", "pickle", "unknown option", "foreign"])
def test_a_damaged_or_hostile_run_folder_is_refused(folder, capsys, kind):
    run_folder = trained(folder)
    weights, record = run_folder / "weights.safetensors", run_folder / "run.json"
    if kind == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:20])
    elif kind == "truncated json":
        record.write_text(record.read_text()[:50])
    elif kind == "pickle":
        weights.write_bytes(b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.")
    elif kind == "unknown option":
        record.write_text(record.read_text().replace('"steps": 20', '"stepz": 20', 1))
    else:
        record.write_text("[1, 2]")

    assert "run" in complaint(capsys, "segment", run_folder, "--images", folder / "images", "--out", folder / "out")


def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_as_if_nothing_had_happened(folder):
    process = start(folder)
    wait_for_checkpoint(folder, process)
    process.kill()
    process.communicate()
    kept = recorded_step(folder)

    assert run("train", "fake", "--images", folder / "images", "--out", folder / "run", "--resume") == 0

    resumed = ModelBundle.load(folder / "run")
    assert resumed.provenance.steps == 100
    assert 5 <= kept < 100
    assert resumed.provenance.seconds >= 100 * 0.05
    straight = ModelBundle.load(trained(folder, "--set", "steps=100"))
    assert np.array_equal(resumed.weights["total"], straight.weights["total"])


def test_ctrl_c_saves_what_there_is_and_can_be_resumed(folder):
    process = start(folder)
    wait_for_checkpoint(folder, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "Traceback" not in err
    assert "--resume" in err
    assert ModelBundle.load(folder / "run").provenance.reason == "stopped"
    with safe_open(folder / "run" / CHECKPOINT_FILE, framework="numpy") as checkpoint:
        assert list(checkpoint.keys()) == ["total"]


def test_pairs_are_drawn_and_how_to_learn_from_them_is_said(folder, capsys):
    small = [word for pair in ("steps=1", "width=4", "blocks=1", "crop=32", "batch=1") for word in ("--set", pair)]
    run("train", "adgan", "--images", folder / "images", "--out", folder / "gan", "--object-diameter", 10, *small)
    capsys.readouterr()

    assert run("synthesise", folder / "gan", "--out", folder / "pairs", "--count", 2, "--shape", 64, 80) == 0

    said = capsys.readouterr().out
    assert "2 pairs" in said
    assert f"train actis --images {folder / 'pairs' / 'images'}" in said
    assert tifffile.imread(folder / "pairs" / "labels" / "synthetic_0002.tif").shape == (64, 80)
    assert run("synthesise", folder / "gan", "--out", folder / "pairs", "--shape", 8, 64, 80) == 2
