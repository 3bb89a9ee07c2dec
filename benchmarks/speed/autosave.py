"""What a crash costs while somebody paints, and what keeping the painting costs. Needs no screen.

    python -m benchmarks.speed.autosave [--times N]

A process paints a stroke every 50 ms until it is killed; the age of the newest saved stroke is what is lost. Then an
annotation of 2048 x 2048 px with about 2000 cells is saved: time in the window's thread, CPU time of writing, size.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

STROKES = Path(__file__).parents[2] / "tests" / "helpers" / "painting_process.py"
IMAGE = Path(__file__).parents[2] / "src" / "napari_cellseg_ssl" / "samples" / "images" / "nuclei_3.tif"
SIDE, CELL, GAP = 2048, 34, 12
LONGEST_START = 300


def lost(home: Path, paint_for: float) -> float:
    """Kill a painting process; seconds between the last stroke and the last that was saved."""
    from napari_cellseg_ssl.tasks.session.saved_layers import load_layers

    log = home / "strokes.txt"
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, str(STROKES), str(IMAGE)], stdout=out, env=environment)
        begin = time.monotonic()
        while "ready" not in log.read_text() and time.monotonic() < begin + LONGEST_START:
            time.sleep(0.1)
        time.sleep(paint_for)
        process.send_signal(signal.SIGKILL)
        process.wait()
    strokes = [line.split() for line in log.read_text().splitlines()[1:] if line.count(" ") == 2]
    (layers,) = home.glob("napari-cellseg-ssl/sessions/*/layers")
    saved = {layer.settings["kind"]: layer.hash for layer in load_layers(layers)}
    painted_at = {digest: float(when) for when, digest, _ in strokes}
    return float(strokes[-1][0]) - painted_at[saved["annotation"]]


def cost(home: Path) -> dict[str, float]:
    """Save a large annotation."""
    os.environ |= {"XDG_DATA_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from napari_cellseg_ssl.gui.annotate.painting import new_annotation
    from napari_cellseg_ssl.gui.layers.layer_snapshots import kept_layer
    from napari_cellseg_ssl.gui.session.controller import controller_of
    from napari_cellseg_ssl.tasks.session.saved_layers import save_layer

    app = QApplication([])
    viewer = ViewerModel()
    image = viewer.add_image(np.random.default_rng(0).random((SIDE, SIDE), np.float32), name="large")
    rows, columns = np.mgrid[:SIDE, :SIDE]
    step = CELL + GAP
    inside = (rows % step < CELL) & (columns % step < CELL)
    annotation = new_annotation(viewer, image)
    annotation.data = np.where(inside, rows // step * (SIDE // step + 1) + columns // step + 2, 0).astype(np.int32)
    autosave = controller_of(viewer).session.autosave
    seconds = []
    for stroke in range(6):
        annotation.paint((10 + stroke, 10), 5000 + stroke)
        begin = time.perf_counter()
        autosave._save()
        seconds.append(time.perf_counter() - begin)
        while autosave._writes.is_busy:
            app.processEvents()
    begin = time.process_time()
    save_layer(home, kept_layer(viewer, annotation, "one"))
    written = time.process_time() - begin
    controller_of(viewer).dispose()
    return {
        "cells": len(np.unique(annotation.data)) - 1,
        "first_save_ms": round(1000 * seconds[0], 1),
        "save_ms": round(1000 * float(np.median(seconds[1:])), 1),
        "write_cpu_ms": round(1000 * written, 1),
        "kb": (home / "one.safetensors").stat().st_size // 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=4)
    times = parser.parse_args().times
    ages = []
    for number in range(times):
        with tempfile.TemporaryDirectory() as home:
            ages.append(round(lost(Path(home), 6 + 1.3 * number), 2))
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps({"lost_s": ages, **cost(Path(home))}))


if __name__ == "__main__":
    main()
