"""A disk that fills up while a training runs: it is said, what was saved before stays, and the model is not lost."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import tifffile

from drawings import disks, picture
from fakes import FakeOptions
from napari_cellseg_ssl.cli import main
from napari_cellseg_ssl.core.errors import WrongRun
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.core.methods.events import TrainFinished, last_of
from napari_cellseg_ssl.core.model.bundle import ModelBundle
from napari_cellseg_ssl.core.model.run_files import CHECKPOINT_FILE, WEIGHTS_FILE
from napari_cellseg_ssl.core.model.weights_file import load_arrays
from napari_cellseg_ssl.tasks import TrainRequest, train
from napari_cellseg_ssl.tasks.recorder import NotSaved

pytestmark = pytest.mark.usefixtures("fake_method")
FULL = {
    "the system's error": OSError(28, "No space left on device"),
    "the library's error": safetensors.SafetensorError("I/O error: No space left on device (os error 28)"),
}
STEPS = 5
HELPERS = Path(__file__).parents[2] / "helpers"


@pytest.fixture(params=list(FULL))
def full_after(request, monkeypatch):
    """Let the disk be full after some files with arrays were written."""

    def fill(n_files):
        left = [n_files]

        def writing(write):
            def attempt(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    raise FULL[request.param]
                return write(*args, **kwargs)

            return attempt

        for name in ("save", "save_file"):
            monkeypatch.setattr(safetensors.numpy, name, writing(getattr(safetensors.numpy, name)))

    yield fill
    monkeypatch.undo()


@pytest.fixture
def asked(stack, tmp_path):
    return TrainRequest(
        method_id="fake", images=(stack,), object_diameter=10.0, options=FakeOptions(steps=STEPS), out=tmp_path / "run"
    )


def finished(request):
    return last_of(train(request), TrainFinished)


def test_a_checkpoint_that_cannot_be_written_ends_the_training_and_the_one_before_is_kept(asked, full_after):
    full_after(2)

    with pytest.raises(WrongRun, match=r"No space left.* after step 2 of 3 is kept there\. Free .* then resume it"):
        finished(asked)

    assert load_arrays(asked.out / CHECKPOINT_FILE)[1]["step"] == 2
    assert not list(asked.out.glob(".*"))


def test_a_first_checkpoint_that_cannot_be_written_is_said_to_be_lost(asked, full_after):
    full_after(0)

    with pytest.raises(WrongRun, match=r"No space left.*Nothing of this training is kept\. Free .* then train again"):
        finished(asked)


def test_a_finished_model_that_cannot_be_written_is_handed_over_and_its_training_can_go_on(
    asked, full_after, monkeypatch
):
    full_after(STEPS)

    with pytest.raises(NotSaved, match=rf"No space left.* after step {STEPS} of {STEPS} is kept there") as caught:
        finished(asked)

    monkeypatch.undo()
    monkeypatch.setitem(registry.METHODS, "fake", "fakes")
    assert not (asked.out / WEIGHTS_FILE).exists()
    again = finished(replace(asked, resume=True)).bundle
    assert np.array_equal(caught.value.finished.bundle.weights["total"], again.weights["total"])
    assert ModelBundle.load(asked.out).id == again.id


def test_a_run_that_is_there_stays_whole_where_another_one_does_not_fit(asked, monkeypatch):
    finished(asked)
    before = {file.name: file.read_bytes() for file in asked.out.iterdir()}
    write = Path.write_text

    def full(file, *args, **kwargs):
        if "run.json" in file.name:
            raise FULL["the system's error"]
        return write(file, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    bundle = ModelBundle.load(asked.out)

    with pytest.raises(WrongRun, match="No space left"):
        replace(bundle, weights={"total": np.ones(3, np.float32)}, history=()).save(asked.out)

    assert {file.name: file.read_bytes() for file in asked.out.iterdir()} == before


def test_the_command_line_ends_with_one_line_and_exit_code_2(asked, full_after, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()))
    full_after(2)

    words = ["train", "fake", "--images", tmp_path / "a.tif", "--out", asked.out, "--object-diameter", 10]
    code = main([str(word) for word in words])

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cellseg-ssl:")]
    assert code == 2
    assert len(lines) == 1
    assert "No space left" in lines[0]
    assert "resume" in lines[0]


def can_mount():
    return (
        shutil.which("unshare") is not None
        and subprocess.run(
            ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=16k none /mnt"], capture_output=True, check=False
        ).returncode
        == 0
    )


@pytest.mark.skipif(not can_mount(), reason="file systems cannot be mounted here")
def test_a_real_disk_that_fills_up_keeps_the_checkpoint_of_before(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", picture(disks()))
    (tmp_path / "disk").mkdir()
    code = (
        "import sys; from pathlib import Path; from napari_cellseg_ssl.core.methods import registry\n"
        "registry.METHODS['fake'] = 'fakes'\n"
        "from napari_cellseg_ssl.tasks import recorder; recorder.HISTORY_INTERVAL = 0\n"
        "from napari_cellseg_ssl.cli import main; from napari_cellseg_ssl.core.model.weights_file import load_arrays\n"
        "code = main(sys.argv[1:])\n"
        "out = Path(sys.argv[sys.argv.index('--out') + 1])\n"
        "print(code, load_arrays(out / 'checkpoint.safetensors')[1]['step'] > 0, [*out.glob('.*')])"
    )
    words = ["train", "fake", "--images", tmp_path / "a.tif", "--out", tmp_path / "disk" / "run"]
    words += ["--object-diameter", 10, "--set", "steps=1000000"]  # the history grows until nothing fits
    mount = 'mount -t tmpfs -o size=16k none "$0" && exec "$@"'

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, str(tmp_path / "disk"), sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=HELPERS, timeout=120,
    )  # fmt: skip

    assert done.stdout.splitlines() == ["2 True []"], done.stderr
    assert done.stderr.count("No space left on device") == 1
