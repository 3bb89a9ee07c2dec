"""The documentation site builds without a broken link, and its notebooks run from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
OURS = "https://github.com/napari-cellseg-ssl/napari-cellseg-ssl/"


def test_the_site_builds_and_every_page_is_in_its_menu(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for page in ("index.html", "gallery/index.html", "api/index.html"):
        assert (tmp_path / page).is_file()
    assert "start_from" in (tmp_path / "api" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook, tmp_path):
    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r"SECONDS = \d+", "SECONDS = 2", cell.source)

    NotebookClient(content, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert all(cell.execution_count for cell in content.cells if cell.cell_type == "code")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_pages_that_are_read_elsewhere_link_absolutely_to_what_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)

    assert [target for target in targets if "://" not in target and not target.startswith("#")] == []
    for target in targets:
        if found := re.match(re.escape(OURS) + r"(?:blob|tree|raw)/main/([^#]+)", target):
            assert (ROOT / found.group(1)).exists(), target
