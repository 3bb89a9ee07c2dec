"""Segmenting into files: whatever interrupts it, what has a final name is complete."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from drawings import disks, picture
from fakes import FakeOptions, FakeSegmentOptions
from napari_cellseg_ssl.core.data.images import ImageStack
from napari_cellseg_ssl.core.errors import WouldOverwrite, WrongImage
from napari_cellseg_ssl.core.inference import blocks
from napari_cellseg_ssl.core.io.user_files import read_image
from napari_cellseg_ssl.core.methods.events import TileDone, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.tasks import (
    Control,
    ExportRequest,
    FilesReady,
    PredictRequest,
    SegmentFilesRequest,
    segment_files,
)

pytestmark = pytest.mark.usefixtures("fake_method")
HELPERS = Path(__file__).parents[2] / "helpers"
BLOCK = 2
"""In which the interruption comes, of four."""


@pytest.fixture(params=["large", "small"])
def size(request, monkeypatch):
    """Whether the image is done in blocks, which are written as they are found."""
    if request.param == "large":
        in_blocks(monkeypatch)
    return request.param


def in_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "WHOLE", 40)
    monkeypatch.setattr(blocks, "CORE", 32)


def asked(folder, *, image=None, options=None, **export):
    bundle = ModelBundle(
        name="fake",
        method_id="fake",
        train_options=FakeOptions(),
        segment_options=FakeSegmentOptions(),
        architecture={"tag": "fake", "in_channels": 1, "spatial_ndim": 2},
        object_diameter=10.0,
        weights={},
    )
    image = image or ImageStack.from_array(picture(disks()), name="a")
    maps = export.pop("maps", False)
    return SegmentFilesRequest(
        prediction=PredictRequest(bundle=bundle, image=image),
        export=ExportRequest(folder=folder, image=image, **export),
        options=options,
        maps=maps,
    )


def done(request):
    return last_of(segment_files(request), FilesReady)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_everything_that_was_asked_for_is_written(tmp_path, size):
    found = done(asked(tmp_path, roi=True, coco=True, measure=True))

    assert names(tmp_path) == ["a_coco.json", "a_labels.tif", "a_measurements.csv", "a_rois.zip"]
    assert sorted(path.name for path in found.files) == names(tmp_path)
    assert found.instances == tifffile.imread(tmp_path / "a_labels.tif").max() == 16


def test_a_large_image_becomes_an_ome_zarr_and_nothing_else(tmp_path, size):
    done(asked(tmp_path, file_format="ome-zarr"))

    assert names(tmp_path) == ["a_labels.ome.zarr"]
    assert read_image(tmp_path / "a_labels.ome.zarr").frames[0, 0].max() == 16


def test_a_stop_at_any_moment_leaves_no_file_with_a_final_name(tmp_path, size):
    whole = sum(isinstance(event, TileDone) for event in segment_files(asked(tmp_path / "whole")))
    for moment in range(whole):
        control, seen = Control(), 0
        for event in segment_files(asked(tmp_path / "out"), control):
            assert not isinstance(event, FilesReady)
            seen += isinstance(event, TileDone)
            if seen > moment:
                control.stop()

        assert names(tmp_path / "out") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError, SystemExit])
def test_an_error_in_the_middle_leaves_no_file_with_a_final_name(tmp_path, size, error):
    events = segment_files(asked(tmp_path / "out"))
    next(event for event in events if isinstance(event, TileDone))
    with pytest.raises(Exception if issubclass(error, Exception) else error):
        events.throw(error())

    assert names(tmp_path / "out") == []


def test_a_listener_who_leaves_in_the_middle_leaves_no_file_with_a_final_name(tmp_path, size):
    events = segment_files(asked(tmp_path / "out"))
    next(event for event in events if isinstance(event, TileDone))

    events.close()

    assert names(tmp_path / "out") == []


def test_an_earlier_result_stays_until_the_new_one_is_complete(tmp_path, size):
    done(asked(tmp_path))
    before = (tmp_path / "a_labels.tif").read_bytes()
    control = Control()
    for event in segment_files(asked(tmp_path, options=FakeSegmentOptions(threshold=0.9)), control):
        if isinstance(event, TileDone):
            control.stop()

    assert (tmp_path / "a_labels.tif").read_bytes() == before
    assert names(tmp_path) == ["a_labels.tif"]


COMMAND = """
import os, signal, sys
from napari_cellseg_ssl.core.methods import registry
registry.METHODS["fake"] = "fakes"
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.inference import blocks
blocks.WHOLE, blocks.CORE = 40, 32
number, add, seen = int(sys.argv[1]), blocks.SeamWriter.add, []
def interrupted(*arguments):
    add(*arguments)
    seen.append(1)
    if len(seen) == {block} and number:
        os.kill(os.getpid(), number)
blocks.SeamWriter.add = interrupted
sys.exit(main(sys.argv[2:]))
"""


def command(number, folder):
    words = ["segment", folder / "run", "--images", folder / "a.tif", "--out", folder / "out"]
    code = COMMAND.format(block=BLOCK)
    return subprocess.run(
        [sys.executable, "-c", code, str(int(number)), *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_command_leaves_nothing_under_a_final_name_and_the_next_one_tidies_up(tmp_path):
    asked(tmp_path).prediction.bundle.save(tmp_path / "run")
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()))
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    for number, code in codes.items():
        ended = command(number, tmp_path)

        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        left = names(tmp_path / "out")
        assert all(name.startswith(".") and name.endswith(".partial") for name in left)
        assert len(left) == (number == signal.SIGKILL)

    assert command(0, tmp_path).returncode == 0
    assert names(tmp_path / "out") == ["a_labels.tif"]
    assert tifffile.imread(tmp_path / "out" / "a_labels.tif").max() == 16


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a_labels.tif", {}),
        ("a_rois.zip", {"roi": True}),
        ("a_coco.json", {"coco": True}),
        ("a_measurements.csv", {"measure": True}),
        ("a_foreground.tif", {"maps": True}),
    ],
)
def test_a_file_of_the_users_is_refused_before_any_work_and_stays(tmp_path, name, wanted):
    (tmp_path / name).write_text("mine")
    request = asked(tmp_path, **wanted)

    with pytest.raises(WouldOverwrite, match=name):
        next(segment_files(request))

    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"
    done(asked(tmp_path, **wanted, overwrite=True))
    assert (tmp_path / name).read_bytes() != b"mine"


def test_own_results_are_replaced_without_asking(tmp_path, size):
    wanted = {"roi": True, "coco": True, "measure": True}
    done(asked(tmp_path, **wanted))
    one = ImageStack.from_array(picture(disks(n=4)), name="a")

    assert done(asked(tmp_path, image=one, **wanted)).instances == 4
    assert np.unique(tifffile.imread(tmp_path / "a_labels.tif")).size == 5


def test_a_folder_that_cannot_be_made_is_named(tmp_path, size):
    (tmp_path / "file").touch()

    with pytest.raises(WrongImage, match="file"):
        done(asked(tmp_path / "file"))
