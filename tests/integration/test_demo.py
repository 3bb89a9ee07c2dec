"""The demo, with seconds of training instead of minutes: that everything it promises is there.

It really trains, and is among the fast tests all the same: one test goes the whole way, from files to scores.
"""

import json

import tifffile
from PIL import Image

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.model.bundle import ModelBundle

METHODS = ("classical", "cellulus", "actis")


def test_the_demo_writes_labels_maps_models_a_picture_and_scores(tmp_path, capsys):
    assert main(["demo", "--quick", "--json", "--out", str(tmp_path)]) == 0

    told = json.loads(capsys.readouterr().out)
    assert set(told["means"]) == set(METHODS)
    assert told["means"]["classical"]["f1_50"] > 0.85
    assert Image.open(tmp_path / "comparison.png").size[0] > 1000
    for method in METHODS:
        assert ModelBundle.load(tmp_path / "runs" / method).method_id == method
        for name in samples.NAMES:
            assert tifffile.imread(tmp_path / method / f"{name}_labels.tif").shape == (256, 256)
    assert tifffile.imread(tmp_path / "cellulus" / "nuclei_1_embedding.tif").shape == (2, 256, 256)
    assert (tmp_path / "actis" / "nuclei_1_probability.tif").exists()
