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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_a_module_respects_its_layer(path):
    tree, relative = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(SRC).as_posix()

    for name in imported(tree, at_import_time=False):
        for forbidden in FORBIDDEN.get(relative.split("/")[0], ()):
            assert not is_part_of(name, forbidden), f"{relative} imports {name}"
    if not relative.startswith(TORCH_FILES):
        for name in imported(tree, at_import_time=True):
            assert name.split(".")[0] not in SLOW, f"{relative}: import {name} inside the function"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_a_module_is_short_and_imports_absolutely(path):
    text = path.read_text(encoding="utf-8")

    assert text.count("\n") <= 350
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level]


BUILDS_ON = {"cellulus_supported": {"cellulus", "classical"}}
"""What a method is made of others for: pseudo-labels come from them."""


@pytest.mark.parametrize("method", METHODS)
def test_methods_do_not_know_each_other(method):
    strangers = set(METHODS) - {method} - BUILDS_ON.get(method, set())
    others = [f"{PACKAGE}.core.methods.{name}" for name in strangers]

    for path in (SRC / "core" / "methods" / method).rglob("*.py"):
        for name in imported(ast.parse(path.read_text(encoding="utf-8")), at_import_time=False):
            assert not any(is_part_of(name, other) for other in others), f"{path.name} imports {name}"


def test_the_test_would_catch_a_breach():
    tree = ast.parse("try:\n    import torch.nn\nexcept ImportError: pass\ndef f():\n    import sklearn\n")

    assert list(imported(tree, at_import_time=True)) == ["torch.nn"]
    assert list(imported(tree, at_import_time=False)) == ["torch.nn", "sklearn"]
