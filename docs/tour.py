"""A walk through the plugin in a real window, by its widgets and by mouse and keys on the canvas, with a camera."""

import os
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
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

from napari_cellseg_ssl.gui.layers.tags import KEY, layers_of
from napari_cellseg_ssl.gui.session.controller import controller_of

PLUGIN = "napari-cellseg-ssl"
TOUCHING = np.s_[84:138, 146:228]
"""A part of nuclei_3 in which cells touch: where a person would paint."""
SIZE, LARGEST_FILE = (1360, 860), 300_000


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
            self.docks[title] = self.viewer.window.add_plugin_dock_widget(PLUGIN, title)
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

    def segment(self) -> None:
        """Press Segment, and wait for the cells."""
        wait_until(lambda: self.find("cellseg_segment").isEnabled(), 60)
        self.find("cellseg_segment").click()
        self.finish(120)

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


@contextmanager
def elsewhere() -> Iterator[None]:
    """Work in a folder that goes away: runs and paintings of a tour are nobody's."""
    with TemporaryDirectory() as folder, chdir(folder):
        os.environ["XDG_DATA_HOME"] = folder
        yield


def kind_of(layer: Any) -> str:
    """What a layer of the plugin shows, with the outlined reference as a kind of its own."""
    tag = layer.metadata[KEY]
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


def train(tour: Tour, method: str, seconds: int, picture: str, when: float = 0.7) -> None:
    """Train for some seconds, and take a picture when so much of it is done."""
    choose(tour.find("cellseg_method"), method)
    tour.find("cellseg_limit_time").setChecked(True)
    tour.find("cellseg_time_budget").setValue(seconds)
    wait_until(lambda: tour.find("cellseg_train").isEnabled(), 30)
    tour.find("cellseg_train").click()
    wait_until(lambda: (tour.controller.state.fraction or 0) > when or tour.controller.state.failure is not None, 300)
    if picture:
        tour.scroll("cellseg_train")
        tour.shoot(picture)
    tour.finish(600)


def paint_cells(tour: Tour) -> Any:
    """Paint the packaged cells and background of nuclei_3, and all cells of a part in which some touch."""
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
    return annotation


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
