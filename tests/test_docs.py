"""What the documentation shows runs."""

import re
from pathlib import Path

import numpy as np
import pytest

import napari_cellseg_ssl as cs
from napari_cellseg_ssl.core import registry

DOCS = Path(__file__).parents[1] / "docs"


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_method_of_the_developer_page_trains_and_segments(tmp_path, monkeypatch):
    (tmp_path / "one_number.py").write_text(python_blocks("developer/add-a-method.md")[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.METHODS, "one_number", "one_number")
    image = np.random.default_rng(0).normal(10, 1, (64, 64))
    image[10:20, 10:20] += 50
    image[40:50, 30:45] += 60

    bundle = cs.train("one_number", images=[image], object_diameter=10, out=tmp_path / "run")

    assert cs.segment(bundle, image).max() == 2


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
