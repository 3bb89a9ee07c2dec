"""gui → tasks → core and cli → tasks → core, and nothing heavy while importing."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "napari_cellseg_ssl"
PACKAGE = "napari_cellseg_ssl"
GUI_LIBRARIES = {"napari", "qtpy", "magicgui", "superqt", "psygnal", "vispy", "pyqtgraph", "PyQt5", "PyQt6", "PySide6"}
UPPER = {f"{PACKAGE}.{name}" for name in ("gui", "cli", "api")}
FORBIDDEN = {
    "core": GUI_LIBRARIES | UPPER | {f"{PACKAGE}.tasks"},
    "tasks": GUI_LIBRARIES | UPPER,
    "cli": GUI_LIBRARIES | {f"{PACKAGE}.gui"},
    "api.py": GUI_LIBRARIES | {f"{PACKAGE}.gui", f"{PACKAGE}.cli"},
    "gui": {f"{PACKAGE}.cli", "PyQt5", "PyQt6", "PySide6"},
}
SLOW = {"torch", "sklearn", "monai", "zarr", "dask"}
TORCH_FILES = ("core/nets/", "core/torch_tools/")
METHODS = sorted(path.name for path in (SRC / "core" / "methods").iterdir() if path.is_dir() and path.name[0] != "_")
FILES = sorted(SRC.rglob("*.py"))


def imported(tree, *, at_import_time):
    """Yield the names of imported modules, for `from a import b` both a and a.b."""
    for node in statements(tree) if at_import_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def statements(tree):
    """Yield what runs at import: not the bodies of functions, nor what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from statements(node)


def is_part_of(name, package):
    return name == package or name.startswith(f"{package}.")


@pytest.fixture(scope="module")
def trees():
    """Read every module once -> {path below the package: syntax tree}."""
    return {path.relative_to(SRC).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def breaches(relative, tree):
    """Say which imports of a module its layer forbids."""
    forbidden = FORBIDDEN.get(relative.split("/")[0], ())
    names = set(imported(tree, at_import_time=False))
    found = [f"{relative} imports {name}" for name in names if any(is_part_of(name, one) for one in forbidden)]
    if not relative.startswith(TORCH_FILES):
        heavy = [name for name in imported(tree, at_import_time=True) if name.split(".")[0] in SLOW]
        found += [f"{relative}: import {name} inside the function" for name in heavy]
    return sorted(found)


def test_every_module_respects_its_layer(trees):
    assert len(trees) > 100
    assert [text for relative, tree in trees.items() for text in breaches(relative, tree)] == []


def test_every_module_is_short_and_imports_absolutely(trees):
    long = [path.name for path in FILES if path.read_text(encoding="utf-8").count("\n") > 350]
    relative = [
        name
        for name, tree in trees.items()
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    ]

    assert (long, relative) == ([], [])


BUILDS_ON = {"cellulus_supported": {"cellulus", "classical"}}
"""What a method is made of others for: pseudo-labels come from them."""


def test_methods_do_not_know_each_other(trees):
    known = []
    for relative, tree in trees.items():
        if relative.startswith("core/methods/") and (method := relative.split("/")[2]) in METHODS:
            strangers = set(METHODS) - {method} - BUILDS_ON.get(method, set())
            others = [f"{PACKAGE}.core.methods.{name}" for name in strangers]
            names = imported(tree, at_import_time=False)
            known += [f"{relative} imports {name}" for name in names if any(is_part_of(name, one) for one in others)]

    assert len(METHODS) > 5
    assert known == []


def test_the_test_would_catch_a_breach():
    tree = ast.parse("try:\n    import torch.nn\nexcept ImportError: pass\ndef f():\n    import sklearn\n")

    assert list(imported(tree, at_import_time=True)) == ["torch.nn"]
    assert list(imported(tree, at_import_time=False)) == ["torch.nn", "sklearn"]


def test_what_a_layer_forbids_is_said():
    tree = ast.parse("import napari\nimport torch\ndef f():\n    from napari_cellseg_ssl import gui\n")

    assert breaches("core/one.py", tree) == [
        "core/one.py imports napari",
        f"core/one.py imports {PACKAGE}.gui",
        "core/one.py: import torch inside the function",
    ]
    assert len(breaches("core/nets/one.py", tree)) == 2
    assert breaches("gui/one.py", ast.parse("import napari")) == []
