"""Counts that say how easy it is to find one's way: python -m benchmarks.checks.structure [--json].

Static: modules, lines, own imports per module, import circles (imports in functions and for types included). Traced:
how many of our files one image passes on its way through `cellseg-ssl segment`, and how many calls lead back into a
file that was entered before the calling one. Takes some seconds; nothing is trained.
"""

import argparse
import ast
import contextlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

PACKAGE = "napari_cellseg_ssl"
SRC = Path(__file__).resolve()
while not (SRC / "src" / PACKAGE).is_dir():
    SRC = SRC.parent
SRC = SRC / "src"


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for file in sorted((SRC / PACKAGE).rglob("*.py")):
        found[".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")] = file
    return found


def imports(file: Path, known: dict[str, Path]) -> set[str]:
    """Own modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other (strongly connected components, Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


@contextlib.contextmanager
def traced(entered: list[str], edges: set[tuple[str, str]]) -> Iterator[None]:
    """Note our files in the order in which they are first entered, and every call between two of them."""
    home = str(SRC / PACKAGE)

    def profile(frame: FrameType, event: str, _: Any) -> None:
        file, caller = frame.f_code.co_filename, frame.f_back.f_code.co_filename if frame.f_back else ""
        if event == "call" and file.startswith(home) and frame.f_code.co_name != "<module>":
            if file not in entered:
                entered.append(file)
            if caller.startswith(home) and caller != file:
                edges.add((caller, file))

    sys.setprofile(profile)
    threading.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def way_of_an_image() -> dict[str, int]:
    """Segment a packaged image with the classical method by the command line."""
    from napari_cellseg_ssl.cli import main

    image = str(files(PACKAGE) / "samples" / "images" / "nuclei_1.tif")
    entered: list[str] = []
    edges: set[tuple[str, str]] = set()
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run, out = f"{folder}/run", f"{folder}/out"
        if main(["train", "classical", "--images", image, "--out", run]):
            raise SystemExit("The classical method could not be prepared.")
        with traced(entered, edges):
            main(["segment", run, "--images", image, "--out", out])
    place = {file: n for n, file in enumerate(entered)}
    return {"files": len(entered), "returns": sum(place[b] < place[a] for a, b in edges if a in place)}


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    known = modules()
    graph = {name: imports(file, known) - {name} for name, file in known.items()}
    record = {
        "modules": len(known),
        "lines": sum(file.read_text(encoding="utf-8").count("\n") for file in known.values()),
        "imports_per_module": round(sum(map(len, graph.values())) / len(graph), 2),
        "circles": circles(graph),
        "segment": way_of_an_image(),
    }
    print(json.dumps(record) if arguments.json else "\n".join(f"{name}: {value}" for name, value in record.items()))


if __name__ == "__main__":
    main()
