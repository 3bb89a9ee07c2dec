"""The manifest: found by npe2 in an editable and in a wheel install, and true."""

import ast
import os
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from npe2 import PluginManifest

from napari_cellseg_ssl.core.model.starters import starters

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "napari_cellseg_ssl"
FIND = (
    "from npe2 import PluginManifest\n"
    "manifest = PluginManifest.from_distribution('napari-cellseg-ssl')\n"
    "print(manifest.display_name, len(manifest.contributions.widgets), len(manifest.contributions.sample_data))"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a clean folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    return next(folder.glob("*.whl"))


def test_both_copies_are_the_same():
    assert (ROOT / "napari.yaml").read_bytes() == (PACKAGE / "napari.yaml").read_bytes()


def test_it_offers_three_widgets_and_the_samples():
    manifest = PluginManifest.from_file(ROOT / "napari.yaml")

    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names == ["Train & segment", "Paint labels", "Score & export"]
    assert {sample.key for sample in manifest.contributions.sample_data} >= {"nuclei_1", "nuclei_2", "nuclei_3"}


def test_every_command_exists():
    manifest = PluginManifest.from_file(ROOT / "napari.yaml")

    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        file = ROOT / "src" / Path(*module.split(".")).with_suffix(".py")
        defined = {node.name for node in ast.parse(file.read_text()).body if hasattr(node, "name")}
        assigned = {
            target.id
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert name in defined | assigned, command.python_name


def test_npe2_finds_it_in_this_install():
    points = distribution("napari-cellseg-ssl").entry_points

    assert [point.value for point in points if point.group == "napari.manifest"] == ["napari_cellseg_ssl:napari.yaml"]
    assert PluginManifest.from_distribution("napari-cellseg-ssl").name == "napari-cellseg-ssl"


def test_the_wheel_holds_manifest_samples_starters_and_types(wheel):
    names = set(ZipFile(wheel).namelist())
    needed = ("starter.json", "card.md", "run.json", "weights.safetensors")

    assert {f"napari_cellseg_ssl/{name}" for name in ("napari.yaml", "py.typed", "samples/README.md")} <= names
    assert {f"napari_cellseg_ssl/samples/painted/{name}.tif" for name in ("nuclei_2", "nuclei_3")} <= names
    assert {f"napari_cellseg_ssl/starters/{one.name}/{file}" for one in starters() for file in needed} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_npe2_finds_it_in_a_wheel_install(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # npe2 and what it needs come from here; this project's own editable install must not.
    import npe2

    (site / "borrowed.pth").write_text(str(Path(npe2.__file__).parents[1]))

    found = subprocess.run([python, "-c", FIND], check=True, capture_output=True, text=True, cwd=tmp_path)
    place = "import napari_cellseg_ssl as cs; print(cs.__file__)"
    file = subprocess.run([python, "-c", place], check=True, capture_output=True, text=True, cwd=tmp_path)

    assert found.stdout.split() == ["Cell", "segmentation", "3", "5"]
    assert Path(file.stdout.strip()).is_relative_to(site)
