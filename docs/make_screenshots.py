"""Make the pictures of the user pages from the real window: python docs/make_screenshots.py [FOLDER [STAGE …]].

Everything is done through the widgets and by mouse and keys on the canvas, on a packaged image. All stages take about
four minutes on two cores; without a screen, run it under xvfb-run.
"""

import os
import sys
from collections.abc import Callable
from contextlib import chdir
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import napari
import numpy as np
import tifffile
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_cellseg_ssl.gui.controller import controller_of
from napari_cellseg_ssl.gui.layers_out import find_layer, layers_of

PLUGIN = "napari-cellseg-ssl"
SIZE, LARGEST_FILE = (1360, 860), 300_000
TOUCHING = np.s_[84:138, 146:228]
"""A part of nuclei_3 in which cells touch: where a person would paint."""
CELLULUS_SECONDS, ACTIS_SECONDS = 45, 90
SHORT_SECONDS = 40
ERRORS_SEEN = 3
SPLIT_PX = 16
"""Half the length of the line that splits two cells."""


class Tour:
    """One walk through the plugin, with a camera."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(show=False)
        self.viewer.show()
        wait(0.5)
        self.viewer.window._qt_window.resize(*SIZE)  # napari has just given it the size of the last time
        wait(0.5)
        self.controller = controller_of(self.viewer)
        self.docks: dict[str, Any] = {}

    def dock(self, title: str) -> QWidget:
        """Open a dock, and put it in front where it is open already."""
        if title not in self.docks:
            self.docks[title] = self.viewer.window.add_plugin_dock_widget(PLUGIN, title, tabify=True)
        outer, inner = self.docks[title]
        outer.show()
        outer.raise_()
        wait(0.3)
        self.viewer.reset_view()
        return inner

    def find(self, name: str) -> Any:
        """Find a widget of any dock by its object name."""
        found = [inner.findChild(QWidget, name) for _outer, inner in self.docks.values()]
        return next(widget for widget in found if widget is not None)

    def show(self, *kinds: str) -> None:
        """Show the image and the plugin's newest layer of some kinds; "reference" is the classical result."""
        newest = {kind_of(layer): layer for layer in layers_of(self.viewer, self.controller.image_layer)}
        shown = [self.controller.image_layer, *(newest[kind] for kind in kinds if kind in newest)]
        for layer in self.viewer.layers:
            if layer.visible != (layer in shown):  # napari puts the brush down at every assignment
                layer.visible = not layer.visible

    def scroll(self, name: str) -> None:
        """Bring a widget into view."""
        widget = self.find(name)
        for _outer, inner in self.docks.values():
            if inner.isAncestorOf(widget):
                inner._area.ensureWidgetVisible(widget, 0, 200)

    def finish(self, seconds: float) -> None:
        """Wait until the running job is over."""
        wait_until(lambda: self.controller.state.activity == "idle", seconds)
        if self.controller.state.failure is not None:
            raise SystemExit(f"A job failed: {self.controller.state.failure}")

    def at(self, place: Any) -> QPoint:
        """Where a pixel of the image, (row, column), is on the canvas."""
        canvas = self.viewer.window._qt_viewer.canvas
        node = canvas.layer_to_visual[self.controller.image_layer].node
        row, column = np.asarray(place, dtype=float) + 0.5
        x, y = node.get_transform("visual", "canvas").map([column, row])[:2] / canvas.native.devicePixelRatioF()
        return QPoint(round(x), round(y))

    def press(self, key: str, place: Any = None, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Point at a pixel, and press a key there."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        if place is not None:
            QTest.mouseMove(canvas, self.at(place))
            image, cursor = self.controller.image_layer, self.viewer.cursor
            wait_until(lambda: np.allclose(image.world_to_data(cursor.position), place, atol=1), 10)
        canvas.setFocus()
        QTest.keyClick(canvas, key, modifier)
        wait(0.2)

    def drag(self, start: Any, end: Any, picture: str = "") -> None:
        """Drag over the canvas with the left button; take a picture before it is let go."""
        canvas, left = self.viewer.window._qt_viewer.canvas.native, Qt.MouseButton.LeftButton
        QTest.mouseMove(canvas, self.at(start))
        wait(0.1)
        QTest.mousePress(canvas, left, pos=self.at(start))
        for part in np.linspace(0, 1, 8):
            QTest.mouseMove(canvas, self.at(np.asarray(start) * (1 - part) + np.asarray(end) * part))
            wait(0.05)
        if picture:
            self.shoot(picture)
        QTest.mouseRelease(canvas, left, pos=self.at(end))
        wait(0.2)

    def shoot(self, name: str) -> None:
        """Save the window as a PNG of at most 300 kB."""
        wait(0.5)
        pixels = self.viewer.window.screenshot(canvas_only=False, flash=False)
        picture = Image.fromarray(np.asarray(pixels)[..., :3])
        file = self.folder / f"{name}.png"
        picture.save(file, optimize=True)
        if file.stat().st_size > LARGEST_FILE:
            picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
        print(f"{file}: {file.stat().st_size // 1000} kB")


def kind_of(layer: Any) -> str:
    """What a layer of the plugin shows, with the outlined reference as a kind of its own."""
    tag = layer.metadata["cellseg_ssl"]
    return str("reference" if tag.get("name") == "reference" else tag["kind"])


def wait(seconds: float) -> None:
    """Let the window work."""
    end = monotonic() + seconds
    while monotonic() < end:
        QApplication.processEvents()


def wait_until(happened: Callable[[], bool], seconds: float) -> None:
    """Let the window work until something has happened."""
    end = monotonic() + seconds
    while not happened():
        if monotonic() > end:
            raise SystemExit(f"Nothing happened within {seconds:g} s.")
        wait(0.05)


def choose(combo: Any, text: str) -> None:
    """Choose the entry of a combo box that contains a text."""
    combo.setCurrentIndex(next(i for i in range(combo.count()) if text.lower() in combo.itemText(i).lower()))


def train(tour: Tour, method: str, seconds: int, picture: str) -> None:
    """Train for some seconds, and take a picture on the way."""
    choose(tour.find("cellseg_method"), method)
    tour.find("cellseg_limit_time").setChecked(True)
    tour.find("cellseg_time_budget").setValue(seconds)
    wait_until(lambda: tour.find("cellseg_train").isEnabled(), 30)
    tour.find("cellseg_train").click()
    wait_until(lambda: (tour.controller.state.fraction or 0) > 0.7 or tour.controller.state.failure is not None, 300)
    if picture:
        tour.scroll("cellseg_train")
        tour.shoot(picture)
    tour.finish(600)


def without_labels(tour: Tour) -> None:
    """Open the sample, learn without labels, and look at everything."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    wait_until(lambda: tour.controller.choices.shown_diameter is not None, 60)
    tour.shoot("1-open")
    train(tour, "cellulus", CELLULUS_SECONDS, "2-learn")
    tour.show("instances", "reference")
    tour.scroll("cellseg_tune")
    tour.shoot("3-cells")
    tour.show("embedding")
    tour.shoot("4-embedding")


def paint(tour: Tour) -> None:
    """Paint as a person would, then learn from it."""
    tour.dock("Paint labels")
    tour.find("cellseg_new_annotation").click()
    annotation = tour.controller.annotation_layer
    painted = tifffile.imread(str(files("napari_cellseg_ssl") / "samples" / "painted" / "nuclei_3.tif"))
    for number in np.unique(painted[painted > 0]):
        annotation.data_setitem(np.nonzero(painted == number), number)
    truth = tour.viewer.layers["nuclei_3 · truth"].data
    for cell in np.unique(truth[TOUCHING]):
        if cell and not annotation.data[truth == cell].any():
            annotation.data_setitem(np.nonzero(truth == cell), annotation.data.max() + 1)
    tour.find("cellseg_complete_region").click()
    (top, bottom), (left, right) = ((part.start, part.stop - 1) for part in TOUCHING)
    tour.viewer.layers.selection.active.add_rectangles(np.array([[top, left], [bottom, right]]))
    tour.show("annotation", "complete-regions")
    tour.viewer.layers.selection.active = annotation
    tour.find("cellseg_next_cell").click()
    wait(1)
    tour.shoot("5-paint")
    tour.dock("Train & segment")
    tour.show("preview")
    train(tour, "actis", ACTIS_SECONDS, "6-learn-from-labels")
    tour.show("probability")
    tour.shoot("7-probabilities")
    tour.show("instances")
    tour.scroll("cellseg_tune")
    tour.shoot("8-better-cells")
    tour.find("cellseg_tune").click()
    wait(0.5)
    tour.finish(300)
    tour.scroll("cellseg_tune_best")
    tour.shoot("tune")


def correct(tour: Tour) -> None:
    """Split, join and delete instances of the classical method, and accept some as cells."""
    tour.viewer.open_sample(PLUGIN, "nuclei_3")
    tour.dock("Train & segment")
    choose(tour.find("cellseg_method"), "classical")
    wait_until(lambda: tour.find("cellseg_segment").isEnabled(), 60)
    tour.find("cellseg_segment").click()
    tour.finish(60)
    tour.dock("Paint labels")
    tour.show("instances")
    tour.find("cellseg_new_annotation").click()
    instances = find_layer(tour.viewer, tour.controller.image_layer, "instances").data
    first, second = touching_cells(instances, tour.viewer.layers["nuclei_3 · truth"].data)
    middle, along = (first + second) / 2, (second - first) / np.linalg.norm(second - first)
    across = SPLIT_PX * np.array([-along[1], along[0]])
    tour.viewer.scene.camera.zoom *= 2.5
    tour.viewer.scene.camera.center = tuple(middle)
    wait(0.5)
    tour.press("S")
    tour.drag(middle - across, middle + across, "11-split")
    tour.press("J")
    tour.drag(first - 2 * along, second + 2 * along, "12-join")
    tour.press("Z", modifier=Qt.KeyboardModifier.ControlModifier)
    tour.press("A", first)
    tour.press("A", second)
    tour.shoot("13-accept")
    tour.viewer.reset_view()
    wait(0.5)
    smallest = np.bincount(instances[instances > 0])[1:].argmin() + 1
    tour.press("D", middle_of(instances == smallest))
    tour.find("cellseg_mark_corrected").setChecked(True)
    tour.shoot("14-corrected")


def touching_cells(instances: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Middles of the two largest true cells that one instance covers."""
    found = {}
    for number in np.unique(instances)[1:]:
        cells, areas = np.unique(truth[(instances == number) & (truth > 0)], return_counts=True)
        is_part = areas > areas.sum() / 4
        if is_part.sum() == 2:
            found[areas.sum()] = [middle_of(truth == cell) for cell in cells[is_part]]
    return found[max(found)]


def middle_of(mask: np.ndarray) -> np.ndarray:
    """Mean position of the pixels of a mask, (row, column)."""
    return np.argwhere(mask).mean(axis=0)


def score_and_export(tour: Tour) -> None:
    """Score against the packaged truth, and write files."""
    tour.dock("Score & export")
    tour.find("cellseg_export_folder").setText("results")
    choose(tour.find("cellseg_score_truth"), "truth")
    tour.find("cellseg_score").click()
    wait_until(lambda: tour.find("cellseg_score_table").rowCount() > 0, 30)
    for _ in range(ERRORS_SEEN):
        tour.find("cellseg_error_next").click()
        wait(0.3)
    tour.shoot("score")
    tour.find("cellseg_export_roi").setChecked(True)
    tour.find("cellseg_export").click()
    wait_until(lambda: tour.find("cellseg_export_message").text().startswith("Wrote"), 60)
    tour.scroll("cellseg_export_message")
    tour.shoot("10-export")


def versions(tour: Tour) -> None:
    """Learn twice from a painted image, the second time for longer; compare; ask where to paint next."""
    for sample in ("nuclei_1", "nuclei_2", "nuclei_painted"):
        tour.viewer.open_sample(PLUGIN, sample)
    tour.dock("Paint labels")
    tour.dock("Train & segment")
    choices = tour.controller.choices
    choices.choose_image(tour.viewer.layers["nuclei_3"])
    for row in choices.more.rows():
        choices.more.check(row.key, True)
        tour.viewer.layers[row.name].visible = False
    for seconds in (SHORT_SECONDS, 2 * SHORT_SECONDS):
        train(tour, "actis", seconds, "")
    listed = tour.find("cellseg_versions")
    listed.selectAll()
    tour.find("cellseg_compare").click()
    tour.finish(120)
    tour.scroll("cellseg_divider")
    tour.shoot("versions")
    tour.dock("Paint labels")
    tour.find("cellseg_where_next").click()
    tour.finish(120)
    fields = tour.find("cellseg_fields")
    fields.setCurrentRow(0)
    fields.itemClicked.emit(fields.item(0))
    tour.scroll("cellseg_field_complete")
    tour.shoot("where-next")


STAGES = {"learn": (without_labels, paint, score_and_export), "correct": (correct,), "versions": (versions,)}


def main() -> None:
    """Take the pictures of all stages, or of some."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.absolute()
    with TemporaryDirectory() as elsewhere, chdir(elsewhere):
        os.environ["XDG_DATA_HOME"] = elsewhere  # runs and paintings of this tour are nobody's
        for stage in sys.argv[2:] or STAGES:
            tour = Tour(folder)
            for part in STAGES[stage]:
                part(tour)
            tour.viewer.close()


if __name__ == "__main__":
    main()
