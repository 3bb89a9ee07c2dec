"""Volumes on the command line and from Python: from files to label files with axes and spacing, and to scores."""

import numpy as np
import pytest
import tifffile

import napari_cellseg_ssl as cs
from balls import ball_volume
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.inference import blocks
from napari_cellseg_ssl.core.io.tiff import read_tiff


@pytest.fixture
def folder(tmp_path):
    """A volume whose file does not say its spacing, and the truth."""
    truth, image = ball_volume()
    for name, array in (("images", image.frames[0, 0].astype(np.float32)), ("truth", truth.astype(np.uint16))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "balls.tif", array)
    return tmp_path


def run(*words):
    assert main([str(word) for word in words]) == 0


def segment(folder):
    images = ("--images", folder / "images", "--z", "volume", "--spacing", "1.5,0.5,0.5")
    run("train", "classical", *images, "--object-diameter", 14, "--out", folder / "run")
    run("segment", folder / "run", *images, "--out", folder / "out", "--measure")
    return folder / "out" / "balls_labels.tif"


@pytest.mark.parametrize("in_blocks", [False, True])
def test_labels_of_a_volume_are_written_with_axes_and_spacing_and_score_in_space(
    folder, capsys, monkeypatch, in_blocks
):
    if in_blocks:
        monkeypatch.setattr(blocks, "WHOLE_3D", 20)
        monkeypatch.setattr(blocks, "CORE_3D", 24)

    written = read_tiff(segment(folder))

    assert written.axes == "ZYX"
    assert written.array.shape == (12, 45, 45)
    assert dict(written.spacing) == pytest.approx({"Z": 1.5, "Y": 0.5, "X": 0.5})
    assert tifffile.TiffFile(folder / "out" / "balls_labels.tif").is_ome == in_blocks
    assert "volume_um3" in (folder / "out" / "balls_measurements.csv").read_text().splitlines()[0]
    capsys.readouterr()
    run("score", "--pred", folder / "out", "--truth", folder / "truth")
    assert "1.0000" in capsys.readouterr().out.splitlines()[-1]


def test_a_method_without_volumes_goes_on_with_frames_and_says_so(folder, capsys, fake_method):
    tifffile.imwrite(
        folder / "images" / "balls.tif", np.ones((5, 40, 40), np.uint8).cumsum(2), metadata={"axes": "ZYX"}
    )

    run("train", "fake", "--images", folder / "images", "--object-diameter", 10, "--out", folder / "run")

    assert "the 5 slices of 'balls' are segmented one by one" in capsys.readouterr().err


def test_the_calls_from_python_take_a_volume_and_give_one():
    truth, image = ball_volume()
    pixels, spacing = image.frames[0, 0], (1.5, 0.5, 0.5)

    model = cs.train("classical", images=pixels, z="volume", spacing=spacing, object_diameter=14.0)
    labels = cs.segment(model, pixels, z="volume", spacing=spacing)

    assert labels.shape == pixels.shape
    assert cs.score(labels, truth, axes="ZYX")["f1_50"] == 1.0
    assert cs.score(labels, truth, axes="ZYX")["n_truth"] == truth.max()
    assert cs.predict(model, image).arrays["intensity"].shape == (1, 1, 36, 45, 45)
