"""Run folders that an earlier version wrote (commit c0e1b71) open, mean the same, and go on.

They were written by `cs.train` with small networks on the sixteen disks of `image.tif`; the large arrays of CUPre's
were set to 0, so that they take no room. `labels_of_then.tif` is what that version segmented with each.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_cellseg_ssl as cs
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.methods.registry import METHODS
from napari_cellseg_ssl.core.options import options_to_json

RUNS = Path(__file__).parents[1] / "data" / "runs_of_c0e1b71"
NAMES = sorted(folder.name for folder in RUNS.iterdir() if folder.is_dir())


@pytest.fixture
def image():
    return tifffile.imread(RUNS / "image.tif")


def test_there_is_one_of_every_method():
    assert set(NAMES) == set(METHODS)


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_with_its_options_and_segments_as_it_did_then(name, image):
    record = json.loads((RUNS / name / "run.json").read_text())
    then = tifffile.imread(RUNS / name / "labels_of_then.tif")

    model = cs.load_run(RUNS / name)
    now = cs.segment(model, image)

    for options, key in ((model.train_options, "train_options"), (model.segment_options, "segment_options")):
        written, read = record[key], options_to_json(options)
        assert {option: read[option] for option in written} == written
    assert model.provenance.seed == record["provenance"]["seed"]
    assert len(model.history) > 0 or name == "classical"
    assert now.max() == pytest.approx(then.max(), abs=1)  # processors differ in the last digit
    assert np.mean((now > 0) == (then > 0)) > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_takes_it(name, tmp_path):
    words = ["segment", RUNS / name, "--images", RUNS / "image.tif", "--out", tmp_path]

    assert main([str(word) for word in words]) == 0

    assert tifffile.imread(tmp_path / "image_labels.tif").shape == (64, 64)
