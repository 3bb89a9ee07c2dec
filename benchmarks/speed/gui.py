"""Measure the window: dock opening, event-loop ticks while Cellulus trains, cancelling, memory, slider redraws.

Run on a screen, real or virtual: python -m benchmarks.speed.gui [--seconds 30] [--cycles 20] [--only ticks,memory,…]
Prints one JSON line.
"""

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).resolve().parents[2] / "src/napari_cellseg_ssl/samples/images/nuclei_1.tif"
PARTS = ("open", "ticks", "cancel", "memory", "sliders")
TICK_MS = 5
WARM_UP_S, IDLE_MS = 5.0, 8000
SLIDER_SIDE = 1024


class Bench:
    """A viewer with the dock, driven as a user would."""

    def __init__(self) -> None:
        import napari
        import tifffile
        from qtpy.QtWidgets import QApplication

        from napari_cellseg_ssl.gui.session import autosave

        folder = Path(tempfile.mkdtemp())
        autosave.sessions_folder = lambda: folder
        self.app = QApplication.instance() or QApplication([])
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1500, 1100)
        self.viewer.add_image(tifffile.imread(SAMPLE), name="nuclei")
        self.spin(1.0)

    def open(self) -> dict[str, object]:
        """Open the dock; seconds, and what it should not have loaded."""
        begin = time.perf_counter()
        self.dock = self.viewer.window.add_plugin_dock_widget("napari-cellseg-ssl", "Train & segment")[1]
        self.app.processEvents()
        seconds = time.perf_counter() - begin
        loaded = [name for name in ("torch", "sklearn") if name in sys.modules]
        self.spin(2.0)
        return {"open_s": round(seconds, 3), "open_loaded": loaded}

    def spin(self, seconds: float) -> None:
        """Let the window live for a while."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.app.processEvents()
            time.sleep(0.001)

    def wait(self, condition, seconds: float = 300.0) -> None:
        """Let the window live until something holds."""
        until = time.perf_counter() + seconds
        while not condition():
            if time.perf_counter() > until:
                raise TimeoutError(self.find("status").text())
            self.app.processEvents()
            time.sleep(0.002)

    def find(self, name: str):
        """Return a widget of the dock by its name."""
        from qtpy.QtWidgets import QWidget

        return self.dock.findChild(QWidget, f"cellseg_{name}")

    @property
    def activity(self) -> str:
        """What the session is doing."""
        return self.dock.controller.state.activity

    def train(self, seconds: int) -> None:
        """Press Train with a time limit."""
        self.wait(lambda: self.find("train").isEnabled())
        self.find("time_budget").setValue(seconds)
        self.find("train").click()

    def ticks(self, seconds: int) -> dict[str, object]:
        """Gaps between ticks of a timer, in excess of its interval, from Train to the finished labels."""
        from qtpy.QtCore import QEventLoop, Qt, QTimer

        stamps, loop = [], QEventLoop()
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.setInterval(TICK_MS)
        timer.timeout.connect(lambda: stamps.append(time.perf_counter()))
        timer.start()
        QTimer.singleShot(IDLE_MS, loop.quit)
        loop.exec()
        idle = np.diff(stamps) * 1000  # what the machine itself does to a window in which nothing runs
        self.dock.controller.state_changed.connect(lambda state: state.activity == "idle" and loop.quit())
        stamps.clear()
        self.train(seconds)
        begin = time.perf_counter()
        loop.exec()
        timer.stop()
        at, gaps = np.array(stamps[1:]) - begin, np.diff(stamps) * 1000
        steady = gaps[at > WARM_UP_S]
        return {
            "idle_p99_ms": round(float(np.percentile(idle, 99)), 1),
            "idle_max_ms": round(float(idle.max()), 1),
            "load_average": round(os.getloadavg()[0], 1),
            "tick_p50_ms": round(float(np.percentile(gaps, 50)), 1),
            "tick_p99_ms": round(float(np.percentile(gaps, 99)), 1),
            "tick_max_ms": round(float(gaps.max()), 1),
            "tick_steady_p99_ms": round(float(np.percentile(steady, 99)), 1),
            "tick_steady_max_ms": round(float(steady.max()), 1),
            "ticks": len(gaps),
            "worst_ticks": [[round(float(at[i]), 1), round(float(gaps[i]))] for i in np.argsort(gaps)[-6:][::-1]],
            "train_to_labels_s": round(time.perf_counter() - begin, 1),
            "status": self.find("status").text(),
        }

    def cancel(self) -> dict[str, object]:
        """Press Stop at different moments; seconds until the window is idle."""
        latencies = []
        for after in (1.0, 3.0, 6.0):
            self.train(600)
            self.wait(lambda: self.activity == "training")
            self.spin(after)
            begin = time.perf_counter()
            self.find("stop").click()
            self.wait(lambda: self.activity == "idle")
            latencies.append(round(time.perf_counter() - begin, 3))
        return {"cancel_s": latencies}

    def memory(self, cycles: int) -> dict[str, object]:
        """Train and cancel again and again; memory after each, MB."""
        import psutil

        process, used = psutil.Process(), []
        for _ in range(cycles):
            self.train(600)
            self.wait(lambda: self.activity == "training")
            self.wait(lambda: bool(self.dock.controller.state.curve.steps))
            self.spin(1.0)
            self.find("stop").click()
            self.wait(lambda: self.activity == "idle")
            self.spin(0.3)
            gc.collect()
            used.append(round(process.memory_info().rss / 2**20))
        return {"rss_mb": used, "rss_last_over_second": round(used[-1] / used[1], 3), "threads": process.num_threads()}

    def sliders(self) -> dict[str, object]:
        """Redraw instances at 1024x1024 by moving each slider, and count calls of the network."""
        from napari_cellseg_ssl.core.methods.cellulus import METHOD

        calls = []
        image = np.tile(self.viewer.layers["nuclei"].data, (4, 4))[:SLIDER_SIDE, :SLIDER_SIDE]
        self.viewer.add_image(image, name="large")
        self.find("image").setCurrentText("large")
        self.spin(1.0)
        if self.dock.controller.bundle is None:
            self.train(10)
            self.wait(lambda: self.activity == "idle")
        self.find("segment").click()
        self.wait(lambda: self.activity == "idle")
        predictor = METHOD.predictor
        type(METHOD).predictor = lambda *a, **k: calls.append(1) or predictor(*a, **k)
        done: list[float] = []
        self.dock.controller.labels_changed.connect(lambda _: done.append(time.perf_counter()))
        return {
            **{f"redraw_{name}_ms": self._redraws(name, done) for name in self._slider_names()},
            "network_calls": len(calls),
        }

    def _slider_names(self) -> list[str]:
        from napari_cellseg_ssl.core.options import option_specs

        specs = option_specs(type(self.dock.segment.options()))
        return [s.name for s in specs if s.type in (int, float) and s.min is not None and s.max is not None]

    def _redraws(self, name: str, done: list[float]) -> float:
        from qtpy.QtWidgets import QWidget

        slider = self.dock.segment.findChild(QWidget, f"cellseg_option_{name}")
        middle, took = slider.value(), []
        span = (slider.maximum() - slider.minimum()) / 10
        for k in range(6):
            wanted = middle + span * (k + 1) if middle + span * 6 <= slider.maximum() else middle - span * (k + 1)
            done.clear()
            begin = time.perf_counter()
            slider.setValue(type(middle)(min(max(wanted, slider.minimum()), slider.maximum())))
            try:
                self.wait(lambda: bool(done), 5.0)
            except TimeoutError:
                continue
            took.append(1000 * (done[0] - begin))
        slider.setValue(middle)
        self.spin(1.0)
        return round(float(np.median(took)), 1) if took else -1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--only", default=",".join(PARTS))
    chosen = parser.parse_args()
    wanted = chosen.only.split(",")
    bench = Bench()
    result: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count(), **bench.open()}
    if "cancel" in wanted:
        result |= bench.cancel()
    if "ticks" in wanted:
        result |= bench.ticks(chosen.seconds)
    if "sliders" in wanted:
        result |= bench.sliders()
    if "memory" in wanted:
        result |= bench.memory(chosen.cycles)
    print(json.dumps(result))
    bench.viewer.close()


if __name__ == "__main__":
    main()
