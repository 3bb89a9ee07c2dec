"""What is left of a segmentation that is interrupted at a random moment: nothing, or all of it. Needs no screen.

    python -m benchmarks.checks.kill_segment [--model RUN|starter:NAME] [--side PX] [--kills N] [--seed N]

An image of 4608 x 4608 px, made by repeating a packaged one, is segmented by the command line, once undisturbed and
then `--kills` times with SIGINT, SIGTERM and SIGKILL in turn after a random part of the time that it takes. Each time
the label file must be absent, or complete and equal to the undisturbed one. In the end one more undisturbed run must
remove what SIGKILL left. One thread. Exits with 1 unless all that holds.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_cellseg_ssl import samples

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
COMMAND = "import sys; from napari_cellseg_ssl.cli import main; sys.exit(main())"
EARLIEST, LATEST = 0.1, 1.05
"""Parts of the undisturbed time between which a signal is sent."""
LONGEST_END = 120


def start(*words: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def made_image(file: Path, side: int) -> Path:
    tile = tifffile.imread(samples.IMAGES / f"{samples.NAMES[0]}.tif")
    times = [-(-side // size) for size in tile.shape]
    tifffile.imwrite(file, np.tile(tile, times)[:side, :side])
    return file


def interrupted(words: list[object], out: Path, number: signal.Signals, after: float, truth: np.ndarray) -> dict:
    """Segment, send a signal, and describe what is there afterwards."""
    process = start(*words)
    time.sleep(after)
    process.send_signal(number)
    code = process.wait(LONGEST_END)
    names = [path.name for path in out.iterdir()] if out.exists() else []
    finals = [name for name in names if not name.startswith(".")]
    is_whole = all(np.array_equal(tifffile.imread(out / name), truth) for name in finals)
    for name in finals:
        (out / name).unlink()
    return {
        "signal": number.name,
        "after_s": round(after, 1),
        "exit": code,
        "final": len(finals),
        "hidden": len(names) - len(finals),
        "good": is_whole,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="a classical run when absent")
    parser.add_argument("--side", type=int, default=4608)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        image, run, out = made_image(folder / "large.tif", arguments.side), arguments.model, folder / "out"
        if not run:
            run = folder / "run"
            start("train", "classical", "--images", samples.IMAGES, "--out", run).wait()
        words = ["segment", run, "--images", image, "--out", out]
        begin = time.monotonic()
        start(*words[:-1], folder / "undisturbed").wait()
        seconds = time.monotonic() - begin
        (made,) = (folder / "undisturbed").iterdir()
        truth = tifffile.imread(made)
        rows = []
        for n in range(arguments.kills):
            after = chance.uniform(EARLIEST, LATEST) * seconds
            rows.append(interrupted(words, out, SIGNALS[n % len(SIGNALS)], after, truth))
            print(json.dumps(rows[-1]), flush=True)
        start(*words).wait()
        left = sorted(path.name for path in out.iterdir())
        is_tidy = left == [made.name] and np.array_equal(tifffile.imread(out / made.name), truth)
    good = sum(row["good"] for row in rows)
    print(json.dumps({"seconds": round(seconds, 1), "kills": len(rows), "good": good, "tidy_afterwards": is_tidy}))
    return int(good < len(rows) or not is_tidy)


if __name__ == "__main__":
    sys.exit(main())
