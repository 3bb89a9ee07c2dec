"""A real window with an image of sixteen cells, the dock, and a method that trains instantly."""

import time
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from drawings import disks, picture
from napari_cellseg_ssl.core.methods import registry
from napari_cellseg_ssl.gui.session import autosave, folders, restoring

PATIENCE_MS = 60_000
"""Of whoever waits for something to happen: on a busy machine it takes longer."""

SIZE = 420, 900
"""Of a window that holds the dock alone, px."""


def pytest_collection_modifyitems(items):
    """Count no lines while docks and windows are tested, by what they do; without, they run a fifth faster."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def sessions(monkeypatch, tmp_path):
    """Keep the sessions of a test out of the user's folder."""
    folder = tmp_path / "sessions"
    for module in (autosave, folders, restoring):
        monkeypatch.setattr(module, "sessions_folder", lambda: folder)
    return folder


@pytest.fixture
def two_methods(monkeypatch):
    """Offer the fake method first, and the classical one."""
    monkeypatch.setattr(registry, "METHODS", {"fake": "fakes", "classical": registry.METHODS["classical"]})


class Screen:
    """A viewer with the dock, as a user has it before them."""

    def __init__(self, viewer, dock, qtbot):
        self.viewer, self.dock, self.qtbot, self.controller = viewer, dock, qtbot, dock.controller

    def find(self, name):
        found = self.dock.findChild(QWidget, f"cellseg_{name}")
        assert found is not None, name
        return found

    def click(self, name):
        self.wait(lambda: self.find(name).isEnabled())
        self.find(name).click()

    def wait(self, condition, ms=PATIENCE_MS):
        self.qtbot.waitUntil(condition, timeout=ms)

    def wait_idle(self, ms=PATIENCE_MS):
        self.wait(lambda: self.controller.state.activity == "idle" and not self.find("stop").isEnabled(), ms)

    def wait_for_activity(self, *activities):
        self.wait(lambda: self.controller.state.activity in activities)

    @property
    def status(self):
        return self.find("status").text()

    def kinds(self):
        tags = [layer.metadata.get("cellseg_ssl", {}) for layer in self.viewer.layers]
        return [(tag["kind"], tag["method"]) for tag in tags if "kind" in tag]

    def train(self, **options):
        """Set options of the fake method and press Train; by steps, not by the clock."""
        self.find("limit_time").setChecked(False)
        form = self.dock.method._form
        form.set_value(type(form.value())(**options))
        self.click("train")

    def spin(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.002)


def wait_for_rest(screens):
    """Stop what runs, wait until nothing does, and end the sessions while their methods are still registered."""
    for screen in screens:
        screen.controller.stop()
        screen.wait(lambda screen=screen: screen.controller.state.activity == "idle")
        screen.wait(lambda screen=screen: not screen.controller.choices.is_busy)
        screen.controller.dispose()


@pytest.fixture
def no_window(qtbot, two_methods):
    """A viewer and the dock without a window, for where no pixel of the screen matters."""
    from napari_cellseg_ssl.gui.docks import TrainSegmentDock

    viewer = ViewerModel()
    viewer.add_image(picture(disks()), name="disks")
    screen = Screen(viewer, TrainSegmentDock(viewer), qtbot)
    qtbot.addWidget(screen.dock)
    yield screen
    wait_for_rest([screen])


@pytest.fixture
def opening(qtbot, two_methods):
    """Open docks on viewers, and let what they do come to an end after the test."""
    from napari_cellseg_ssl.gui.docks import TrainSegmentDock

    screens = []

    def make(viewer, image=True, labels=None):
        if image:
            viewer.add_image(picture(disks()), name="disks")
        if labels is not None:
            viewer.add_labels(**labels)
        screens.append(Screen(viewer, TrainSegmentDock(viewer), qtbot))
        return screens[-1]

    yield make
    wait_for_rest(screens)


@pytest.fixture
def open_window(make_napari_viewer, opening):
    """Open real windows with the dock, with or without an image: where pixels, mouse or the window itself matter."""

    def make(image=True, labels=None):
        screen = opening(make_napari_viewer(show=True), image, labels)
        screen.viewer.window.add_dock_widget(screen.dock, name="Train & segment")
        return screen

    return make


@pytest.fixture
def hosts(qtbot, two_methods):
    """Windows that hold a dock and nothing else; gone after the test, with all that would still draw."""
    windows = []
    yield windows
    for window in windows:
        window.close()
        window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def open_dock(hosts, opening):
    """Open the dock alone, on a viewer that draws nothing, in a fifth of the time of `open_window`.

    A file whose tests need no more says so once, by a fixture `open_screen` that returns this one.
    """
    from napari.components import ViewerModel

    def make(image=True, labels=None):
        screen, window = opening(ViewerModel(), image, labels), QMainWindow()
        place = QDockWidget("Train & segment", window)
        place.setWidget(screen.dock)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, place)
        window.resize(*SIZE)
        window.show()
        hosts.append(window)
        return screen

    return make


@pytest.fixture
def open_screen(open_window):
    """Open screens as a user has them, unless a file says that the dock is enough."""
    return open_window


@pytest.fixture
def screen(open_screen):
    """One screen with an image and the dock."""
    return open_screen()
