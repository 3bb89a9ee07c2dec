"""Draw F1 per action, one panel per set, the median over seeds, from files that `benchmarks/accuracy/label_loop.py`
wrote.

Run `python -m benchmarks.accuracy.label_loop_plot PNG ROWS.jsonl ...`.
"""

import json
import os
import statistics
import sys
from collections import defaultdict
from pathlib import Path

COLOURS = {"proposals": "#0072b2", "painting": "#d55e00", "cellulus": "#009e73", "classical": "#777777"}
SIZE = (520, 380)
Curves = dict[str, dict[int, list[float]]]


def read(files: list[Path]) -> dict[str, Curves]:
    """F1 of all seeds by set, loop and number of actions."""
    sets: dict[str, Curves] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for line in (line for file in files for line in file.read_text().splitlines()):
        row = json.loads(line)
        sets[row["set"]][row["loop"]][row["actions"]].append(row["f1_50"])
    return sets


def draw(sets: dict[str, Curves], png: Path) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import pyqtgraph as pg
    from pyqtgraph.exporters import ImageExporter

    app = pg.mkQApp()
    pg.setConfigOptions(background="w", foreground="k", antialias=True)
    window = pg.GraphicsLayoutWidget(size=(SIZE[0] * len(sets), SIZE[1]))
    for name, curves in sets.items():
        plot = window.addPlot(title=name)
        plot.setLabels(left="F1 on images never touched", bottom="actions")
        plot.getAxis("left").enableAutoSIPrefix(False)
        plot.addLegend(offset=(-10, -10))
        last = max(max(points) for points in curves.values())
        for loop, points in curves.items():
            medians = {actions: statistics.median(values) for actions, values in sorted(points.items())}
            is_flat = len(medians) == 1
            x = [0, last] if is_flat else list(medians)
            y = [*medians.values()] * (2 if is_flat else 1)
            style = pg.QtCore.Qt.PenStyle.DashLine if is_flat else pg.QtCore.Qt.PenStyle.SolidLine
            symbol = {} if is_flat else {"symbol": "o", "symbolSize": 6, "symbolBrush": COLOURS[loop]}
            plot.plot(x, y, pen=pg.mkPen(COLOURS[loop], width=2, style=style), name=loop, **symbol)
    window.show()
    app.processEvents()
    ImageExporter(window.scene()).export(str(png))


if __name__ == "__main__":
    draw(read([Path(file) for file in sys.argv[2:]]), Path(sys.argv[1]))
