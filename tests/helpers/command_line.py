"""Short ways to run commands: in this process with an exit code, or in one of their own that can be killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import tifffile

from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE
from napari_cellseg_ssl.core.model.weights_file import load_arrays

HELPERS = Path(__file__).parent
AS_FAKE = (
    "import sys; from napari_cellseg_ssl.core.methods import registry; registry.METHODS['fake'] = 'fakes'; "
    "from napari_cellseg_ssl.cli import main; sys.exit(main())"
)


def write(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, array)
    return file


def run(*words):
    return main([str(word) for word in words])


def trained(folder, *words):
    train = ("train", "fake", "--images", folder / "images", "--out", folder / "run", "--object-diameter", 10)
    assert run(*train, *words) == 0
    return folder / "run"


def complaint(capsys, *words):
    """Run a command that must fail with one line and no traceback, and return the line."""
    assert run(*words) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return [line for line in err.splitlines() if line.startswith("cellseg-ssl")][-1]


def start(folder, *words):
    """Start a slow training in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", AS_FAKE, "train", "fake", "--images", folder / "images", "--out", folder / "run"]
    command += ["--object-diameter", "10", "--set", "steps=100", "--set", "wait=0.05", *words]
    return subprocess.Popen([str(w) for w in command], env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(folder, process, step=5):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "run" / CHECKPOINT_FILE).exists() and recorded_step(folder) >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint: {process.stderr.read()}")


def recorded_step(folder):
    return load_arrays(folder / "run" / CHECKPOINT_FILE)[1]["step"]
