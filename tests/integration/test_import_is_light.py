"""Importing costs little and does nothing: a fresh interpreter is asked what it has loaded."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "monai", "optuna", "napari", "qtpy")
REPORT = "import sys; loaded = [m for m in {heavy} if m in sys.modules]; print(','.join(loaded))"


def loaded_after(code, heavy=HEAVY):
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT.format(heavy=heavy)}"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip().splitlines()[-1] if answer.stdout.strip() else ""


@pytest.mark.parametrize(
    "code",
    [
        "import napari_cellseg_ssl as cs; cs.train, cs.segment, cs.ModelBundle, cs.tasks, cs.core",
        "import napari_cellseg_ssl.cli",
        "import napari_cellseg_ssl as cs; cs.methods()",
        "import napari_cellseg_ssl as cs; cs.starters(), cs.load_run('starter:nuclei'), cs.fits",
        "import napari_cellseg_ssl.tasks.session.advance",
    ],
)
def test_no_heavy_library_is_loaded_by(code):
    assert loaded_after(code) == ""


def test_the_widgets_load_neither_torch_nor_sklearn():
    assert loaded_after("import napari_cellseg_ssl.gui.docks", ("torch", "sklearn", "monai", "optuna")) == ""


def test_importing_does_not_print_and_makes_no_folder(tmp_path):
    code = "import napari_cellseg_ssl.api.train, napari_cellseg_ssl.tasks"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert answer.stdout + answer.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_are_refused_and_known_ones_listed():
    import napari_cellseg_ssl as cs

    assert {"train", "predict", "segment", "score", "load_run", "methods", "ModelBundle"} <= set(dir(cs))
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = cs.nothing_such
