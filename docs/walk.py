"""Walk through the window as a biologist would, and check what she sees: python docs/walk.py [FOLDER].

Five images are opened in a window of 1366 x 768; the third is segmented with a starter, Cellulus, the classical method
and the starter again, painted on, learned from with ACTIS, scored, stepped through and exported, by widgets, mouse and
keys. After each step the layer on top, the number of cells in the status line, and what Score and Export are going to
take have to agree; at the end the file has to agree as well. Prints one row a step, saves one picture a step, and
exits with 1 if anything disagrees. Takes about four minutes on two cores; without a screen, run it under xvfb-run.
"""

import re
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from napari.layers import Image
from qtpy.QtCore import Qt
from tour import Tour, elsewhere, middle_of, train, wait, wait_until

from napari_cellseg_ssl.gui.layers.tags import KEY, is_instances, is_labels

SAMPLES = files("napari_cellseg_ssl") / "samples"
WINDOW = 1366, 768
IMAGE = "nuclei_3"
SECONDS = {"cellulus": 30, "actis": 45}
PAINTED = 12
"""Cells that are painted."""


class Walk(Tour):
    """A tour that compares what the window says with what it shows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.viewer.window._qt_window.resize(*WINDOW)
        wait(0.5)
        self.disagreements: list[str] = []
        self.steps = 0

    def open_images(self) -> None:
        """Write five images into the current folder and open them together, as when they are dropped on the window."""
        paths = []
        for number, change in enumerate((np.array, np.array, np.array, np.flipud, np.fliplr), start=1):
            with as_file(
                files("napari_cellseg_ssl") / "samples" / "images" / f"nuclei_{(number - 1) % 3 + 1}.tif"
            ) as file:
                paths.append(Path(f"nuclei_{number}.tif"))
                tifffile.imwrite(paths[-1], np.ascontiguousarray(change(tifffile.imread(file))))
        self.viewer.open(paths, stack=False)
        self.viewer.layers.selection.active = self.viewer.layers[IMAGE]

    def on_top(self) -> Any:
        """The uppermost visible layer of cells that is not painted or true."""
        visible = [layer for layer in self.viewer.layers if layer.visible and layer.opacity > 0]
        return next((layer for layer in reversed(visible) if is_labels(layer) and is_instances(layer)), None)

    def check(self, step: str, *, says_count: bool = True) -> None:
        """Compare what is on top with the status line and with what Score and Export take, and take a picture."""
        self.steps += 1
        wait(0.5)
        top = self.on_top()
        status = self.find("cellseg_status").text()
        said = re.search(r"(\d+) cells?\b", status)
        shown = 0 if top is None else len(np.unique(top.data)) - (0 in top.data)
        taken = [
            getattr(self.find(f"cellseg_{name}").layer, "name", None) for name in ("export_labels", "score_prediction")
        ]
        wrong = []
        if top is None or top.metadata[KEY]["image_id"] != str(self.viewer.layers[IMAGE].unique_id):
            wrong.append("no cells of this image are in sight")
        elif any(name != top.name for name in taken):
            wrong.append(f"Export and Score take {taken}")
        if says_count and (said is None or int(said.group(1)) != shown):
            wrong.append(f"the status says {said.group(1) if said else 'no number'}")
        if any(layer.visible and is_above(self.viewer, layer, top) for layer in self.viewer.layers if covers(layer)):
            wrong.append("an image lies above")
        top_name = None if top is None else top.name
        print(f"{self.steps:2d} {step:32s} {top_name!s:34s} {shown:4d}  {'; '.join(wrong) or 'agrees'}", flush=True)
        self.disagreements += [f"{step}: {text}" for text in wrong]
        self.shoot(f"walk-{self.steps:02d}")


def covers(layer: Any) -> bool:
    """Whether a layer hides what lies below it."""
    return isinstance(layer, Image) and layer.blending.startswith("translucent") and KEY not in layer.metadata


def is_above(viewer: Any, layer: Any, other: Any) -> bool:
    """Whether a layer lies above another."""
    return other is not None and viewer.layers.index(layer) > viewer.layers.index(other)


def press_and_finish(tour: Walk, name: str) -> None:
    """Press a button once it can be pressed, and wait for the job."""
    wait_until(lambda: tour.find(name).isEnabled(), 60)
    tour.find(name).click()
    wait(0.3)
    tour.finish(300)


def segment_by(tour: Walk, method: str) -> None:
    """Choose a method that needs no training, and segment."""
    combo = tour.find("cellseg_method")
    combo.setCurrentIndex(next(i for i in range(combo.count()) if method in combo.itemText(i).lower()))
    tour.segment()


def paint(tour: Walk) -> None:
    """Paint the largest true cells of the image, and background around them by key."""
    tour.dock("Paint labels")
    tour.find("cellseg_new_annotation").click()
    annotation = tour.controller.annotation_layer
    truth = tour.viewer.layers["truth"].data
    largest = np.argsort(np.bincount(truth[truth > 0]))[::-1][:PAINTED]
    for number, cell in enumerate(largest, start=2):
        annotation.data_setitem(np.nonzero(truth == cell), number)
    tour.viewer.layers.selection.active = annotation
    for cell in largest:
        tour.press("O", middle_of(truth == cell))
    if not (annotation.data == 1).any():
        tour.disagreements.append("paint: the key O painted no background")
    tour.dock("Train & segment")


def step_and_undo(tour: Walk) -> None:
    """Step through errors by key, delete a cell by key, and take it back by key."""
    seen = []
    for _ in range(3):
        tour.press(".")
        seen.append(tuple(np.round(tour.viewer.scene.camera.center, 1)))
    if len(set(seen)) < 2:
        tour.disagreements.append(f"step: the key . did not move the camera, {seen}")
    tour.dock("Paint labels")
    tour.viewer.reset_view()
    top = tour.on_top()
    tour.viewer.layers.selection.active = top
    before = top.data.copy()
    largest = np.bincount(before[before > 0]).argmax()
    tour.press("D", middle_of(before == largest))
    if (top.data == largest).any():
        tour.disagreements.append("delete: the key D deleted nothing")
    tour.press("Z", modifier=Qt.KeyboardModifier.ControlModifier)
    if not np.array_equal(top.data, before):
        tour.disagreements.append("undo: Ctrl+Z did not bring the cell back")


def export(tour: Walk) -> None:
    """Export what is on top, and compare the file with it."""
    tour.dock("Score & export")
    tour.find("cellseg_export_folder").setText("results")
    tour.find("cellseg_export").click()
    wait_until(lambda: tour.find("cellseg_export_message").text().startswith("Wrote"), 60)
    written = tifffile.imread(Path("results") / f"{IMAGE}_labels.tif")
    if not np.array_equal(written, tour.on_top().data):
        tour.disagreements.append("export: the file holds other cells than are shown")


def main() -> None:
    """Take the whole walk."""
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path("walk")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with elsewhere():
        tour = Walk(folder)
        for title in ("Score & export", "Paint labels", "Train & segment"):
            tour.dock(title)
        tour.open_images()
        wait_until(lambda: tour.controller.image_layer is tour.viewer.layers[IMAGE], 10)
        wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("starter", lambda: press_and_finish(tour, "cellseg_starter_nuclei")),
            ("Cellulus", lambda: train(tour, "cellulus", SECONDS["cellulus"], "")),
            ("classical", lambda: segment_by(tour, "classical")),
            ("starter again", lambda: press_and_finish(tour, "cellseg_starter_nuclei")),
        ]
        for title, step in steps:
            step()
            tour.check(title)
        with as_file(SAMPLES / "labels" / f"{IMAGE}.tif") as file:
            tour.viewer.add_labels(tifffile.imread(file), name="truth", visible=False)
        tour.viewer.layers.selection.active = tour.viewer.layers[IMAGE]
        paint(tour)
        tour.check("paint")
        train(tour, "actis", SECONDS["actis"], "")
        tour.check("ACTIS")
        tour.dock("Score & export")
        tour.find("cellseg_score_truth").choose(tour.viewer.layers["truth"])
        tour.find("cellseg_score").click()
        wait_until(lambda: tour.find("cellseg_score_table").rowCount() > 0, 60)
        tour.check("score")
        step_and_undo(tour)
        tour.check("step, delete, undo by key", says_count=False)
        export(tour)
        tour.check("export", says_count=False)
    print("\n".join(tour.disagreements) or "Everything agrees.")
    sys.exit(bool(tour.disagreements))


if __name__ == "__main__":
    main()
