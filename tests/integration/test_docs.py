"""What the documentation shows runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import napari_cellseg_ssl as cs
from drawings import disks, painting, picture
from napari_cellseg_ssl.core.methods import registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def pixels(tmp_path, monkeypatch):
    """The method of the developer page, in a file as somebody would copy it."""
    file = tmp_path / "pixels.py"
    file.write_text(python_blocks("developer/add-a-method.md")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return file


def run(*words):
    answer = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_method_of_the_developer_page_learns_and_segments(pixels, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.METHODS, "pixels", "pixels")
    cells = disks()

    bundle = cs.train(
        "pixels", images=[picture(cells)], labels=[painting(cells, 8)], object_diameter=11, out=tmp_path / "run"
    )

    assert bundle.provenance.scores["f1"] > 0.5
    assert cs.segment(bundle, picture(cells, seed=1)).max() == 16
    assert cs.load_run(tmp_path / "run").id == bundle.id


def test_the_method_of_the_developer_page_does_what_every_method_has_to(pixels):
    run("pytest", "-q", "-x", "tests/contract/test_method_contract.py", "--method", "pixels=pixels")


def test_the_method_of_the_developer_page_is_as_clean_as_the_package(pixels):
    pytest.importorskip("mypy")
    pytest.importorskip("ruff")
    run("ruff", "check", "--config", "pyproject.toml", str(pixels))
    run("ruff", "format", "--check", "--config", "pyproject.toml", str(pixels))
    run("mypy", "--config-file", "pyproject.toml", str(pixels))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_and_pictures_of_every_page_exist(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    for target in targets:
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_test_in_the_table_of_bugs_exists():
    page = (DOCS / "developer" / "known-bugs-of-others.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)

    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (DOCS.parent / file).read_text()]

    assert len(named) > 40
    assert not missing
