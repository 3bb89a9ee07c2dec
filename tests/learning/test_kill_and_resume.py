"""A real training that is killed loses less than half a minute."""

import os
import subprocess
import sys
import time

import pytest

from napari_cellseg_ssl import samples
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.core.model.weights_file import load_arrays

pytestmark = pytest.mark.learns

BUDGET, MOST_LOST = 24, 30.0


def test_a_killed_cellulus_goes_on_and_loses_less_than_half_a_minute(tmp_path):
    words = ["train", "cellulus", "--images", str(samples.IMAGES), "--out", str(tmp_path), "--time-budget", str(BUDGET)]
    code = "import sys; from napari_cellseg_ssl.cli import main; sys.exit(main())"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code, *words], env=environment, stderr=subprocess.DEVNULL)
    begin = time.monotonic()
    while not (tmp_path / CHECKPOINT_FILE).exists() and process.poll() is None and time.monotonic() < begin + 120:
        time.sleep(0.1)
    process.kill()
    process.wait()
    killed_after = time.monotonic() - begin

    _, recorded = load_arrays(tmp_path / CHECKPOINT_FILE)
    assert killed_after - recorded["seconds"] < MOST_LOST
    assert main([*words, "--resume"]) == 0

    model = ModelBundle.load(tmp_path)
    assert model.provenance.steps > recorded["step"]
    assert model.provenance.seconds >= BUDGET
    assert model.history[0]["step"] == 1
