"""The comparison of CUPre's pre-trainings from the command line and from Python."""

import json

import numpy as np
import pytest
import tifffile

import napari_cellseg_ssl as cs
from drawings import disks, painting, picture
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.errors import WrongAnnotation, WrongOption
from napari_cellseg_ssl.core.methods.cupre import messages as cupre_messages
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from saying import saying

OPTIONS = {
    "detector": "tiny", "steps": 2, "iterations": 1, "crop": 64, "working_diameter": 16.0, "tile": 32, "view": 32,
    "tiles": 4,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """One image with eight painted cells."""
    cells = disks((96, 96))
    for name, array in (("images", picture(cells)), ("painted", painting(cells, n_cells=8))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", array)
    return tmp_path


def words(folder, *more):
    sets = [word for name, value in OPTIONS.items() for word in ("--set", f"{name}={value}")]
    given = ("--images", folder / "images", "--labels", folder / "painted", "--labels-mode", "sparse")
    return [
        str(w) for w in ("compare-pretraining", *given, "--out", folder / "out", "--object-diameter", 11, *sets, *more)
    ]


def test_the_command_prints_one_object_and_saves_the_run_of_each_arm(folder, capsys):
    assert main(words(folder, "--source", "shapes", "--arms", "source", "moco", "--json")) == 0

    out, told = capsys.readouterr()
    record = json.loads(out)
    assert out.count("\n") == 1
    assert [row["arm"] for row in record["rows"]] == ["source", "moco"]
    assert record["best"] in ("source", "moco")
    assert not record["stopped"]
    for row in record["rows"]:
        assert (row["pretrain_steps"], row["fine_tune_steps"], row["held_out"]) == (2, 2, 2)
        assert ModelBundle.load(folder / "out" / row["arm"]).provenance.scores["f1"] == row["f1"]
        assert row["run"] == str(folder / "out" / row["arm"])
    assert "Validated on 2 held-out cells" in told


def test_a_person_gets_a_small_table(folder, capsys):
    assert main(words(folder, "--arms", "scratch")) == 0

    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["pre-training", "F1", "IoU", "steps", "seconds", "run"]
    assert row.startswith("No pre-training")
    assert "0 + 2" in row


@pytest.mark.parametrize(
    ("more", "complaint"),
    [((), "There is no source"), (("--arms", "scratch", "--fine-tune-seconds", 0), "budget is 0 s")],
)
def test_what_is_missing_is_said_in_one_line(folder, capsys, more, complaint):
    assert main(words(folder, *more)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cellseg-ssl")]
    assert complaint in lines[-1]


def test_python_gets_rows_and_models(folder):
    seen = []
    rows, models = cs.compare_pretraining(
        images=folder / "images",
        labels=folder / "painted",
        labels_mode="sparse",
        arms=["scratch"],
        options=OPTIONS,
        object_diameter=11.0,
        on_event=seen.append,
    )

    assert [row["arm"] for row in rows] == ["scratch"]
    assert rows[0]["f1"] == models["scratch"].provenance.scores["f1"]
    assert type(seen[-1]).__name__ == "ComparisonFinished"
    assert np.asarray(cs.segment(models["scratch"], picture(disks()))).shape == (64, 64)


def test_python_says_what_is_missing(folder):
    given = {"images": folder / "images", "options": OPTIONS, "object_diameter": 11.0}

    with pytest.raises(WrongOption, match=saying(cupre_messages.source_missing)):
        cs.compare_pretraining(labels=folder / "painted", labels_mode="sparse", **given)
    with pytest.raises(WrongAnnotation, match="at least 4"):
        cs.compare_pretraining(labels=None, source="shapes", **given)
