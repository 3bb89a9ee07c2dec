"""The rules of the layout: layers, no circles, one room for files, one way to a method, light imports."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "napari_cellseg_ssl"
PACKAGE = "napari_cellseg_ssl"
GUI_LIBRARIES = {"napari", "qtpy", "magicgui", "superqt", "psygnal", "vispy", "pyqtgraph", "PyQt5", "PyQt6", "PySide6"}
UPPER = {f"{PACKAGE}.{name}" for name in ("gui", "cli", "api")}
FORBIDDEN = {
    "core": GUI_LIBRARIES | UPPER | {f"{PACKAGE}.tasks"},
    "tasks": GUI_LIBRARIES | UPPER,
    "cli": GUI_LIBRARIES | {f"{PACKAGE}.gui"},
    "api": GUI_LIBRARIES | {f"{PACKAGE}.gui", f"{PACKAGE}.cli"},
    "gui": {f"{PACKAGE}.cli", "PyQt5", "PyQt6", "PySide6"},
}
SLOW = {"torch", "sklearn", "monai", "zarr", "dask"}
TORCH_FILES = ("core/nets/", "core/training/")
METHODS = sorted(path.name for path in (SRC / "core" / "methods").iterdir() if path.is_dir() and path.name[0] != "_")
"""Those of several files."""
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


MODULES = {f"{PACKAGE}.{path.relative_to(SRC).with_suffix('').as_posix().replace('/', '.')}" for path in FILES}
MODULES = {name.removesuffix(".__init__") for name in MODULES}


def graph(trees):
    """Own modules that each module imports, in functions and for types too."""
    found = {}
    for relative, tree in trees.items():
        name = f"{PACKAGE}.{relative.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        found[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):  # of a package: a module in it, or a name of its own
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= inner & MODULES | ({node.module} if inner - MODULES else set())
        found[name] &= MODULES - {name}
    return found


def circle(imports):
    """Return modules that import each other, type-only imports included; empty where there are none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        return found.args[1]
    return []


def test_no_module_imports_itself_on_a_way_round(trees):
    assert circle(graph(trees)) == []


def test_a_circle_would_be_found():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


OPENS = re.compile(
    r"\.open\(\"[abrwx]|(?<![\w.])open\(|\.(?:read|write)_(?:text|bytes)\(|\bim(?:read|write)\(|\bmemmap\(|json\.(?:load|dump)\("
    r"|np\.(?:load|save|savez|fromfile)\(|ZipFile\(|Tiff(?:File|Writer)\(|zarr\.open|Image\.open\(|os\.open\("
)
ROOMS_OF_FILES = ("core/io/", "core/model/")


def test_files_are_opened_in_one_room_only():
    elsewhere = [
        f"{path.relative_to(SRC).as_posix()}: {found[0]}"
        for path in FILES
        if not path.relative_to(SRC).as_posix().startswith(ROOMS_OF_FILES)
        for found in OPENS.finditer(path.read_text(encoding="utf-8"))
    ]

    assert elsewhere == []


def test_ways_to_open_a_file_are_recognised():
    for text in ('file.open("rb")', "open(file)", "tifffile.imread(file)", "file.write_text(text)", "np.load(file)"):
        assert OPENS.search(text), text
    assert not OPENS.search("self.open(folder)")


def test_nothing_but_the_registry_reaches_into_a_method(trees):
    inside = tuple(f"{PACKAGE}.core.methods.{name}" for name in METHODS)
    reached = [
        f"{relative} imports {name}"
        for relative, tree in trees.items()
        if not relative.startswith(tuple(f"core/methods/{name}/" for name in METHODS))
        for name in imported(tree, at_import_time=False)
        if any(is_part_of(name, one) for one in inside)
    ]

    assert reached == []


SAYING = {
    "WrongImage", "WrongAnnotation", "WrongOption", "WrongRun", "WouldOverwrite", "OutOfMemory", "CellSegError",
    "NotSaved", "Failed", "Note", "Remark",
}  # fmt: skip


def sentences_in(tree):
    """Yield the lines in which an error or a note is made with a text of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (
            (isinstance(node.func, ast.Name) and node.func.id in SAYING)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == "note")
        ):
            texts = (one.value for given in node.args for one in ast.walk(given) if isinstance(one, ast.Constant))
            if any(isinstance(text, str) and " " in text.strip() for text in texts):
                yield node.lineno


ROOM_OF_METHODS = {"__init__.py", "base.py", "checks.py", "events.py", "messages.py", "registry.py"}


def is_a_method_of_one_file(relative):
    """Whether a module is a whole method, its sentences included."""
    *folders, name = relative.split("/")
    return folders == ["core", "methods"] and name not in ROOM_OF_METHODS


def test_what_a_user_reads_is_written_in_messages(trees):
    written = [
        f"{relative}:{line}"
        for relative, tree in trees.items()
        if not relative.endswith(("messages.py", "errors.py")) and not is_a_method_of_one_file(relative)
        for line in sentences_in(tree)
    ]

    assert written == []


def test_a_sentence_elsewhere_would_be_found():
    assert list(sentences_in(ast.parse('raise WrongRun(f"{file} is damaged.", hint)'))) == [1]
    assert list(sentences_in(ast.parse("raise messages.damaged(file)"))) == []


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
