"""Faults put into the code on purpose, one at a time: does the fast suite notice each? Ends with 1 if it does not.

    python -m benchmarks.checks.seeded_faults [--list] [--markdown] [NAME ...]

Each fault is a text that stands exactly once below src/, in whatever file, and what takes its place in a copy of the
tree; there the test files of its room run until the first failure, without those that really learn. A text that is
not found any more ends with an error: the code has changed, so the fault has to be put in anew. About a minute a fault.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "demo-output")
PASSED, FAILED = 0, 1
"""What pytest ends with; anything else is no answer."""


@dataclass(frozen=True)
class Fault:
    """What is broken: `old`, once below src/, becomes `new`; `tests` are test files, by the ends of their paths."""

    name: str
    room: str
    what: str
    old: str
    new: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "halo",
        "inference",
        "tiles keep pixels one beside those that they should",
        "slice(halo, halo + kept)",
        "slice(halo + 1, halo + 1 + kept)",
        ("test_tiling", "test_maps_and_scaling", "test_cellulus_training"),
    ),
    Fault(
        "teacher",
        "training",
        "the averaged network does not move",
        "slow.lerp_(fast, 1 - decay)",
        "slow.lerp_(fast, 0.0)",
        ("test_actis_parts", "test_actis_training", "test_cupre_fine_tuning"),
    ),
    Fault(
        "pairs",
        "metrics",
        "objects are pairs from a lower overlap on than asked for",
        "np.flatnonzero(iou > threshold)",
        "np.flatnonzero(iou > threshold - 0.2)",
        ("test_metrics",),
    ),
    Fault(
        "percentiles",
        "intensity",
        "the low and the high percentile are exchanged, so images are inverted",
        "(self.low, self.high), axis=1)",
        "(self.high, self.low), axis=1)",
        ("test_images", "test_maps_and_scaling", "test_segment"),
    ),
    Fault(
        "diameter",
        "run folder",
        "a saved run forgets the size of the objects",
        '"object_diameter": self.object_diameter,\n',
        '"object_diameter": "auto",\n',
        ("test_bundle", "test_train"),
    ),
    Fault(
        "resume",
        "checkpoints",
        "a resumed training begins with other random numbers",
        'self.rng.bit_generator.state = state["random"]',
        'state["random"]',
        ("test_actis_training", "test_method_contract"),
    ),
    Fault(
        "undo",
        "corrections",
        "what was corrected or accepted cannot be undone",
        "with self.layer.block_history():\n            self.layer.data_setitem(place, ids)",
        "self.layer.data[place] = ids\n        self.layer.refresh()",
        ("gui/test_corrections", "gui/test_painting"),
    ),
    Fault(
        "accept",
        "proposals",
        "an accepted proposal gets the id of a cell that is there already",
        "number = self.cells.free_id()\n        self._write(frame, rows[free], columns[free], number)",
        "number = max(FIRST_CELL_ID, self.cells.free_id() - 1)\n"
        "        self._write(frame, rows[free], columns[free], number)",
        ("gui/test_painting", "gui/test_proposals"),
    ),
    Fault(
        "autosave",
        "sessions",
        "what is painted is not written",
        "if saved.get(layer.key) != count:",
        "if saved.get(layer.key) == count:",
        ("test_painting_backup", "test_kill_while_painting"),
    ),
    Fault(
        "exit",
        "command line",
        "wrong input ends as if all were well",
        "        return EXIT_WRONG_INPUT\n",
        "        return 0\n",
        ("test_cli",),
    ),
    Fault(
        "axes",
        "export",
        "written files say their channels and frames the wrong way round",
        'image.output_samples[0] + ("C" if channels else "")',
        '("C" if channels else "") + image.output_samples[0]',
        ("test_export",),
    ),
    Fault(
        "buttons",
        "state of a session",
        "a button stays alive while a job runs",
        "can_tune=ready and state.has_maps",
        "can_tune=state.has_maps",
        ("session/test_session",),
    ),
)


def place_of(fault: Fault, source: Path) -> Path:
    """Find the one file below `source` with the text of a fault."""
    found = [file for file in sorted(source.rglob("*.py")) if fault.old in file.read_text(encoding="utf-8")]
    if len(found) != 1 or found[0].read_text(encoding="utf-8").count(fault.old) != 1:
        raise SystemExit(f"{fault.name}: its text is in {len(found)} files, or more than once. Put the fault in anew.")
    return found[0]


def files_of(fault: Fault, tests: Path) -> list[Path]:
    """Find its test files, wherever they are."""
    found = [next(iter(sorted(tests.glob(f"**/{name}.py"))), None) for name in fault.tests]
    if None in found:
        raise SystemExit(f"{fault.name}: one of {', '.join(fault.tests)} is gone.")
    return [file for file in found if file is not None]


def passes(tree: Path, files: list[Path]) -> tuple[bool, str]:
    """Run test files until the first failure -> whether all passed, and the line of pytest that says what failed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not learns",
        *map(str, files),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (PASSED, FAILED):
        raise SystemExit(f"pytest gives no answer ({done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == PASSED, failed[0].split(" - ")[0].split("::")[-1] if failed else ""


def main() -> None:
    """Put in one fault after the other, and print which test noticed it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="faults; all of them by default")
    parser.add_argument("--list", action="store_true", help="say where each would go, and run nothing")
    parser.add_argument("--markdown", action="store_true", help="print rows of a table")
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if not arguments.names or fault.name in arguments.names]
    missed = []
    for fault in chosen:
        place, files = place_of(fault, ROOT / "src"), files_of(fault, ROOT / "tests")
        if arguments.list:
            print(f"{fault.name}: {place.relative_to(ROOT)}, {fault.what}; {', '.join(fault.tests)}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            shutil.copytree(ROOT, tree, ignore=NOT_COPIED)
            broken, begin = tree / place.relative_to(ROOT), time.monotonic()
            broken.write_text(broken.read_text(encoding="utf-8").replace(fault.old, fault.new), encoding="utf-8")
            is_missed, test = passes(tree, [tree / file.relative_to(ROOT) for file in files])
        if is_missed:
            missed.append(fault.name)
        if arguments.markdown:
            print(f"| {fault.room} | {fault.what} | {f'`{test}`' if test else '**not noticed**'} |", flush=True)
        else:
            verdict = "NOT CAUGHT" if is_missed else f"caught by {test}"
            print(f"{fault.name} ({fault.room}): {verdict}, {time.monotonic() - begin:.0f} s", flush=True)
    if missed:
        raise SystemExit(f"Not caught: {', '.join(missed)}.")


if __name__ == "__main__":
    main()
