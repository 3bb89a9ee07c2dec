"""A napari of its own in which somebody learns, paints, corrects and marks a region, until it is killed.

    python painting_process.py IMAGE

Prints "ready", then for every stroke the time, and hashes of the annotation.
"""

import sys
import time
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).parent))

from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.gui.annotate.painting import complete_regions, new_annotation
from napari_cellseg_ssl.gui.docks import PaintDock, TrainSegmentDock
from napari_cellseg_ssl.gui.layers.tags import find_layer

BETWEEN_STROKES_S = 0.05


def say(line: str) -> None:
    """Write a line at once: there is no later."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Work until the end."""
    registry.METHODS = {"fake": "fakes", "classical": registry.METHODS["classical"]}
    app = QApplication([])
    PluginManager.instance().discover()  # as the window of napari does
    viewer = ViewerModel()
    viewer.open(sys.argv[1], plugin="napari")
    docks = TrainSegmentDock(viewer), PaintDock(viewer)
    controller = docks[0].controller
    image = controller.image_layer
    annotation = new_annotation(viewer, image)
    controller.choices.choose_annotation(annotation, "sparse")
    annotation.paint((5, 5), 2)
    docks[0].train.put_back(None)
    docks[0].method._form.set_value(type(docks[0].method._form.value())(steps=3))
    docks[0].train.train_clicked.emit()
    while controller.state.current is None or controller.state.activity != "idle":
        app.processEvents()
    instances = find_layer(viewer, image, "instances", "fake")
    instances.data_setitem(np.nonzero(instances.data == 1), 0)
    complete_regions(viewer, image).add_rectangles(np.array([[0, 0], [30, 40]]))
    say("ready")
    rng = np.random.default_rng(0)
    for stroke in range(3, 100_000):
        annotation.paint(tuple(rng.integers(0, 60, 2)), stroke)
        held = {kept.settings["kind"]: kept.hash for kept in controller.session.autosave.painted(None)}
        say(f"{time.time()} {held['annotation']} {held['complete-regions']}")
        until = time.monotonic() + BETWEEN_STROKES_S
        while time.monotonic() < until:
            app.processEvents()


if __name__ == "__main__":
    main()
