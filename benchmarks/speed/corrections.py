"""Measure what a key costs on a large image: accept, reject, split, join, delete, grow, shrink, undo.

Run on a screen, real or virtual: python -m benchmarks.speed.corrections [--side 2048] [--cells 2000] [--times 11]
Each figure is the median time until the layer is changed and napari's layer is refreshed, also in CPU time, for a busy
machine; drawing by OpenGL, which follows when the window is idle, is given apart. Prints one JSON line.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_cellseg_ssl.gui.layers.edited_layers import with_edits
from napari_cellseg_ssl.gui.layers.outputs import show_labels
from napari_cellseg_ssl.gui.panels.paint import ACTS, PaintPanel
from napari_cellseg_ssl.gui.session.controller import controller_of

PLUGIN = "napari-cellseg-ssl"


def cells_on_a_grid(side: int, n_cells: int) -> tuple[np.ndarray, int]:
    """Draw disks that nearly touch -> (Y, X) int32 labels and the pitch of the grid, px."""
    pitch = side // int(np.ceil(np.sqrt(n_cells)))
    rows, columns = np.mgrid[:side, :side]
    near = (rows % pitch - pitch / 2) ** 2 + (columns % pitch - pitch / 2) ** 2 <= (pitch / 2 - 1) ** 2
    numbers = rows // pitch * (side // pitch) + columns // pitch + 1
    return np.where(near & (numbers <= n_cells), numbers, 0).astype(np.int32), pitch


class Bench:
    """The paint dock over a large image, and a hand that acts cell by cell."""

    def __init__(self, side: int, n_cells: int) -> None:
        labels, self.pitch = cells_on_a_grid(side, n_cells)
        self.side = side
        self.viewer = napari.Viewer(show=True)
        image = self.viewer.add_image((labels > 0).astype(np.float32), name="grid")
        dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Paint labels")[1]
        controller = controller_of(self.viewer)
        controller.choices.choose_image(image)
        self.instances = show_labels(self.viewer, image, labels[None], method="cellulus")
        self.panel = dock.findChild(PaintPanel)
        self.panel.new_button.click()
        self.annotation = controller.annotation_layer
        self.viewer.reset_view()
        self.settle(1.0)

    def settle(self, seconds: float) -> None:
        """Let the window work off what is due."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            QApplication.processEvents()

    def centre(self, number: int) -> np.ndarray:
        """Middle of a cell, (row, column) px."""
        per_row = self.side // self.pitch
        return (np.array([number // per_row, number % per_row]) + 0.5) * self.pitch

    def press(self, name: str, number: int) -> Callable[[], None]:
        """Point at a cell, and return what presses a key there."""
        self.viewer.cursor.position = tuple(self.centre(number))
        return lambda: self.panel._press(ACTS[name])

    def draw(self, name: str, number: int, to: np.ndarray) -> Callable[[], None]:
        """Return what ends a drag from half a cell before a cell's middle to a point."""
        start = self.centre(number) - (to - self.centre(number))
        act = getattr(self.panel._corrector, f"_{name}")
        return lambda: self.panel._say(act(start, to))

    def median_ms(self, act: Callable[[int], Callable[[], None]], numbers: range) -> list[float]:
        """Median milliseconds of an act, its CPU milliseconds, and those of drawing what it changed."""
        took = []
        for number in numbers:
            prepared = act(number)
            begin, cpu = time.perf_counter(), time.thread_time()
            prepared()
            middle, cpu = time.perf_counter(), time.thread_time() - cpu
            QApplication.processEvents()
            took.append((middle - begin, cpu, time.perf_counter() - middle))
            self.settle(0.3)
        return [round(1000 * float(ms), 1) for ms in np.median(took, axis=0)]


def measure(bench: Bench, times: int) -> dict[str, list[float]]:
    """Measure every act on cells of its own."""
    across = np.array([bench.pitch * 0.8, 0.0])
    right = np.array([0.0, bench.pitch * 1.0])
    acts: dict[str, Callable[[int], Callable[[], None]]] = {
        "accept": lambda n: bench.press("accept", n),
        "reject": lambda n: bench.press("reject", n),
        "split": lambda n: bench.draw("split", n, bench.centre(n) + across),
        "join": lambda n: bench.draw("merge", n, bench.centre(n) + right),
        "delete": lambda n: bench.press("delete", n),
        "grow": lambda n: bench.press("grow", n),
        "shrink": lambda n: bench.press("shrink", n),
        "accept after a correction": lambda n: (bench.press("grow", n)(), bench.press("accept", n))[1],
    }
    figures = {}
    for row, (name, act) in enumerate(acts.items()):
        first = (2 * row + 1) * (bench.side // bench.pitch) + 1
        figures[name] = bench.median_ms(act, range(first, first + 3 * times, 3))
    figures["undo"] = bench.median_ms(lambda _n: bench.instances.undo, range(times))
    figures["accept all in view"] = bench.median_ms(lambda n: bench.press("accept_all", n), range(1))
    figures["undo of that"] = bench.median_ms(lambda _n: bench.annotation.undo, range(1))
    figures["accept all in view again"] = bench.median_ms(lambda n: bench.press("accept_all", n), range(1))
    new = np.roll(bench.instances.data, 1, axis=1)
    figures["keep corrections in a new result"] = bench.median_ms(
        lambda _n: lambda: with_edits(bench.instances, new), range(times)
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--times", type=int, default=11)
    chosen = parser.parse_args()
    bench = Bench(chosen.side, chosen.cells)
    figures = measure(bench, chosen.times)
    print(json.dumps({"python": platform.python_version(), **vars(chosen), "act_ms, cpu_ms, drawing_ms": figures}))
    bench.viewer.close()


if __name__ == "__main__":
    main()
