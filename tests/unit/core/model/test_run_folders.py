"""A run folder belongs to one training at a time, and to one method."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from fakes import FakeOptions, FakeSegmentOptions
from napari_cellseg_ssl.core.errors import WouldOverwrite, WrongRun
from napari_cellseg_ssl.core.model import messages as model_messages
from napari_cellseg_ssl.core.model.bundle import ModelBundle, Provenance
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, RUN_FILE, WEIGHTS_FILE
from napari_cellseg_ssl.core.model.run_folder import claimed, occupied_by, require_own_run
from napari_cellseg_ssl.core.model.weights_file import save_arrays
from saying import saying

pytestmark = pytest.mark.usefixtures("fake_method")


def bundle_of(method_id="fake", reason="completed"):
    return ModelBundle(
        name="a",
        method_id=method_id,
        train_options=FakeOptions(),
        segment_options=FakeSegmentOptions(),
        architecture={"tag": "fake", "in_channels": 1, "spatial_ndim": 2},
        weights={"total": np.ones(3, np.float32)},
        provenance=Provenance(reason=reason),
    )


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_run_of_another_method_is_not_replaced_unless_that_is_allowed(tmp_path):
    bundle_of("other").save(tmp_path)
    before = everything_in(tmp_path)

    with pytest.raises(WouldOverwrite, match="a finished run of 'other'"):
        bundle_of().save(tmp_path)

    assert everything_in(tmp_path) == before
    bundle_of().save(tmp_path, overwrite=True)
    assert occupied_by(tmp_path).method_id == "fake"


def test_a_run_of_the_same_method_is_replaced(tmp_path):
    bundle_of().save(tmp_path)

    bundle_of().save(tmp_path)


def test_the_interrupted_training_of_another_method_is_not_replaced(tmp_path):
    save_arrays(tmp_path / CHECKPOINT_FILE, {}, {"method": "other"})

    with pytest.raises(WouldOverwrite, match="an interrupted training of 'other'"):
        require_own_run(tmp_path, "fake")

    require_own_run(tmp_path, "other")


@pytest.mark.parametrize("name", [RUN_FILE, WEIGHTS_FILE, "history.csv", CHECKPOINT_FILE])
@pytest.mark.parametrize("content", ["{}", "[1]", "epoch,loss\n1,2\n", "[" * 100_000])
def test_files_of_others_with_the_names_of_a_run_are_not_replaced(tmp_path, name, content):
    (tmp_path / name).write_text(content)

    with pytest.raises(WouldOverwrite, match=name):
        bundle_of().save(tmp_path)

    assert everything_in(tmp_path) == {name: content.encode()}


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    bundle_of().save(tmp_path)

    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_second_training_is_kept_out_until_the_first_has_ended(tmp_path):
    def claim():
        with claimed(tmp_path / "run"):
            pass

    with claimed(tmp_path / "run"), pytest.raises(WrongRun, match=saying(model_messages.folder_is_in_use)):
        claim()

    claim()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_second_training_in_another_thread_is_kept_out_too(tmp_path):
    found = []

    def claim():
        try:
            with claimed(tmp_path):
                found.append("claimed")
        except WrongRun:
            found.append("kept out")

    with claimed(tmp_path):
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join()

    assert found == ["kept out"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_process_that_was_killed_lets_go_of_its_folder(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from napari_cellseg_ssl.core.model.run_folder import claimed\n"
        "with claimed(Path(sys.argv[1])): print('claimed', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "claimed\n"
    with pytest.raises(WrongRun, match=saying(model_messages.folder_is_in_use)), claimed(tmp_path):
        pass

    process.kill()
    process.communicate()

    with claimed(tmp_path):
        pass


def test_an_error_lets_go_of_the_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path):
        raise KeyboardInterrupt

    with claimed(tmp_path):
        pass
